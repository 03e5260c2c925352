//! The wire formats and state machines of Outlast: bytes and time in, bytes and events out.
//!
//! This crate is `no_std`: it cannot open a file, read a clock, touch a socket or look at the
//! environment, so every rule in it can be tested in virtual time. `PROTOCOL.md` beside it is
//! the contract; `tests/spec.rs` holds the two together.
//!
//! | module | what it holds |
//! |---|---|
//! | [`link`] | the protocol between mux and host, over one SSH channel per attached session |
//! | [`control`] | the protocol between command line and mux, over a Unix socket |
//! | [`handover`] | what a relay says to a host when it passes its descriptors on |
//! | [`frame`], [`codec`], [`message`] | how messages become bytes |
//! | [`record`], [`session`], [`outcome`], [`finding`], [`durability`], [`id`] | the nouns that travel |
//! | [`terminal`] | what a program says to its terminal: where sequences end, which modes are set |
//! | [`limits`] | every bound, by its name in PROTOCOL.md |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod codec;
pub mod control;
pub mod durability;
pub mod finding;
pub mod frame;
pub mod handover;
pub mod hello;
pub mod id;
pub mod limits;
pub mod link;
pub mod message;
pub mod outcome;
pub mod record;
pub mod secret;
pub mod session;
pub mod terminal;
