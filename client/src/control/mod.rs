//! The connection between command line and mux, from both sides.

pub mod connection;
pub mod start;
pub mod stream;
