//! The link protocol: mux and host over one SSH channel per attached session.

pub mod attachment;
pub mod connection;
pub mod cursor;
pub mod heartbeat;
pub mod refusal;
pub mod request;
pub mod to_client;
pub mod to_host;

pub use request::{AttachMode, Command, From, Level, Source, TerminalSize};
