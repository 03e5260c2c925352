//! ssh_config: which host, user, port, keys and proxies a destination means.
//!
//! Our own reader, because no crate reads it right (two gave the wrong user without a word). It is
//! held against `ssh -G` by a test. What it does not do itself (`Match exec`, `canonical`, `final`,
//! host name canonicalisation) it asks the real `ssh -G` for, or refuses naming file and line.

mod error;
mod glob;
mod host_config;
mod keyword;
mod line;
mod matching;
mod openssh;
mod pattern;
mod reader;
mod tokens;
mod values;

pub use error::ConfigError;
pub use host_config::{
    AddressFamily, Authentication, HostConfig, Keepalive, Proxy, StrictHostKeyChecking,
};
pub(super) use openssh::arguments;
pub(super) use pattern::{matches_list, matches_pattern};
pub use values::IgnoredOption;

use super::{Destination, Environment, SshOptions};

/// Resolves what `destination` means, as ssh would: options, the user's file, the system's file,
/// the first value winning.
pub fn resolve(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<HostConfig, ConfigError> {
    resolve_at_depth(destination, options, environment, 0)
}

/// Jump hosts have their own configuration, which may name jump hosts: a loop must end.
const MAX_JUMPS: usize = 8;

fn resolve_at_depth(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    depth: usize,
) -> Result<HostConfig, ConfigError> {
    if depth > MAX_JUMPS {
        return Err(ConfigError::JumpLoop {
            host: destination.host.clone(),
        });
    }
    let values = match reader::read(destination, options, environment) {
        Err(ConfigError::NeedsOpenSsh { what, location }) => {
            openssh::ask(destination, options, environment, what, location)?
        }
        other => other?,
    };
    host_config::build(values, destination, options, environment, depth)
}
