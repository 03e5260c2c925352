//! Opening a session: its log, its shell.

use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_host::{Create, TEMPORARY};
use outlast_protocol::session::INSTANCE_VARIABLE;
use outlast_rendezvous::{PrivateDirectory, failpoint};

use super::ledger::Ledger;
use super::quotas::{self, Quotas};
use super::session::Session;
use super::surroundings::Surroundings;
use super::{CREATE, choice, storage};
use crate::log::{Log, Policy, Share};
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, Meta, MetaLife, ProcessId, SESSION_DIRECTORY};
use crate::runspace::{OpenError, Runspace, RunspaceSpec};

/// Opens the session's log and shell.
pub(super) async fn open(
    entry: &Entry,
    request: &Create,
    umask: u32,
    mut meta: Meta,
) -> Result<(Rc<Session>, Runspace), Refused> {
    let configuration = choice::configuration(&request.configuration)?;
    let epoch = meta.created_ms;
    let quotas = Quotas::from_environment().map_err(|error| {
        refused(CREATE, RefusalCode::BAD_REQUEST, error.to_string())
            .about(request.instance.0)
            .hint("it is set in sshd_config (SetEnv) or by the remote login shell")
    })?;
    let policy = Policy {
        buffering: request.buffering,
        quota_bytes: quotas.session,
        ..Policy::default()
    };
    let mut log = Log::create(entry.directory(), epoch, policy).map_err(storage)?;
    if let Some(sessions) = entry.directory().path().parent() {
        let sessions = PrivateDirectory::open(sessions).map_err(storage)?;
        log = log.with_share(Share::new(sessions, quotas.user));
    }
    let work = entry.directory().create_dir("runspace").map_err(storage)?;
    let spec = RunspaceSpec {
        configuration,
        directory: work.path().to_owned(),
        environment: environment(request),
        working_directory: home(),
        open_timeout: Duration::from_millis(request.open_timeout_ms.into()),
        umask,
    };
    let runspace = Runspace::open(spec).await.map_err(|error| {
        refused(CREATE, RefusalCode::OPEN_FAILED, explained(&error))
            .about(request.instance.0)
            .hint("the shell's start-up files (.bashrc, .profile) of the remote user decide this")
    })?;
    meta.life = MetaLife::Live;
    meta.configuration = configuration.name().to_owned();
    meta.shell = ProcessId::of(runspace.pid());
    let directory = entry.directory().try_clone().map_err(storage)?;
    let ledger = Ledger::create(&directory).map_err(storage)?;
    let session = Session::new(meta, log, ledger, directory, Surroundings::here());
    if request.extensions.iter().any(|it| it.name == TEMPORARY) {
        session.core().is_temporary();
    }
    Ok((session, runspace))
}

/// Why the shell did not open, with the last it said: its start-up files are to blame.
fn explained(error: &OpenError) -> String {
    const MOST: usize = 400;
    let said = String::from_utf8_lossy(&error.terminal);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let said = lines.join("; ");
    if said.is_empty() {
        return error.to_string();
    }
    let skip = said.chars().count().saturating_sub(MOST);
    let last: String = said.chars().skip(skip).collect();
    format!("{error}; it said: {last}")
}

/// The channel's environment, as sshd made it, with what the client wants on top.
fn environment(request: &Create) -> Vec<(OsString, OsString)> {
    let wanted = |name: &OsString| request.environment.iter().any(|(n, _)| name == n.as_str());
    // Settings of this program are no affair of the shell, nor of a session made inside it.
    let ours = |name: &OsString| {
        let settings = [SESSION_DIRECTORY, failpoint::DIRECTORY, INSTANCE_VARIABLE];
        settings
            .iter()
            .chain(&quotas::SETTINGS)
            .any(|setting| name == setting)
    };
    let mut environment: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| !ours(name) && !wanted(name))
        .collect();
    let asked = request
        .environment
        .iter()
        .map(|(n, v)| (OsString::from(n), OsString::from(v)));
    environment.extend(asked.filter(|(name, _)| name != INSTANCE_VARIABLE));
    // What the shell starts can be told by it, also when this process is gone.
    environment.push((
        INSTANCE_VARIABLE.into(),
        request.instance.to_string().into(),
    ));
    environment
}

fn home() -> PathBuf {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_dir());
    home.unwrap_or_else(|| PathBuf::from("/"))
}
