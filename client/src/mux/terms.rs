//! What the configuration of a host says about the sessions there.

use outlast_protocol::control::to_mux::Surroundings;

use crate::ssh::{ForwardAgent, HostConfig, matches_pattern};

#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    send_env: Vec<String>,
    set_env: Vec<(String, String)>,
    forward_agent: ForwardAgent,
}

impl Terms {
    pub(super) fn of(config: &HostConfig) -> Self {
        Self {
            send_env: config.send_env.clone(),
            set_env: config.set_env.clone(),
            forward_agent: config.forward_agent.clone(),
        }
    }

    /// Adds what `SendEnv` takes from the caller and what `SetEnv` sets, which wins, as in ssh.
    /// They go with the session itself: sshd's `AcceptEnv`, mostly off, does not concern them.
    pub(super) fn extend(&self, environment: &mut Vec<(String, String)>, caller: &Surroundings) {
        let is_sent = |name: &str| {
            let mut patterns = self.send_env.iter();
            patterns.any(|pattern| matches_pattern(name, pattern))
        };
        let sent = caller.environment.iter().filter(|(name, _)| is_sent(name));
        for (name, value) in sent.chain(&self.set_env) {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), value.clone()));
        }
    }

    /// The socket of the agent that is lent to a command, which may have asked for it itself.
    pub(super) fn agent(&self, caller: &Surroundings, asked: bool) -> Option<String> {
        match &self.forward_agent {
            ForwardAgent::Socket(socket) => Some(socket.display().to_string()),
            ForwardAgent::Callers => caller.agent_socket.clone(),
            ForwardAgent::No => caller.agent_socket.clone().filter(|_| asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_is_set_wins_over_what_is_sent_and_that_over_what_was_there() {
        let terms = Terms {
            send_env: vec!["LC_*".to_owned(), "FOO".to_owned()],
            set_env: vec![pair("FOO", "set"), pair("NEW", "1")],
            ..Terms::default()
        };
        let caller = Surroundings {
            environment: vec![pair("FOO", "x"), pair("LC_ALL", "C"), pair("OTHER", "y")],
            ..Surroundings::default()
        };
        let mut environment = vec![pair("LC_ALL", "old"), pair("TERM", "xterm")];
        terms.extend(&mut environment, &caller);
        let expected = [
            ("TERM", "xterm"),
            ("LC_ALL", "C"),
            ("FOO", "set"),
            ("NEW", "1"),
        ];
        assert_eq!(environment, expected.map(|(name, value)| pair(name, value)));
    }

    #[test]
    fn an_agent_is_lent_where_the_host_or_the_command_says_so() {
        let caller = Surroundings {
            agent_socket: Some("/mine".to_owned()),
            ..Surroundings::default()
        };
        let agent = |forward_agent, asked| {
            let terms = Terms {
                forward_agent,
                ..Terms::default()
            };
            terms.agent(&caller, asked)
        };
        let mine = Some("/mine".to_owned());
        assert_eq!(agent(ForwardAgent::No, false), None);
        assert_eq!(agent(ForwardAgent::No, true), mine);
        assert_eq!(agent(ForwardAgent::Callers, false), mine);
        let other = ForwardAgent::Socket("/other".into());
        assert_eq!(agent(other, true).as_deref(), Some("/other"));
    }
}
