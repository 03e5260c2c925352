//! `outlast enter`.

use std::io::IsTerminal;
use std::time::Duration;

use outlast_protocol::control::session::{Session, State};
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::{Disconnect, Enter, Remove, Select};
use outlast_protocol::id::{InvocationId, is_instance_prefix};
use outlast_protocol::link::AttachMode;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Client;
use super::args::{EnterArgs, Form};
use super::choose::fits;
use super::error::Error;
use super::exit::{self, Ending};
use super::front::Front;
use super::invoke::no_agent;
use super::new::blank;
use super::request::{hold, request};
use super::selection::select;
use super::target::{surroundings, target};
use super::tty::{NO_SIZE, detach_keys};
use super::visit::{Parting, Visit};
use crate::terminal::size;

/// How long the end of a session that was made for the visit may take.
const ENDING: Duration = Duration::from_secs(10);

/// What to enter.
enum Place {
    /// A session there is.
    Session(Box<Session>),
    /// One that ends with the visit.
    Computer(Target),
}

/// Enters a session.
pub(super) async fn enter(client: &Client, args: EnterArgs) -> Result<u8, Error> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Error::usage(
            "`enter` needs a terminal on standard input and output",
            "`outlast invoke` runs commands without one, `outlast invoke --tty` with one there",
        ));
    }
    if client.form != Form::Table {
        return Err(Error::usage(
            "`enter` has no results to print as JSON",
            "`outlast invoke --tty --output json` has",
        ));
    }
    if args.forward_agent && surroundings().agent_socket.is_none() {
        return Err(no_agent());
    }
    // What is wrong with the keys is said before anything is connected to.
    let _ = detach_keys(args.detach_keys.as_ref())?;
    // Until the keys are the session's, Ctrl-C is for us to hear.
    let wishes = client.interrupts.catch();
    drop(wishes);
    match place(client, &args).await? {
        Place::Session(session) => in_session(client, &args, *session).await,
        Place::Computer(target) => on_computer(client, &args, target).await,
    }
}

async fn place(client: &Client, args: &EnterArgs) -> Result<Place, Error> {
    let session = |session| Ok(Place::Session(Box::new(session)));
    let name = match (&args.place, &args.computer_name) {
        (None, computer) => {
            let computer = computer.as_deref().unwrap_or_default();
            return Ok(Place::Computer(target(client, computer, &args.ssh)?));
        }
        (Some(name), Some(computer)) => {
            let selectors = [name.clone()];
            let found = select(client, &selectors, Some(computer), &args.ssh).await?;
            return session(only(name, found)?);
        }
        (Some(name), None) => name,
    };
    let selectors = Vec::new();
    let mut found = request(client, "outlast", Select { selectors }).await?;
    found.retain(|session| fits(name, session));
    if !found.is_empty() {
        return session(only(name, found)?);
    }
    if is_instance_prefix(name) || name.bytes().all(|byte| byte.is_ascii_digit()) {
        let selector = name.clone();
        return Err(Error::UnknownSession { selector });
    }
    let there = target(client, name, &args.ssh)?;
    client.output.note(&format!(
        "no session here is `{name}`: a temporary one on the host of that name"
    ));
    Ok(Place::Computer(there))
}

/// The one session of several that a name fits; those that are over count only where no other is.
fn only(name: &str, mut found: Vec<Session>) -> Result<Session, Error> {
    let over = |session: &Session| matches!(session.state, State::Closed | State::Broken);
    if found.iter().any(|session| !over(session)) {
        found.retain(|session| !over(session));
    }
    let count = found.len();
    match (found.pop(), count) {
        (Some(session), 1) => Ok(session),
        _ => Err(Error::Ambiguous {
            selector: name.to_owned(),
            count,
        }),
    }
}

