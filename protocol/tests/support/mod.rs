//! What the tests of the wire share. Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod contract;
pub mod direction;
pub mod fixtures;
pub mod hex;
pub mod random;
pub mod shape;
