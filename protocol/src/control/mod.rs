//! The control protocol: command line and mux over a Unix socket. One connection carries one
//! request and what belongs to it; a command line that works on many sessions opens many.

pub mod session;
pub mod target;
pub mod to_cli;
pub mod to_mux;
pub mod window;
