//! End-to-end tests: the built programs, a real sshd, real shells.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

mod again;
mod argv;
mod audit;
mod bounds;
mod canonical;
mod configuration;
mod control;
mod creation;
mod crowd;
mod cuts;
mod disk_full;
mod doctor;
mod durability;
mod enter;
mod errors;
mod harness;
mod host_death;
mod host_keys;
mod hostile;
mod hostile_peers;
mod idle;
mod install;
mod lending;
mod listing;
mod logins;
mod mux;
mod openssh;
mod output;
mod packaging;
mod passwords;
mod prompts;
mod questions;
mod remains;
mod retention;
mod sessions;
mod ssh_config;
mod stage;
mod standstill;
mod state;
mod steal;
mod streams;
mod sudo;
mod watch;
mod world;
