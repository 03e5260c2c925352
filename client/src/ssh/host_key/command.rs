//! `KnownHostsCommand`: lines of known_hosts from a program.

use std::path::Path;

use russh::keys::PublicKey;
use tokio::process::Command;

use super::{HostKeyError, HostKeyPolicy, fingerprint};
use crate::ssh::config::LATER;

impl HostKeyPolicy<'_> {
    /// Takes in what the command says of the host, if one is configured.
    pub(super) async fn ask_command(
        &mut self,
        purpose: &str,
        key: Option<&PublicKey>,
    ) -> Result<(), HostKeyError> {
        let [program, arguments @ ..] = self.config.known_hosts_command.as_slice() else {
            return Ok(());
        };
        let failed = |reason: String| HostKeyError::CommandFailed {
            command: program.clone(),
            reason,
        };
        let names = Names::new(&self.known.name().own, purpose, key);
        let running = Command::new(program)
            .args(arguments.iter().map(|argument| names.expand(argument)))
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let seconds = self.config.connect_timeout;
        let output = tokio::time::timeout(seconds, running)
            .await
            .map_err(|_| failed("it does not end".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        let source = format!("KnownHostsCommand-{purpose}");
        let text = String::from_utf8_lossy(&output.stdout);
        self.known.take(Path::new(&source), &text);
        Ok(())
    }
}

/// What the tokens stand for that are known only while connecting.
struct Names([(char, String); 5]);

impl Names {
    fn new(host: &str, purpose: &str, key: Option<&PublicKey>) -> Self {
        let none = || "NONE".to_owned();
        let text = key.and_then(|key| key.to_openssh().ok());
        let body = text.and_then(|text| text.split_whitespace().nth(1).map(str::to_owned));
        Self([
            ('H', host.to_owned()),
            ('I', purpose.to_owned()),
            (
                't',
                key.map_or_else(none, |key| key.algorithm().to_string()),
            ),
            ('f', key.map_or_else(none, fingerprint)),
            ('K', body.unwrap_or_else(none)),
        ])
    }

    fn expand(&self, argument: &str) -> String {
        let mut argument = argument.to_owned();
        for (token, text) in &self.0 {
            argument = argument.replace(&format!("{LATER}{token}"), text);
        }
        argument
    }
}
