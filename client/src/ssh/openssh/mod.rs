//! The system's `ssh` in place of our own SSH: for what only it can do.
//!
//! One control master a target authenticates, so that questions are asked once a host and not once
//! a session; each link is an `ssh` that gives its streams to that master and never dials itself.

mod ask;
mod askpass;
mod diagnosis;
mod leg;
mod link;
mod master;
mod plan;
mod program;
mod words;

pub use askpass::{Desk, TOKEN};
pub use leg::Leg;
pub use link::{MasterLink, MasterWords};
pub use master::{Master, end_masters};
pub use plan::Plan;
