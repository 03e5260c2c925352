//! Logins that were refused: none is tried again unasked.
//!
//! Newer sshd (`PerSourcePenalties`) shuts out an address that fails to log in too often, and with it
//! everybody behind that address. So what was refused to a command line is not tried again for that
//! command line, by whatever alias, and what was refused at all is not tried again by a reconnect in
//! the background: somebody has to ask for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use outlast_protocol::control::to_mux::Surroundings;
use tokio::sync::OwnedSemaphorePermit;

use super::failure::Failure;
use super::turns::Turns;
use crate::ssh::{HostConfig, Plan, Proxy};

/// Where, as whom, by which way and with what: two logins that are equal have the same outcome.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Login(String);

impl Login {
    fn of(config: &HostConfig) -> Self {
        let mut config = config.clone();
        if let Proxy::Jump(chain) = &mut config.proxy {
            chain.iter_mut().for_each(forget_names);
        }
        forget_names(&mut config);
        Self(format!("{config:?}"))
    }

    /// By the system's `ssh`, as it reads its files.
    fn by_ssh(plan: &Plan, surroundings: &Surroundings) -> Self {
        Self(format!("{} {:?}", plan.login, surroundings.agent_socket))
    }
}

/// The name that was typed, where a setting stands, and where the command line was typed make no
/// difference; the last does where a program finds the way.
fn forget_names(config: &mut HostConfig) {
    config.original_host.clear();
    config.ignored.clear();
    config.notes.clear();
    config.settings.clear();
    if !matches!(config.proxy, Proxy::Command(_)) {
        Arc::make_mut(&mut config.surroundings).directory = PathBuf::new();
    }
}

/// Command lines have numbers; this is none.
pub(super) const BACKGROUND: u64 = 0;
/// Refusals remembered: what is pushed out is merely tried once more.
const MAX_REFUSED: usize = 1024;

struct Refused {
    run: u64,
    failure: Failure,
}

/// What is known of logins.
pub(super) struct Logins {
    refused: RefCell<BTreeMap<Login, Refused>>,
    /// Those that worked when they were last tried.
    proven: RefCell<BTreeSet<Login>>,
    /// As long as nothing is known, one at a time is tried.
    turns: Turns<Login>,
}

impl Logins {
    pub(super) fn new() -> Self {
        Self {
            refused: RefCell::default(),
            proven: RefCell::default(),
            turns: Turns::new(1),
        }
    }

    /// Waits for its turn, or fails as the same login did before.
    pub(super) async fn begin(&self, config: &HostConfig, run: u64) -> Result<Trying<'_>, Failure> {
        // A jump host may be what refuses, so it is a login of its own.
        let chain = match &config.proxy {
            Proxy::Jump(chain) => chain.as_slice(),
            Proxy::None | Proxy::Command(_) => &[],
        };
        let hops = chain.iter().chain([config]);
        let hops: Vec<Hop> = hops
            .map(|hop| (hop.host.clone(), hop.port, Login::of(hop)))
            .collect();
        self.take_turns(hops, run).await
    }

    /// The same where the system's `ssh` logs in.
    pub(super) async fn begin_by_ssh(
        &self,
        plan: &Plan,
        surroundings: &Surroundings,
    ) -> Result<Trying<'_>, Failure> {
        let login = Login::by_ssh(plan, surroundings);
        let hops = vec![(plan.host.clone(), plan.port, login)];
        self.take_turns(hops, surroundings.run).await
    }

    async fn take_turns(&self, hops: Vec<Hop>, run: u64) -> Result<Trying<'_>, Failure> {
        // In one order for all, so that nobody waits for who waits for them.
        let unproven: BTreeSet<&Login> = hops
            .iter()
            .map(|(_, _, login)| login)
            .filter(|login| !self.proven.borrow().contains(login))
            .collect();
        let mut turns = Vec::new();
        for login in unproven {
            turns.push(self.turns.take(login.clone()).await);
        }
        for (_, _, login) in &hops {
            self.check(login, run)?;
        }
        Ok(Trying {
            logins: self,
            hops,
            run,
            _turns: turns,
        })
    }

    fn check(&self, login: &Login, run: u64) -> Result<(), Failure> {
        let refused = self.refused.borrow();
        match refused.get(login) {
            Some(refused) if run == BACKGROUND || run == refused.run => {
                Err(refused.failure.clone())
            }
            _ => Ok(()),
        }
    }
}

