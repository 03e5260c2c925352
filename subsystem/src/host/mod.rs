//! The process that hosts one session: it alone touches the shell, it outlives every link, and
//! its death concerns no other session.

mod absence;
mod accept;
mod agent;
mod attendance;
mod audit;
mod choice;
mod clock;
mod consumption;
mod conversation;
mod core;
mod course;
mod descriptor;
mod history;
mod holding;
mod input;
mod invocations;
mod ledger;
mod life;
mod link;
mod open;
mod outcomes;
pub mod panics;
mod pipes;
mod places;
mod progress;
mod question;
mod quotas;
mod reader;
mod recovered;
mod session;
mod shell;
#[cfg(feature = "simulation")]
pub mod simulation;
mod standing;
mod submission;
mod surroundings;
mod terminal;
mod work;

pub(crate) use choice::standard;
pub(crate) use quotas::Quotas;

use std::io::{Read, Write};
use std::path::Path;
use std::rc::Rc;

use outlast_protocol::durability::Durability;
use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::id::InstanceId;
use outlast_protocol::limits::MAX_FRAME;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Create, ToHost};
use outlast_rendezvous::listener::bind;
use outlast_rendezvous::machine::host_name;
use outlast_rendezvous::{Lock, failpoint};
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixListener;
use tokio::task::LocalSet;

use self::audit::Audit;
use self::clock::{Clock as _, SystemClock};
use self::session::Session;
use crate::audit::{Login, Settings};
use crate::examination::Lifetime;
use crate::refuse::{Explain, refused};
use crate::registry::{Entry, MemoryKills, Meta, MetaLife, ProcessId};
use crate::runspace::Runspace;

pub use self::recovered::recover;

/// What a host writes to its standard output once its name is taken and its lock held. Then
/// nothing more if the shell opens, or a Refused frame.
pub const CLAIMED: u8 = b'+';

const CREATE: u8 = 0x03;

/// Hosts the session in `directory`. Its properties come as a Create frame on standard input.
pub fn run(instance: &str, directory: &Path, audit: &Settings) -> u8 {
    panics::end_the_process();
    report(host(instance, directory, audit))
}

/// Tells whoever started this process why it did not come to serve. Returns the exit code.
fn report(done: Result<(), Refused>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(refusal) => {
            complain(&refusal.message);
            if let Ok(bytes) = ToClient::Refused(refusal).head(0) {
                let _ = std::io::stdout().write_all(&bytes);
            }
            1
        }
    }
}

/// Writes a line into the session's `host.log`.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Lets whoever started this process know that the session is ours.
fn claimed() -> Result<(), Refused> {
    let mut output = std::io::stdout();
    output
        .write_all(&[CLAIMED])
        .and_then(|()| output.flush())
        .map_err(|error| internal("cannot report", error))
}

fn internal(what: &str, error: impl std::fmt::Display) -> Refused {
    refused(CREATE, RefusalCode::INTERNAL, format!("{what}: {error}"))
}

fn storage(error: impl std::fmt::Display) -> Refused {
    refused(CREATE, RefusalCode::STORAGE, error.to_string())
        .hint("make room or set OUTLAST_SESSION_DIR on the remote end")
}

fn host(instance: &str, directory: &Path, audit: &Settings) -> Result<(), Refused> {
    let instance: InstanceId = instance
        .parse()
        .map_err(|error| internal("not an instance ID", error))?;
    // Away from the channel's session and terminal: its end must not be ours.
    rustix::process::setsid().map_err(|error| internal("cannot start a new session", error))?;
    let umask = rustix::process::umask(Mode::from_bits_truncate(0o077));
    let entry = Entry::at(instance, directory).map_err(storage)?;
    let lock = entry
        .claim()
        .map_err(storage)?
        .ok_or_else(|| internal("cannot host the session", "another process does"))?;
    let request = read_request()?;
    let durability = match durable(&request) {
        Ok(durability) => durability,
        Err(refusal) => {
            // Nobody has heard of the session yet.
            let _ = entry.delete();
            return Err(refusal);
        }
    };
    let meta = Meta {
        durability: durability.name().to_owned(),
        ..meta(&request, MetaLife::Opening)
    };
    meta.write(entry.directory()).map_err(storage)?;
    claimed()?;
    failpoint::reach("host.claimed");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| internal("cannot start the event loop", error))?;
    let local = LocalSet::new();
    let account = Account {
        audit: Audit::about(&meta, audit),
        login: Login::here(),
    };
    let serving = serve(entry, lock, request, meta, umask.bits(), account);
    let result = local.block_on(&runtime, serving);
    // Tasks that wait for background children of the shell are of no use any more.
    drop(local);
    result
}

