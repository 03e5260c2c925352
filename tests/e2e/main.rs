//! End-to-end tests: the built programs, a real sshd, real shells.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

mod harness;
mod packaging;