type Hop = (String, u16, Login);

/// A login that is being tried.
pub(super) struct Trying<'a> {
    logins: &'a Logins,
    hops: Vec<Hop>,
    run: u64,
    _turns: Vec<Option<OwnedSemaphorePermit>>,
}

impl Trying<'_> {
    /// It worked.
    pub(super) fn worked(self) {
        for (_, _, login) in self.hops {
            self.logins.refused.borrow_mut().remove(&login);
            self.logins.proven.borrow_mut().insert(login);
        }
    }

    /// It did not, at that host. A failure that may pass says nothing about the login.
    pub(super) fn failed(self, host: &str, port: u16, failure: &Failure) {
        if failure.passing {
            return;
        }
        let at = |hop: &Hop| hop.0 == host && hop.1 == port;
        let Some((_, _, login)) = self.hops.into_iter().find(at) else {
            return;
        };
        self.logins.proven.borrow_mut().remove(&login);
        let mut refused = self.logins.refused.borrow_mut();
        if refused.len() >= MAX_REFUSED {
            refused.pop_first();
        }
        let (run, failure) = (self.run, failure.clone());
        refused.insert(login, Refused { run, failure });
    }
}

#[cfg(test)]
mod tests {
    use outlast_protocol::control::to_cli::FailureKind;

    use super::*;
    use crate::ssh::{Environment, SshOptions, resolve};

    fn config(host: &str, lines: &[&str]) -> HostConfig {
        let options = SshOptions {
            config_file: Some("none".into()),
            options: lines.iter().map(|line| (*line).to_owned()).collect(),
            ..SshOptions::default()
        };
        resolve(&host.parse().unwrap(), &options, &Environment::of_process()).unwrap()
    }

    fn refused() -> Failure {
        Failure::new(FailureKind::Authentication, "refused")
    }

    #[tokio::test]
    async fn what_was_refused_is_refused_to_that_command_line_and_in_the_background() {
        let logins = Logins::new();
        let first = config("a", &["HostName=10.0.0.1"]);
        let alias = config("b", &["HostName=10.0.0.1"]);
        let trying = logins.begin(&first, 5).await.ok().unwrap();
        trying.failed("10.0.0.1", 22, &refused());
        assert_eq!(logins.begin(&alias, 5).await.err(), Some(refused()));
        assert_eq!(
            logins.begin(&alias, BACKGROUND).await.err(),
            Some(refused())
        );
        for other in ["User=other", "Port=2222", "IdentityFile=/other"] {
            let other = config("a", &["HostName=10.0.0.1", other]);
            assert!(logins.begin(&other, 5).await.is_ok());
        }
        // Somebody asks anew, and it works.
        logins.begin(&alias, 6).await.ok().unwrap().worked();
        assert!(logins.begin(&first, BACKGROUND).await.is_ok());
    }

    #[tokio::test]
    async fn many_at_once_try_one_after_the_other_until_it_is_known_to_work() {
        let logins = Logins::new();
        let host = config("a", &[]);
        let first = logins.begin(&host, 5).await.ok().unwrap();
        let mut second = std::pin::pin!(logins.begin(&host, 5));
        tokio::select! {
            biased;
            _ = &mut second => panic!("it does not wait"),
            () = tokio::task::yield_now() => first.failed("a", 22, &refused()),
        }
        assert_eq!(second.await.err(), Some(refused()));
        logins.begin(&host, 6).await.ok().unwrap().worked();
        let held = logins.begin(&host, 7).await;
        assert!(held.is_ok() && logins.begin(&host, 7).await.is_ok());
    }

    #[tokio::test]
    async fn a_jump_host_that_refuses_is_not_asked_again_for_the_next_host() {
        let logins = Logins::new();
        let through = |host| config(host, &["ProxyJump=jump"]);
        let trying = logins.begin(&through("a"), 5).await.ok().unwrap();
        trying.failed("jump", 22, &refused());
        assert_eq!(logins.begin(&through("b"), 5).await.err(), Some(refused()));
        // The network was away: that is no refusal.
        let trying = logins.begin(&through("a"), 6).await.ok().unwrap();
        trying.failed("a", 22, &Failure::unreachable("gone"));
        assert!(logins.begin(&through("a"), 6).await.is_ok());
    }
}
