//! The wire formats and state machines of Outlast: bytes and time in, bytes and events out.
//!
//! This crate is `no_std`: it cannot open a file, read a clock, touch a socket or look at the
//! environment, so every rule in it can be tested in virtual time. `PROTOCOL.md` beside it is
//! the contract; `tests/spec.rs` holds the two together.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod id;
pub mod outcome;
