//! Two versions against each other. `cargo xtask skew` says which the other one is, by
//! `OUTLAST_OLD_BIN_DIR`; without it this version meets itself, so that the tests themselves stay
//! sound.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

mod day;
mod party;

use party::Version::{New, Old};

/// What an upgrade of a server leaves: hosts that were started before it.
#[test]
fn new_client_and_relay_with_an_old_host() {
    day::spend(&party::Pair {
        client: New,
        relay: New,
        host: Old,
    });
}

#[test]
fn old_client_with_a_new_relay_and_host() {
    day::spend(&party::Pair {
        client: Old,
        relay: New,
        host: New,
    });
}

#[test]
fn new_client_with_an_old_relay_and_host() {
    day::spend(&party::Pair {
        client: New,
        relay: Old,
        host: Old,
    });
}

#[test]
fn old_client_and_host_with_a_new_relay() {
    day::spend(&party::Pair {
        client: Old,
        relay: New,
        host: Old,
    });
}

/// What a downgrade leaves.
#[test]
fn old_client_and_relay_with_a_new_host() {
    day::spend(&party::Pair {
        client: Old,
        relay: Old,
        host: New,
    });
}
