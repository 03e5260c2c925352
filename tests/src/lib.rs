//! The harness of the end-to-end tests: a real OpenSSH server, client machines, a network that can
//! be cut, a terminal, and the questions one asks of `/proc` afterwards.
//!
//! Everything waits for events (a line, a file, the end of a process, bytes on a socket), never for
//! time. A deadline only turns a hang into a message.
//!
//! | module | holds |
//! |---|---|
//! | [`sshd`] | one OpenSSH server on a loopback address, with a noisy home of its own |
//! | [`client`] | a client machine: `OUTLAST_HOME`, keys, ssh_config; runs `outlast` and `ssh` |
//! | [`proxy`] | a TCP proxy that cuts, stalls, trickles and counts |
//! | [`pty`] | a program on a terminal |
//! | [`screen`] | what a terminal shows that was told certain bytes |
//! | [`gate`] | named events between a test and a remote script |
//! | [`failpoint`] | a process of Outlast stopped at a named place |
//! | [`process`] | what `/proc` says: who is left, who has gone |
//! | [`ledger`] | what a receiver got and what it was told is missing |
//! | [`stream`] | numbered lines, to prove that a stream is byte-exact |
//! | [`syslog`] | what stands in for `/dev/log` |
//! | [`usage`] | what a process uses: memory, processor time, wake-ups |
//! | [`watermark`] | how full a directory ever got |
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a harness reports by panicking in the test that uses it"
)]

pub mod account;
pub mod binaries;
pub mod client;
pub mod deadline;
pub mod failpoint;
pub mod failure;
pub mod file_event;
pub mod gate;
pub mod host_entry;
pub mod ledger;
pub mod leftovers;
pub mod output;
mod own_session;
pub mod process;
pub mod proxy;
pub mod pty;
pub mod running;
pub mod screen;
pub mod sshd;
pub mod stream;
pub mod syslog;
pub mod transcript;
pub mod transport;
pub mod usage;
pub mod watermark;

pub use client::ClientMachine;
pub use failpoint::Failpoint;
pub use gate::Gate;
pub use output::Output;
pub use proxy::Proxy;
pub use running::Running;
pub use sshd::{Sshd, Subsystem, Sudoer};
pub use syslog::Syslog;
pub use watermark::Watermark;
