//! End-to-end tests: the built programs, a real sshd, real shells.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

mod cuts;
mod disk_full;
mod errors;
mod harness;
mod host_keys;
mod hostile;
mod idle;
mod mux;
mod packaging;
mod stage;
mod steal;