fn visit(client: &Client, args: &EnterArgs, session: Session) -> Result<Visit, Error> {
    let mode = match (args.read_only, args.steal) {
        (true, _) => AttachMode::ReadOnly,
        (false, true) => AttachMode::Steal,
        (false, false) => AttachMode::Connect,
    };
    let size = size::now().unwrap_or(NO_SIZE);
    let message = Enter {
        instance: session.instance,
        invocation: InvocationId(Uuid::new_v4()),
        mode,
        size,
        wait: !args.no_wait,
        agent: args.forward_agent,
        resume: None,
        reconnect_for_ms: args.reconnect_for.milliseconds().unwrap_or(u64::MAX),
        surroundings: surroundings(),
    };
    let detach = detach_keys(args.detach_keys.as_ref())?;
    let front = Front::new(detach, size)?;
    Ok(Visit::new(
        client,
        session,
        message,
        args.reconnect_for,
        front,
    ))
}

async fn in_session(client: &Client, args: &EnterArgs, session: Session) -> Result<u8, Error> {
    let name = session.name.clone();
    let (instance, computer) = (session.instance, session.computer_name.clone());
    let found_connected = session.state != State::Disconnected;
    let mut visit = visit(client, args, session)?;
    let parting = visit.run().await;
    if visit.broken && !found_connected && parting.is_ok() && !args.read_only {
        // The mux that knew how it was found is gone.
        let surroundings = surroundings();
        let message = Disconnect {
            instance,
            idle_timeout: None,
            surroundings,
        };
        let _ = tokio::time::timeout(ENDING, request(client, &computer, message)).await;
    }
    let again = match args.read_only {
        true => format!("`outlast enter --read-only {name}` looks on again"),
        false => format!("`outlast enter {name}` returns"),
    };
    match parting? {
        Parting::Left => {
            client.output.note(&format!("left session {name}; {again}"));
            Ok(0)
        }
        Parting::GivenUp => Ok(exit::CANCELLED),
        Parting::Over(outcome) => {
            let ending = Ending::Done(Some(outcome.clone()));
            let why = crate::output::sink::why(&outcome).map_or(String::new(), |why| {
                format!(": {}", why.replace("the command", "the visit"))
            });
            client.output.note(&format!(
                "the visit to session {name} is over{why}; {again}"
            ));
            Ok(exit::code(&[ending]))
        }
    }
}

async fn on_computer(client: &Client, args: &EnterArgs, target: Target) -> Result<u8, Error> {
    if args.read_only || args.steal {
        return Err(Error::usage(
            "there is no such session, and a new one has nothing to look at or to steal",
            "`outlast get HOST` lists the sessions there",
        ));
    }
    let computer = target.destination.clone();
    let mut message = blank(target);
    message.temporary = true;
    let mut wishes = client.interrupts.listen();
    let turn = Mutex::default();
    // The session lives as long as `holder`.
    let made = tokio::select! {
        made = hold(client, &computer, message, &turn) => made?,
        Ok(()) = wishes.changed() => return Ok(exit::CANCELLED),
    };
    let (mut sessions, holder) = made;
    let session = sessions
        .pop()
        .ok_or_else(|| Error::Protocol("it made a session and did not say which".to_owned()))?;
    let instance = session.instance;
    let mut visit = visit(client, args, session)?;
    let parting = visit.run().await;
    if visit.broken {
        // The mux that knew the session to be temporary is gone.
        let surroundings = surroundings();
        let message = Remove {
            instance,
            surroundings,
        };
        if let Err(error) = request(client, &computer, message).await {
            let note = format!("{computer}: the session could not be removed: {error}");
            client.output.note(&note);
        }
    } else if tokio::time::timeout(ENDING, holder.close()).await.is_err() {
        client.output.note(&format!(
            "{computer}: the session has not ended yet; the background process goes on ending it"
        ));
    }
    match parting? {
        Parting::Left => {
            let note = format!("left {computer}; the session there has ended");
            client.output.note(&note);
            Ok(0)
        }
        Parting::GivenUp => Ok(exit::CANCELLED),
        Parting::Over(outcome) => {
            if let Some(why) = crate::output::sink::why(&outcome) {
                client.output.note(&format!("{computer}: {why}"));
            }
            Ok(exit::code(&[Ending::Done(Some(outcome))]))
        }
    }
}
