//! Asks the real `ssh -G` where a configuration needs what only ssh does.

use std::process::Command;

use super::error::{ConfigError, Location};
use super::values::Values;
use super::{keyword, line};
use crate::ssh::{Destination, Environment, SshOptions};

pub(super) fn ask(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    what: String,
    location: Location,
) -> Result<Values, ConfigError> {
    let Some(program) = environment.program("ssh") else {
        return Err(ConfigError::NeedsOpenSsh { what, location });
    };
    let failed = |detail: String| ConfigError::OpenSsh {
        host: destination.host.clone(),
        detail,
    };
    let output = Command::new(program)
        .arg("-G")
        .args(arguments(destination, options))
        .env_clear()
        .envs(&environment.variables)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    let mut values = Values::default();
    let mut location = Location {
        file: "ssh -G".into(),
        line: 0,
    };
    for text in String::from_utf8_lossy(&output.stdout).lines() {
        location.line += 1;
        let Some((name, rest)) = line::split_keyword(text) else {
            continue;
        };
        // What ssh prints for "not set", and its defaults for lists that we choose ourselves.
        let unset = matches!(
            name,
            "ciphers" | "macs" | "kexalgorithms" | "hostkeyalgorithms"
        ) || (rest == "none" && name == "connecttimeout");
        if !unset && matches!(keyword::find(name), keyword::Keyword::Followed(..)) {
            values.take(name, rest, true, &location)?;
        }
    }
    Ok(values)
}

/// What ssh is called with to reach that destination.
pub(in crate::ssh) fn arguments(destination: &Destination, options: &SshOptions) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut with = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    if let Some(file) = &options.config_file {
        with("-F", file.to_string_lossy().into_owned());
    }
    if let Some(port) = options.port.or(destination.port) {
        with("-p", port.to_string());
    }
    if let Some(user) = options.login.as_ref().or(destination.user.as_ref()) {
        with("-l", user.clone());
    }
    for identity in &options.identities {
        with("-i", identity.to_string_lossy().into_owned());
    }
    for option in &options.options {
        with("-o", option.clone());
    }
    // A host cannot begin with `-`: see `Destination`.
    arguments.extend(["--".to_owned(), destination.host.clone()]);
    arguments
}
