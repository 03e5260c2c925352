//! SSH transport: everything between a destination as typed and a byte stream to the subsystem.
//!
//! `russh` is used in this module and nowhere else: it moves fast and has traps, and its types do
//! not appear in this module's interface. The order of use is [`resolve`], [`Connection::connect`],
//! [`Connection::open_link`]; or, where the system's `ssh` is to do it, [`Plan::make`],
//! [`Master::connect`], [`Master::open_link`]. `open_command` of both runs any command on a channel.

mod abortable;
mod agent;
mod algorithms;
mod authenticate;
mod config;
mod connection;
mod destination;
mod dial;
mod environment;
mod error;
mod handler;
mod handshake;
mod host_key;
mod identity;
mod jump;
mod known_hosts;
mod link;
mod link_task;
mod open;
mod openssh;
mod options;
mod overheard;
mod prompt;
mod proxy_command;
mod public_key;
mod quick_ack;

pub use authenticate::Accepted;
pub(crate) use config::matches_pattern;
pub use config::{
    AddKeys, AddressFamily, Authentication, ConfigError, ForwardAgent, HostConfig, IgnoredOption,
    Keepalive, Location, LogLevel, Proxy, Rekey, StrictHostKeyChecking, Way, resolve, resolve_by,
};
pub use connection::{Connection, Description};
pub use destination::{Destination, DestinationError};
pub use dial::resolved as addresses;
pub use environment::Environment;
pub use error::{ConnectError, ConnectErrorKind, OpenError};
pub use host_key::HostKeyError;
pub use link::{LastWords, Link, RemoteDiagnostics, RemoteExit};
pub use openssh::{
    Desk, Leg, Master, MasterLink, MasterWords, Plan, TOKEN as ASKPASS_TOKEN, end_masters,
};
pub use options::SshOptions;
pub use prompt::{Answer, NeverPrompt, NoTerminal, Prompt, PromptFuture, Question};
