//! lib

pub mod ssh;
