//! The record log, from outside.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips"
)]

#[path = "log/disk.rs"]
mod disk;
#[path = "log/format.rs"]
mod format;
#[path = "log/property.rs"]
mod property;
#[path = "log/recovery.rs"]
mod recovery;
#[path = "log/world.rs"]
mod world;
