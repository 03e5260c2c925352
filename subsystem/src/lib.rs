//! The remote end of Outlast.
//!
//! One binary, two roles. sshd starts it without arguments for each channel: the [`relay`]. The
//! relay starts `outlast-subsystem host …` once for each session: the [`host`], which keeps the
//! shell ([`runspace`]) and its output ([`log`]). The directory of all sessions is the
//! [`registry`]; what is left of one whose host died, the [`remains`]. What both tell the
//! system's log is the [`audit`].

pub mod audit;
pub mod examination;
pub mod host;
pub mod identity;
pub mod log;
pub mod refuse;
pub mod registry;
pub mod relay;
pub mod remains;
pub mod runspace;
pub mod sys;
