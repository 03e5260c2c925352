//! The record log, from outside.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::print_stdout)]

#[path = "log/cost.rs"]
mod cost;
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
