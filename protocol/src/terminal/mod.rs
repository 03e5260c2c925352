//! What a program says to its terminal: where its escape sequences end, and which modes it sets.
//!
//! Both ends look at the same bytes: the client to put nothing into the middle of a sequence and
//! to know what to undo on leaving, the host to know what was set in the part it does not keep.

pub mod follower;
pub mod modes;
mod private;
pub mod sequence;
