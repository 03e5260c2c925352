//! The connection between command line and mux, from both sides.

pub mod stream;
