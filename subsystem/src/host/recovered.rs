//! Reading out what a dead host left: the same links and the same words about the same session,
//! but without a shell. Nothing of what is on disk is changed, and nobody stays when nobody reads.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use outlast_protocol::id::InstanceId;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::session::{Buffering, Life};
use outlast_rendezvous::{Lock, PrivateDirectory, failpoint};
use rustix::fs::Mode;
use tokio::net::UnixListener;
use tokio::task::LocalSet;

use super::audit::Audit;
use super::history::History;
use super::ledger;
use super::session::Session;
use super::{accept, claimed, internal, listen, panics, release_standard_streams, report, storage};
use crate::audit::{Login, Settings};
use crate::log::{GapCause, Log, Policy};
use crate::refuse::refused;
use crate::registry::{Entry, Meta};
use crate::remains;

const ATTACH: u8 = 0x04;
/// Whoever had this process started comes at once, or never.
const FIRST_VISIT: Duration = Duration::from_secs(10);

/// Serves the log of the session in `directory` to those who ask for it, until nobody does.
pub fn recover(instance: &str, directory: &Path, audit: &Settings) -> u8 {
    panics::end_the_process();
    report(read_out(instance, directory, audit))
}

fn read_out(instance: &str, directory: &Path, audit: &Settings) -> Result<(), Refused> {
    let instance: InstanceId = instance
        .parse()
        .map_err(|error| internal("not an instance ID", error))?;
    rustix::process::setsid().map_err(|error| internal("cannot start a new session", error))?;
    rustix::process::umask(Mode::from_bits_truncate(0o077));
    let entry = Entry::at(instance, directory).map_err(storage)?;
    // One like us may be on its way out.
    let lock = entry.claim_when_free().map_err(storage)?;
    let meta = entry.meta().map_err(storage)?;
    // With the lock in hand it must not look alive, unless a live host has lost its lock.
    if meta.host.is_some_and(|host| host.is_running()) && !meta.is_of_another_boot() {
        let message = "its host process lives, but does not listen";
        return Err(refused(ATTACH, RefusalCode::INTERNAL, message));
    }
    let mut audit = Audit::about(&meta, audit);
    let session = session(&entry, meta)?;
    audit.recovered(&Login::here());
    session.core().audit = audit;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| internal("cannot start the event loop", error))?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let listener = listen(&entry)?;
        failpoint::reach("recovered.listens");
        claimed()?;
        release_standard_streams()?;
        serve(&session, &entry, listener, lock).await;
        Ok(())
    })
}

/// The session as its files tell of it.
fn session(entry: &Entry, meta: Meta) -> Result<Rc<Session>, Refused> {
    let reason = remains::reason(entry, &meta);
    let mut life = remains::life(entry, &meta);
    let (mut log, trouble) = open_log(entry.directory(), meta.buffering)?;
    if let (Life::Broken(said), Some(trouble)) = (&mut life, trouble) {
        said.push_str("; ");
        said.push_str(&trouble);
    }
    // Without it the records have to tell all there is.
    let mut history = History::of(&mut log, ledger::read(entry.directory()).ok());
    if matches!(life, Life::Broken(_)) {
        // What is known to have been and is not there.
        let cause = match meta.buffering {
            Buffering::Drop => GapCause::Quota,
            Buffering::Spool | Buffering::Block => GapCause::Storage,
        };
        history.conclude(&mut log, &reason, cause);
    }
    Ok(Session::recovered(meta, life, log, history.recollect()))
}

/// The log, and what is wrong with it. One that cannot be read is as good as empty: there is
/// still the reason to be told.
fn open_log(
    directory: &PrivateDirectory,
    buffering: Buffering,
) -> Result<(Log, Option<String>), Refused> {
    if buffering == Buffering::Drop {
        let trouble = "its output was kept in memory only".to_owned();
        return Ok((nothing(directory)?, Some(trouble)));
    }
    match Log::recover(directory) {
        Ok((log, cuts)) => {
            let bytes: u64 = cuts.iter().map(|cut| cut.dropped).sum();
            let torn = (bytes > 0).then(|| format!("{bytes} bytes of its log are damaged"));
            Ok((log, torn))
        }
        Err(error) => {
            let trouble = format!("its log cannot be read: {error}");
            Ok((nothing(directory)?, Some(trouble)))
        }
    }
}

fn nothing(directory: &PrivateDirectory) -> Result<Log, Refused> {
    let policy = Policy {
        buffering: Buffering::Drop,
        ..Policy::default()
    };
    Log::create(directory, 0, policy).map_err(storage)
}

async fn serve(session: &Rc<Session>, entry: &Entry, listener: UnixListener, lock: Lock) {
    let accepting = tokio::task::spawn_local(accept::serve(session.clone(), listener));
    let visited = async {
        while !session.is_visited() {
            session.life().await;
        }
    };
    let _ = tokio::time::timeout(FIRST_VISIT, visited).await;
    while session.is_visited() && !session.core().removal_requested() {
        session.life().await;
    }
    failpoint::reach("recovered.leaves");
    // Whoever comes now finds nobody, or is turned away without a word, and starts another.
    let _ = entry.directory().remove_file(Entry::SOCKET);
    accepting.abort();
    let _ = accepting.await;
    if session.core().removal_requested() {
        // Whoever asked for it clears the rest away.
        session.say_removed();
        session.farewells().await;
    }
    drop(lock);
}