fn read_request() -> Result<Create, Refused> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(u64::from(MAX_FRAME))
        .read_to_end(&mut bytes)
        .map_err(|error| internal("cannot read the session's properties", error))?;
    let mut decoder = FrameDecoder::new(MAX_FRAME);
    decoder.push(&bytes);
    let frame = decoder
        .next_frame()
        .map_err(|error| internal("bad properties", error))?;
    match frame.as_ref().map(ToHost::decode) {
        Some(Ok((ToHost::Create(create), _))) => Ok(create),
        other => Err(internal("bad properties", format!("{other:?}"))),
    }
}

fn meta(request: &Create, life: MetaLife) -> Meta {
    Meta {
        format: Meta::FORMAT,
        instance: request.instance,
        name: request.name.clone(),
        configuration: request.configuration.clone(),
        created_ms: SystemClock.wall_ms(),
        idle_timeout: request.idle_timeout,
        buffering: request.buffering,
        life,
        host: ProcessId::of(std::process::id()),
        shell: None,
        boot_id: outlast_rendezvous::machine::boot_id().unwrap_or_default(),
        disconnected_ms: None,
        memory: Some(MemoryKills::now()),
        durability: String::new(),
    }
}

/// What this process outlives, where it has been started. Less than was demanded is refused.
fn durable(request: &Create) -> Result<Durability, Refused> {
    let reached = Lifetime::here();
    let wanted = Durability::said(&request.extensions);
    match wanted.filter(|wanted| *wanted > reached.class) {
        None => Ok(reached.class),
        Some(wanted) => {
            let there = host_name();
            let Lifetime { class, why, hint } = reached;
            let message = format!(
                "a session on {there} does not live as long as `{wanted}`, only `{class}`: {why}"
            );
            Err(refused(CREATE, RefusalCode::NOT_DURABLE, message).hint(hint))
        }
    }
}

/// What is told of the session, and who has it made.
struct Account {
    audit: Audit,
    login: Login,
}

async fn serve(
    entry: Entry,
    lock: Lock,
    request: Create,
    meta: Meta,
    umask: u32,
    mut account: Account,
) -> Result<(), Refused> {
    let opened = open::open(&entry, &request, umask, meta).await;
    let (session, runspace) = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            // Nothing came into being: nothing is left.
            account.audit.not_opened(&account.login, &refusal.message);
            let _ = entry.delete();
            return Err(refusal);
        }
    };
    failpoint::reach("host.opened");
    let listener = listen(&entry).and_then(|listener| {
        // Only now: who finds the session live must find somebody who listens.
        let written = session.core().meta.write(entry.directory());
        written.map_err(storage).map(|()| listener)
    });
    let listener = match listener {
        Ok(listener) => listener,
        Err(refusal) => {
            account.audit.not_opened(&account.login, &refusal.message);
            runspace.close(std::time::Duration::ZERO).await;
            let _ = entry.delete();
            return Err(refusal);
        }
    };
    let Account { mut audit, login } = account;
    audit.opened(&login, &session.core().meta.configuration);
    session.core().audit = audit;
    release_standard_streams()?;
    live(&session, runspace, listener).await;
    let _ = entry.delete();
    session.say_removed();
    // The relays that wait for the end get their answer before the process is gone.
    session.farewells().await;
    drop(lock);
    Ok(())
}

/// Makes the socket that relays come to.
fn listen(entry: &Entry) -> Result<UnixListener, Refused> {
    let listener = bind(entry.directory(), Entry::SOCKET).map_err(storage)?;
    listener.set_nonblocking(true).map_err(storage)?;
    UnixListener::from_std(listener).map_err(storage)
}

async fn live(session: &Rc<Session>, runspace: Runspace, listener: UnixListener) {
    tokio::task::spawn_local(accept::serve(session.clone(), listener));
    let shell = shell::run(session, runspace);
    let life = life::watch(session);
    tokio::join!(shell, life);
}

/// Lets the relay know that the shell is ready, and holds nothing of the channel.
fn release_standard_streams() -> Result<(), Refused> {
    let cannot = |error| internal("cannot let go of the channel", error);
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(cannot)?;
    rustix::stdio::dup2_stdin(&null).map_err(cannot)?;
    rustix::stdio::dup2_stdout(&null).map_err(cannot)
}
