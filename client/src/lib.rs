//! The client of Outlast: the command line and the mux behind it.

pub mod control;
pub mod mux;
pub mod place;
pub mod ssh;
