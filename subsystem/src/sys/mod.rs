//! The only home of `unsafe` in this crate: what has to happen between fork and exec.
#![allow(unsafe_code)]

pub mod readiness;
pub mod spawn;
pub mod terminal;
