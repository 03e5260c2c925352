//! The channel: whether one is granted, who speaks on it, and what comes before they do.

use outlast_protocol::finding::{Finding, Verdict};

use super::{Layer, bad};
use crate::mux::carrier::{FALLBACK, PROGRAM, SUBSYSTEM};
use crate::mux::failure::Failure;
use crate::mux::transport::Opened;
use crate::mux::waking::Waking;
use crate::mux::wire::{Unmet, Wire, greeting};
use crate::ssh::{Connection, Link, OpenError};

/// Noise shown at most, in characters.
const SHOWN: usize = 200;
/// What nologin(8) says by default.
const NO_LOGIN: &str = "This account is currently not available";

/// Opens a channel and asks for the subsystem on it.
pub(super) async fn open(connection: &Connection) -> Layer<Link> {
    match connection.open_link(SUBSYSTEM, FALLBACK).await {
        Ok(link) => Layer::passed(granted(link.is_in_place()), link),
        Err(error) => Layer::stopped(Vec::new(), refused(error)),
    }
}

/// There is a channel; `in_place`: the program by its name is on it.
pub(super) fn granted(in_place: bool) -> Vec<Finding> {
    let channel = Finding::new("channel", Verdict::Good, "one was granted");
    let subsystem = if in_place {
        Finding::new(
            "subsystem",
            Verdict::Doubtful,
            format!("sshd knows no subsystem `{SUBSYSTEM}`: `{PROGRAM}` is run as a command"),
        )
        .hint("`outlast install --system HOST` adds `Subsystem outlast /usr/lib/outlast/outlast-subsystem` to its sshd's configuration, so that it depends on no login shell")
    } else {
        let text = format!("sshd started the subsystem `{SUBSYSTEM}`");
        Finding::new("subsystem", Verdict::Good, text)
    };
    vec![channel, subsystem]
}

pub(super) fn refused(error: OpenError) -> Finding {
    let layer = match error {
        OpenError::RequestRefused { .. } => "subsystem",
        _ => "channel",
    };
    bad(layer, &Failure::from(error))
}

/// Waits for the remote end's greeting.
pub(super) async fn greet(opened: Opened, computer: &str, waking: Waking) -> Layer<Wire> {
    let (stream, diagnose) = opened;
    match Wire::meet(stream, diagnose, computer, waking).await {
        Ok(wire) => {
            let findings = vec![login(wire.noise()), version(&wire)];
            Layer::passed(findings, wire)
        }
        Err(Unmet::Incompatible(failure)) => Layer::stopped(Vec::new(), bad("version", &failure)),
        Err(Unmet::Failed(failure)) if failure.message.contains(NO_LOGIN) => {
            let finding = bad("login", &failure);
            let hint =
                "the account's login shell lets nobody in: `chsh` or usermod --shell sets another";
            Layer::stopped(Vec::new(), finding.hint(hint))
        }
        Err(Unmet::Failed(failure)) => Layer::stopped(Vec::new(), bad("subsystem", &failure)),
    }
}

/// What the login shell's start-up files printed.
fn login(noise: &[u8]) -> Finding {
    const LAYER: &str = "login";
    if noise.is_empty() {
        return Finding::new(LAYER, Verdict::Good, "its start-up files print nothing");
    }
    let text = String::from_utf8_lossy(noise);
    let shown: String = text.trim().chars().take(SHOWN).collect();
    Finding::new(
        LAYER,
        Verdict::Doubtful,
        format!(
            "start-up files of the login shell print {} bytes before the greeting, which are skipped: {shown}",
            noise.len()
        ),
    )
    .hint("print only in interactive shells: `case $- in *i*) … esac`; scp and rsync stumble over it")
    .value("bytes", noise.len())
}

fn version(wire: &Wire) -> Finding {
    const LAYER: &str = "version";
    let here = greeting().program;
    let there = wire
        .peer()
        .map(|peer| peer.program.clone())
        .unwrap_or_default();
    let number = |program: &str| program.rsplit('/').next().unwrap_or_default().to_owned();
    let finding = if number(&here) == number(&there) {
        Finding::new(LAYER, Verdict::Good, format!("{there} there, {here} here"))
    } else {
        let text = format!("{there} there, {here} here: what only one of them knows is missing");
        Finding::new(LAYER, Verdict::Doubtful, text).hint("install the same version on both")
    };
    finding.value("here", here).value("there", there)
}
