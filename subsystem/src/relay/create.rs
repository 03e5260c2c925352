//! Making a session: a directory, a name, and a host process that outlives this one: below the login
//! it is made by, or, where that would end with it, as a service of the user's own systemd.

use std::io::{Read, Write};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use outlast_protocol::durability::Durability;
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::limits::{MAX_FRAME, MIN_IDLE_TIMEOUT};
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Create, ToHost};
use outlast_protocol::session::INSTANCE_VARIABLE;
use outlast_rendezvous::{DirectoryError, failpoint};

use super::{opening, service};
use crate::audit::Settings;
use crate::examination::Lifetime;
use crate::host::CLAIMED;
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, HostState, Registry};

const CREATE: u8 = 0x03;

/// Makes the session, or finds the one an earlier try of the same request made.
pub(super) fn carry_out(
    registry: &Registry,
    request: &Create,
    audit: &Settings,
) -> Result<Entry, Refused> {
    check(request)?;
    let storage = |error: DirectoryError| storage(request, &error);
    let names = loop {
        let names = registry.lock_names().map_err(storage)?;
        let Ok(entry) = registry.entry(request.instance) else {
            break names;
        };
        if entry.host() == HostState::Gone && entry.meta().is_err_and(|error| error.is_absent()) {
            // Whoever was to start its host was killed before that: nothing came of it.
            entry.delete().map_err(storage)?;
            break names;
        }
        // Others may make theirs while this shell starts.
        drop(names);
        opening::wait(
            &entry,
            Duration::from_millis(request.open_timeout_ms.into()),
        );
        // A shell that did not start leaves nothing.
        if registry.contains(request.instance) {
            return Ok(entry);
        }
    };
    if let Some(other) = registry.live_by_name(&request.name).map_err(storage)? {
        return Err(refused(
            CREATE,
            RefusalCode::NAME_TAKEN,
            format!(
                "a live session named {} is there already: {other}",
                request.name
            ),
        )
        .about(other.0)
        .hint("choose another name with -n, or connect to that one"));
    }
    let entry = registry.create(request.instance).map_err(storage)?;
    failpoint::reach("relay.created");
    match start_host(&entry, request, names, audit) {
        Ok(()) => Ok(entry),
        Err(refusal) => {
            // The host cleans up after itself; this is for one that could not.
            if entry.host() == HostState::Gone {
                let _ = entry.delete();
            }
            Err(refusal)
        }
    }
}

fn check(request: &Create) -> Result<(), Refused> {
    if request
        .idle_timeout
        .seconds()
        .is_some_and(|seconds| seconds < MIN_IDLE_TIMEOUT)
    {
        return Err(refused(
            CREATE,
            RefusalCode::BAD_REQUEST,
            format!("an idle timeout is at least {MIN_IDLE_TIMEOUT} s"),
        )
        .hint("use --idle-timeout 60s or more, or never"));
    }
    Ok(())
}

fn storage(request: &Create, error: &DirectoryError) -> Refused {
    refused(CREATE, RefusalCode::STORAGE, error.to_string())
        .about(request.instance.0)
        .hint("make room or set OUTLAST_SESSION_DIR on the remote end")
}

/// Starts the host and waits for its shell. `names` is let go as soon as the host has written
/// down the session's name: a slow rc file must not keep others from making sessions.
fn start_host(
    entry: &Entry,
    request: &Create,
    names: outlast_rendezvous::Lock,
    audit: &Settings,
) -> Result<(), Refused> {
    let failed = |what: &str, error| failed(request, what, &error);
    let bytes = ToHost::Create(request.clone())
        .head(0)
        .map_err(|error| refused(CREATE, RefusalCode::INTERNAL, error.to_string()))?;
    let log = entry
        .directory()
        .create_file("host.log")
        .map_err(|e| storage(request, &e))?;
    let mut service = None;
    if Lifetime::here().class == Durability::Connection {
        let started = service::start(entry, &bytes, audit);
        service =
            started.map_err(|error| failed("start a service of the user's systemd", error))?;
    }
    let mut output: Box<dyn Read> = match service {
        Some(report) => Box::new(report),
        None => Box::new(below_login(entry, request, &bytes, log, audit)?),
    };
    let mut claimed = [0u8; 1];
    let claim = output.read_exact(&mut claimed);
    drop(names);
    let mut report = Vec::new();
    output
        .read_to_end(&mut report)
        .map_err(|error| failed("hear from the host process", error))?;
    if report.is_empty() && claim.is_ok() && claimed == [CLAIMED] {
        return Ok(());
    }
    if claim.is_ok() && claimed != [CLAIMED] {
        report.insert(0, claimed[0]);
    }
    Err(refusal_in(&report).unwrap_or_else(|| {
        refused(
            CREATE,
            RefusalCode::INTERNAL,
            format!(
                "the session's host process ended without a word; see {}/host.log",
                entry.directory().path().display()
            ),
        )
    }))
}

fn failed(request: &Create, what: &str, error: &std::io::Error) -> Refused {
    let text = format!("cannot {what}: {error}");
    refused(CREATE, RefusalCode::INTERNAL, text).about(request.instance.0)
}

/// Starts the host as a process of this login. Its report.
fn below_login(
    entry: &Entry,
    request: &Create,
    bytes: &[u8],
    log: std::fs::File,
    audit: &Settings,
) -> Result<ChildStdout, Refused> {
    let failed = |what: &str, error| failed(request, what, &error);
    let program = std::env::current_exe().map_err(|e| failed("find this program", e))?;
    let mut host = Command::new(program)
        .arg("host")
        .arg(request.instance.to_string())
        .arg(entry.directory().path())
        .args(audit.options())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log))
        // Made inside another session, it is none of what that one's shell left running.
        .env_remove(INSTANCE_VARIABLE)
        .spawn()
        .map_err(|error| failed("start the session's host process", error))?;
    let (Some(mut input), Some(output)) = (host.stdin.take(), host.stdout.take()) else {
        return Err(refused(
            CREATE,
            RefusalCode::INTERNAL,
            "the host process has no pipes",
        ));
    };
    input
        .write_all(bytes)
        .map_err(|error| failed("talk to the host process", error))?;
    Ok(output)
}

/// The refusal that a host process wrote on its standard output.
pub(super) fn refusal_in(report: &[u8]) -> Option<Refused> {
    let mut decoder = FrameDecoder::new(MAX_FRAME);
    decoder.push(report);
    let frame = decoder.next_frame().ok()??;
    match ToClient::decode(&frame).ok()?.0 {
        ToClient::Refused(refusal) => Some(refusal),
        _ => None,
    }
}
