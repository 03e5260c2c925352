//! Asks the real `ssh -G`: for what only ssh can know, and where our reading refuses a file that
//! another version of ssh may take.
//!
//! Its output has no quotes, no lines of origin and no difference between a default and the same
//! value set, so that it is the second choice. See ARCHITECTURE.md, "ssh_config".

use std::process::{Command, Stdio};

use super::error::{ConfigError, Location};
use super::form::Form;
use super::keyword;
use super::line;
use super::matching::existing;
use super::values::Values;
use crate::ssh::{Destination, Environment, SshOptions};

/// The values as the installed `ssh` reads them.
pub(super) fn values(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<Values, ConfigError> {
    let nothing = SshOptions {
        config_file: Some("none".into()),
        ..SshOptions::default()
    };
    let host = &destination.host;
    let defaults = ask(
        &["--".to_owned(), host.clone()],
        &nothing,
        host,
        environment,
    )?;
    let defaults: Vec<&str> = defaults.lines().collect();
    let asked = arguments(destination, options);
    let printed = ask(&asked, &SshOptions::default(), host, environment)?;
    let location = Location {
        file: "ssh -G".into(),
        line: 0,
    };
    let mut values = Values::default();
    values.expanded = true;
    for text in printed.lines() {
        let Some((name, rest)) = line::split_keyword(text) else {
            continue;
        };
        let is_default = defaults.contains(&text) && !ALWAYS.contains(&name);
        let Some(keyword) = keyword::find(name).filter(|_| !is_default && !rest.is_empty()) else {
            continue;
        };
        let words = match keyword.form {
            Form::Names | Form::Files | Form::Rekey | Form::IpQos | Form::AddKeys => {
                rest.split_whitespace().map(str::to_owned).collect()
            }
            // It prints what it holds, without quotes.
            _ => vec![rest.to_owned()],
        };
        let read = keyword.form.read(rest, words);
        // A value of a newer ssh, which is the reason why it was asked: ours to leave out.
        if let Ok(read) = read {
            // Of this list it prints each entry on a line of its own.
            let form = match keyword.form {
                Form::SetEnv => Form::Each,
                other => other,
            };
            values.set(keyword.name, form, read, &location);
        }
    }
    forget_default_lists(&mut values, &defaults);
    Ok(values)
}

/// What has no default worth the name, and lists, which are looked at as a whole.
const ALWAYS: [&str; 5] = ["hostname", "identityfile", "port", "sendenv", "user"];

/// Of a list, all lines together are the default or not.
fn forget_default_lists(values: &mut Values, defaults: &[&str]) {
    for name in ["identityfile", "sendenv"] {
        let line = |text: &&str| {
            text.strip_prefix(name)?
                .strip_prefix(' ')
                .map(str::to_owned)
        };
        let default: Vec<String> = defaults.iter().filter_map(line).collect();
        if values.all(name) == default {
            values.remove(name);
        }
    }
}

/// The host that ssh would connect to, canonicalised.
pub(super) fn host(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
    what: &str,
    location: &Location,
) -> Result<String, ConfigError> {
    if environment.program("ssh").is_none() {
        return Err(ConfigError::needs_openssh(what, location));
    }
    let asked = arguments(destination, options);
    let printed = ask(
        &asked,
        &SshOptions::default(),
        &destination.host,
        environment,
    )?;
    let host = printed
        .lines()
        .find_map(|line| line.strip_prefix("hostname "));
    host.map(str::to_owned)
        .ok_or_else(|| failed(&destination.host, "it names no host"))
}

fn ask(
    asked: &[String],
    options: &SshOptions,
    host: &str,
    environment: &Environment,
) -> Result<String, ConfigError> {
    let Some(program) = environment.program("ssh") else {
        return Err(failed(host, "the ssh program is not on PATH"));
    };
    let file = options.config_file.iter();
    let output = Command::new(program)
        .arg("-G")
        .args(file.flat_map(|file| ["-F".as_ref(), file.as_os_str()]))
        .args(asked)
        .env_clear()
        .envs(&environment.variables)
        .current_dir(existing(&environment.directory))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(host, error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(host, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

fn failed(host: &str, detail: impl Into<String>) -> ConfigError {
    ConfigError::OpenSsh {
        host: host.to_owned(),
        detail: detail.into(),
    }
}

/// What ssh is called with to reach that destination.
pub(in crate::ssh) fn arguments(destination: &Destination, options: &SshOptions) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut with = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    if let Some(file) = &options.config_file {
        with("-F", file.to_string_lossy().into_owned());
    }
    if let Some(port) = options.port {
        with("-p", port.to_string());
    }
    if let Some(user) = &options.login {
        with("-l", user.clone());
    }
    for identity in &options.identities {
        with("-i", identity.to_string_lossy().into_owned());
    }
    for option in &options.options {
        with("-o", option.clone());
    }
    // Behind the options: the first one holds.
    if let Some(port) = destination.port.filter(|_| options.port.is_none()) {
        with("-p", port.to_string());
    }
    if let Some(user) = destination
        .user
        .as_ref()
        .filter(|_| options.login.is_none())
    {
        with("-l", user.clone());
    }
    // A host cannot begin with `-`: see `Destination`.
    arguments.extend(["--".to_owned(), destination.host.clone()]);
    arguments
}
