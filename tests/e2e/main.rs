//! End-to-end tests: the built programs, a real sshd, real shells.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

<<<<<<< HEAD
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
=======
mod argv;
mod control;
mod harness;
mod listing;
mod output;
mod packaging;
mod sessions;
mod state;
mod streams;
mod world;
>>>>>>> main
