//! A server of russh's that wants what a test says: sshd asks several questions only through PAM.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlast::ssh::{HostConfig, SshOptions, resolve};
use russh::keys::PrivateKey;
use russh::server::{Auth, Handler, Response, VerifiedPublicKey, run_stream};
use russh::{MethodKind, MethodSet};
use tokio::net::TcpListener;

use crate::server::Server;

/// A prompt, whether typing is shown, and the right answer.
pub(crate) type Prompts = &'static [(&'static str, bool, &'static str)];

/// What the server wants: all of it, in this order.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    Key,
    Password(&'static str),
    Rounds(&'static [Prompts]),
}

impl Wanted {
    fn kind(self) -> MethodKind {
        match self {
            Self::Key => MethodKind::PublicKey,
            Self::Password(_) => MethodKind::Password,
            Self::Rounds(_) => MethodKind::KeyboardInteractive,
        }
    }
}

pub(crate) struct Planned {
    pub(crate) port: u16,
    tried: Arc<Mutex<Vec<String>>>,
}

impl Planned {
    /// Has the host key of `keys`, and lets in whoever does what is wanted.
    pub(crate) async fn start(keys: &Server, wanted: &'static [Wanted]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = std::fs::read_to_string(keys.path("host")).unwrap();
        let config = Arc::new(russh::server::Config {
            keys: vec![PrivateKey::from_openssh(text).unwrap()],
            methods: MethodSet::from(&[wanted.first().unwrap().kind()][..]),
            auth_rejection_time: Duration::ZERO,
            ..russh::server::Config::default()
        });
        let tried = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&tried);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let login = Login {
                    left: wanted,
                    round: 0,
                    tried: Arc::clone(&noted),
                };
                let session = run_stream(Arc::clone(&config), stream, login).await;
                tokio::spawn(async move {
                    if let Ok(session) = session {
                        let _ = session.await;
                    }
                });
            }
        });
        Self { port, tried }
    }

    /// What it was given, in order.
    pub(crate) fn tried(&self) -> Vec<String> {
        self.tried.lock().unwrap().clone()
    }

    /// A configuration that leads here, where `lines` win.
    pub(crate) fn config(&self, keys: &Server, lines: &str) -> HostConfig {
        let options = SshOptions {
            config_file: Some(keys.path("config")),
            ..SshOptions::default()
        };
        let text = format!(
            "{lines}HostName 127.0.0.1\nPort {}\nUser me\nIdentityFile {}\nIdentityAgent none\n\
             UserKnownHostsFile none\nGlobalKnownHostsFile none\nStrictHostKeyChecking no\n",
            self.port,
            keys.path("user").display()
        );
        std::fs::write(keys.path("config"), text).unwrap();
        resolve(&"here".parse().unwrap(), &options, &keys.environment()).unwrap()
    }
}

struct Login {
    left: &'static [Wanted],
    round: usize,
    tried: Arc<Mutex<Vec<String>>>,
}

impl Login {
    fn note(&self, what: String) {
        self.tried.lock().unwrap().push(what);
    }

    fn accept(&mut self) -> Auth {
        self.left = &self.left[1..];
        self.round = 0;
        match self.left.first() {
            None => Auth::Accept,
            Some(next) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::from(&[next.kind()][..])),
                partial_success: true,
            },
        }
    }

    fn refuse(&mut self) -> Auth {
        self.round = 0;
        Auth::Reject {
            proceed_with_methods: self
                .left
                .first()
                .map(|it| MethodSet::from(&[it.kind()][..])),
            partial_success: false,
        }
    }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        self.note(format!("password {password}"));
        Ok(match self.left.first() {
            Some(Wanted::Password(right)) if *right == password => self.accept(),
            _ => self.refuse(),
        })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.note("publickey".to_owned());
        Ok(match self.left.first() {
            Some(Wanted::Key) => self.accept(),
            _ => self.refuse(),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(Wanted::Rounds(rounds)) = self.left.first().copied() else {
            return Ok(self.refuse());
        };
        if let Some(response) = response {
            let given: Vec<String> = response
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .collect();
            self.note(format!("keyboard-interactive {}", given.join(",")));
            let right = rounds[self.round].iter().map(|(_, _, answer)| *answer);
            if !right.eq(given.iter().map(String::as_str)) {
                return Ok(self.refuse());
            }
            self.round += 1;
        }
        let Some(prompts) = rounds.get(self.round) else {
            return Ok(self.accept());
        };
        let prompts = prompts
            .iter()
            .map(|(prompt, echo, _)| (Cow::from(*prompt), *echo));
        Ok(Auth::Partial {
            name: "Two steps".into(),
            instructions: format!("round {}", self.round + 1).into(),
            prompts: prompts.collect::<Vec<_>>().into(),
        })
    }
}
