//! A deterministic simulator: the real session, log, queue and links of the host, the real link,
//! attachment, cursor and stdin window of the client, in virtual time and under faults. One seed
//! makes one world, the same everywhere and always.
//!
//! What is simulated is what lies between and around them: channels that are cut, stalled and
//! emptied late ([`channel`]), relays, a shell that runs patterned commands ([`shell`], [`job`]),
//! muxes and command lines that carry messages by the rules of the client ([`mux`], [`task`],
//! [`cli`]). A witness writes down every record ([`ledger`]); whatever a command line gets is
//! held against that at once ([`view`]).
//!
//! `cargo xtask simulate --seed N` plays one world again.

pub mod action;
pub mod channel;
pub mod cli;
pub mod computer;
pub mod fault;
pub mod finale;
pub mod got;
pub mod job;
pub mod ledger;
pub mod mux;
pub mod pattern;
pub mod plan;
pub mod random;
pub mod run;
pub mod sabotage;
pub mod scenario;
pub mod shell;
pub mod shown;
pub mod task;
pub mod trace;
pub mod turns;
pub mod view;
pub mod violation;
pub mod visits;
pub mod world;
