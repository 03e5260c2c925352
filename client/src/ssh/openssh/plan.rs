//! How to reach a host by `ssh`: what `ssh -G` says about it, as far as we have to know.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::program::Program;
use crate::ssh::config::arguments;
use crate::ssh::{ConfigError, Destination, Environment, SshOptions};

/// A `Match exec` may hang.
const PATIENCE: Duration = Duration::from_secs(15);

/// How to reach a host.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) program: Program,
    /// What follows our own options: those of the user, and the host.
    pub(super) arguments: Vec<String>,
    /// As typed.
    pub(super) name: String,
    /// The name or address ssh connects to.
    pub host: String,
    pub port: u16,
    /// A master of the user's own may listen there.
    pub(super) control_path: Option<String>,
    pub(super) has_connect_timeout: bool,
    /// A host key is not to be asked about.
    pub(super) takes_new_keys: bool,
    /// Where, as whom, by which way and with what: where it is the same, so is what comes of it.
    pub login: String,
    /// `SendEnv` and `SetEnv`, for what is started at the other end.
    pub(super) environment: Vec<String>,
}

impl Plan {
    /// Asks `ssh -G`. The sockets of masters are to be in `directory`.
    pub async fn make(
        destination: &Destination,
        options: &SshOptions,
        environment: &Environment,
        directory: &Path,
    ) -> Result<Self, ConfigError> {
        let failed = |detail: String| ConfigError::OpenSsh {
            host: destination.host.clone(),
            detail,
        };
        let Some(program) = Program::find(environment, directory) else {
            return Err(ConfigError::NoOpenSsh);
        };
        let arguments = arguments(destination, options);
        let mut call = program.call_for_caller();
        call.arg("-G").args(&arguments);
        call.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = tokio::time::timeout(PATIENCE, call.output())
            .await
            .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(complaint(&said, options)));
        }
        let mut plan = Self {
            program,
            arguments,
            name: destination.host.clone(),
            host: destination.host.clone(),
            port: 22,
            control_path: None,
            has_connect_timeout: false,
            takes_new_keys: false,
            login: String::new(),
            environment: Vec::new(),
        };
        let printed = String::from_utf8_lossy(&output.stdout);
        printed.lines().for_each(|line| plan.take(line));
        plan.login = login(&printed);
        Ok(plan)
    }

    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(' ') else {
            return;
        };
        match (name, value) {
            ("hostname", host) => host.clone_into(&mut self.host),
            ("port", port) => self.port = port.parse().unwrap_or(self.port),
            ("controlpath", path) if path != "none" => {
                let whole = self.program.environment().directory.join(path);
                self.control_path = Some(whole.to_string_lossy().into_owned());
            }
            ("connecttimeout", seconds) => self.has_connect_timeout = seconds != "none",
            ("stricthostkeychecking", "false" | "no" | "off") => self.takes_new_keys = true,
            ("sendenv", names) => self.environment.push(format!("SendEnv={names}")),
            ("setenv", values) => self.environment.push(format!("SetEnv={values}")),
            _ => {}
        }
    }
}

/// What ssh has printed, without the name that was typed, and without where masters are: unless that
/// name has to do with something else too.
fn login(printed: &str) -> String {
    let is_name = |line: &&str| line.starts_with("host ") || line.starts_with("controlpath ");
    let (names, others): (Vec<&str>, Vec<&str>) = printed.lines().partition(is_name);
    let by_name = others
        .iter()
        .any(|line| line.contains("%n") || line.contains("%k"));
    let names = names.iter().filter(|_| by_name);
    others
        .iter()
        .chain(names)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// What ssh did not like. Of what was typed it does not say which.
fn complaint(said: &str, options: &SshOptions) -> String {
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    let mut text = lines.join("; ");
    if text.contains("command-line") && !options.options.is_empty() {
        text.push_str(&format!(" (given: -o {})", options.options.join(" -o ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_a_host_are_one_login_unless_the_name_matters() {
        let printed = |name: &str, more: &str| {
            login(&format!(
                "host {name}\nuser ada\nhostname 10.0.0.9\ncontrolpath /x/{name}\n{more}\n"
            ))
        };
        assert_eq!(printed("a", "port 22"), printed("b", "port 22"));
        assert_ne!(printed("a", "port 22"), printed("a", "port 23"));
        for named in ["identityfile ~/.ssh/id_%n", "proxycommand nc %k"] {
            assert_ne!(printed("a", named), printed("b", named));
        }
    }
}
