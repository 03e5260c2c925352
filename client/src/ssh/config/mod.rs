//! ssh_config: which host, user, port, keys and proxies a destination means.
//!
//! Our own reader, because no crate reads it right (two gave the wrong user without a word), held
//! against `ssh -G` by a test, key by key. Where it would refuse a configuration, the installed
//! `ssh -G` has the last word; and it is asked for the one thing that only ssh knows, the name that
//! `CanonicalizeHostname` leads to.

mod add_keys;
mod algorithm_names;
mod canonical;
mod error;
mod form;
mod glob;
mod host_config;
mod ip_qos;
mod keyword;
mod known_hosts_command;
mod line;
mod matching;
mod openssh;
mod pattern;
mod reader;
mod tokens;
mod values;

pub use add_keys::AddKeys;
pub use error::{ConfigError, Location};
pub use host_config::{
    AddressFamily, Authentication, ForwardAgent, HostConfig, Keepalive, LogLevel, Proxy, Rekey,
    StrictHostKeyChecking,
};
pub(super) use known_hosts_command::LATER;
pub(super) use matching::existing;
pub(super) use openssh::arguments;
pub(super) use pattern::matches_list;
pub(crate) use pattern::matches_pattern;
pub use values::IgnoredOption;

use matching::Subject;
use values::Values;

use super::{Destination, Environment, SshOptions};

/// Who reads the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// We do.
    Own,
    /// The installed `ssh -G` does.
    OpenSsh,
}

/// Resolves what `destination` means, as ssh would: options, the user's file, the system's file,
/// the first value winning. May run programs and ask name servers: not on a thread that others
/// wait for.
pub fn resolve(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<HostConfig, ConfigError> {
    resolve_at_depth(destination, options, environment, 0)
}

/// As [`resolve`], in one way only: so that the two can be compared.
pub fn resolve_by(
    way: Way,
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<HostConfig, ConfigError> {
    let (values, host) = match way {
        Way::Own => read(destination, options, environment, false)?,
        Way::OpenSsh => ask(destination, options, environment)?,
    };
    host_config::build(values, &host, destination, options, environment, 0)
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
    let built = |(values, host): (Values, String)| {
        host_config::build(values, &host, destination, options, environment, depth)
    };
    let refusal = match read(destination, options, environment, false).and_then(built) {
        Err(refusal) if refusal.is_refusal() => refusal,
        other => return other,
    };
    // A newer ssh may know what we do not, an older one may not yet see what we see. Where it
    // refuses as well, our words are the better ones: they have the line.
    let theirs = match environment.is_home_of_account {
        true => ask(destination, options, environment),
        false => return Err(refusal),
    };
    match (theirs, &refusal) {
        (Err(_), _) => Err(refusal),
        (Ok(_), ConfigError::Permissions { .. }) => {
            read(destination, options, environment, true).and_then(built)
        }
        (Ok(theirs), _) => built(theirs).map_err(|_| refusal),
    }
}

fn read(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    lenient: bool,
) -> Result<(Values, String), ConfigError> {
    let mut values = reader::options(destination, options)?;
    let mut subject = Subject {
        destination,
        found: None,
        environment,
    };
    let findings = reader::files(&mut values, &subject, options, lenient)?;
    let host = canonical::host(&values, destination, options, environment)?;
    if findings.want_final || canonical::is_on(&values) {
        subject.found = Some(&host);
        reader::files(&mut values, &subject, options, lenient)?;
    }
    values.notes = findings.notes;
    Ok((values, host))
}

fn ask(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<(Values, String), ConfigError> {
    let values = openssh::values(destination, options, environment)?;
    let host = values.first("hostname").unwrap_or(&destination.host);
    let host = host.to_owned();
    Ok((values, host))
}
