//! Examining a computer: the way a session's link goes, layer by layer, over a connection of its
//! own. Whatever keeps it from getting further is the last finding.

mod capacity;
mod channel;
mod connection;
mod openssh;
mod remote;
mod route;

use std::future::Future;
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::target::Transport;
use outlast_protocol::control::to_cli::Examined;
use outlast_protocol::control::to_mux::Examine;
use outlast_protocol::finding::{Finding, Verdict};

use super::Mux;
use super::caller::{Caller, Stop};
use super::failure::Failure;
use super::prompt::Broker;
use super::transport::{self, Opened};

/// What was found in a layer, and what the next one goes on with, if there is a way on.
struct Layer<T> {
    findings: Vec<Finding>,
    next: Option<T>,
}

impl<T> Layer<T> {
    /// The way on.
    fn passed(findings: Vec<Finding>, next: T) -> Self {
        Self {
            findings,
            next: Some(next),
        }
    }

    /// The same, behind what was found before.
    fn behind(self, before: Vec<Finding>) -> Self {
        Self {
            findings: [before, self.findings].concat(),
            next: self.next,
        }
    }

    /// The end of the way, behind what was found before.
    fn stopped(mut findings: Vec<Finding>, last: Finding) -> Self {
        findings.push(last);
        Self {
            findings,
            next: None,
        }
    }
}

/// What stands in the way in that layer.
fn bad(layer: &str, failure: &Failure) -> Finding {
    Finding::new(layer, Verdict::Bad, failure.message.clone()).hint(failure.hint.clone())
}

/// Goes there and tells the command line what it finds on the way.
pub(super) async fn examine(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Examine,
) -> Result<(), Stop> {
    let Examine {
        target,
        surroundings,
    } = request;
    let waking = mux.hosts.waking().clone();
    let computer = target.destination.clone();
    if target.is_local() {
        let greeted = stage(caller, async move |_| match transport::local() {
            Ok(opened) => channel::greet(opened, "this computer", waking).await,
            Err(failure) => Layer::stopped(Vec::new(), bad("subsystem", &failure)),
        });
        if let Some(wire) = greeted.await? {
            stage(caller, async move |_| remote::examine(wire).await).await?;
        }
        return Ok(());
    }
    if target.transport == Transport::OpenSsh {
        return openssh::examine(mux, caller, target, surroundings).await;
    }
    let asked = (target, surroundings);
    let configured = stage(caller, async move |_| {
        route::configuration(&asked.0, &asked.1).await
    });
    let Some(config) = configured.await? else {
        return Ok(());
    };
    let config = Rc::new(config);
    let way = config.clone();
    if stage(caller, async move |_| route::reach(&way).await)
        .await?
        .is_none()
    {
        return Ok(());
    }
    let connected = stage(caller, async move |prompt| {
        connection::connect(&config, &*prompt).await
    });
    let Some(connection) = connected.await? else {
        return Ok(());
    };
    let connection = Rc::new(connection);
    let over = connection.clone();
    let greeted = stage(caller, async move |_| match channel::open(&over).await {
        Layer {
            findings,
            next: Some(link),
        } => channel::greet(opened(link), &computer, waking)
            .await
            .behind(findings),
        Layer {
            findings,
            next: None,
        } => Layer {
            findings,
            next: None,
        },
    });
    if let Some(wire) = greeted.await? {
        let examined = stage(caller, async move |_| remote::examine(wire).await);
        if let Some(wire) = examined.await? {
            let over = connection.clone();
            stage(caller, async move |_| capacity::examine(&over, wire).await).await?;
        }
    }
    connection.disconnect().await;
    Ok(())
}

fn opened(link: crate::ssh::Link) -> Opened {
    let words = link.last_words();
    (Box::new(link), Box::new(move || words.text()))
}

/// Examines one layer and tells the command line.
async fn stage<T, F>(
    caller: &mut Caller,
    work: impl FnOnce(Rc<Broker>) -> F,
) -> Result<Option<T>, Stop>
where
    F: Future<Output = Layer<T>>,
{
    let examined = caller
        .wait_for(|prompt, _| {
            let work = work(prompt);
            async move { Ok(work.await) }
        })
        .await?;
    let findings = examined.findings;
    if !findings.is_empty() {
        caller.send(&Examined { findings }.into(), Bytes::new());
    }
    Ok(examined.next)
}
