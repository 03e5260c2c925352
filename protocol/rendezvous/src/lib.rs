//! Checked per-user directories and sockets on which Outlast's processes find each other.
//!
//! Nothing here trusts a path: a directory is opened once, checked through its descriptor, and
//! everything in it is then named relative to that descriptor. A socket appears under its name
//! only when it can be connected to, and no byte is exchanged with a peer of another user.
#![forbid(unsafe_code)]

pub mod directory;
pub mod error;
pub mod failpoint;
mod file;
pub mod listener;
pub mod lock;
pub mod machine;
pub mod newcomers;
pub mod peer;
pub mod start;
mod tree;

pub use directory::PrivateDirectory;
pub use error::DirectoryError;
pub use lock::Lock;
pub use newcomers::Newcomers;
