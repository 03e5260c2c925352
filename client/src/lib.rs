//! The client of Outlast: the command line and the mux behind it.

pub mod cli;
pub mod config;
pub mod control;
pub mod install;
pub mod mux;
pub mod output;
pub mod place;
pub mod ssh;
pub mod terminal;
