//! A small world in virtual time: a client, a host that runs imaginary commands, and a wire that
//! is cut where the test says.

mod client;
mod host;
mod world;

pub(crate) use world::{Fate, Plan, World};
