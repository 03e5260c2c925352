//! `outlast invoke`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::session::Session;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::{Disconnect, Invoke, Remove};
use outlast_protocol::id::{InstanceId, InvocationId};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use super::Client;
use super::args::{Form, InvokeArgs};
use super::ask::Ask;
use super::conversation::Conversation;
use super::error::Error;
use super::exit::{self, Ending};
use super::interrupt::Wish;
use super::new::blank;
use super::parallel::{each, throttle};
use super::report::{Report, conclude};
use super::request::{hold, request};
use super::selection::select;
use super::stdin::copies;
use super::submission::Submission;
use super::target::{surroundings, targets};
use super::tty::{NO_SIZE, Tty, detach_keys};
use crate::output::json;
use crate::output::sink::Sink;
use crate::terminal::detach::DetachKeys;
use crate::terminal::raw;

/// How long the end of a session that was made for the command may take.
const ENDING: Duration = Duration::from_secs(10);
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(2);

/// Where to run it.
#[derive(Clone, Debug)]
enum Where {
    /// In a session there is.
    Session(Box<Session>),
    /// In one that ends with the command.
    Computer(Target),
}

/// Everything about the command that is the same in all sessions.
#[derive(Debug)]
struct Plan {
    args: InvokeArgs,
    submission: Submission,
    stdin: bool,
    /// Whether standard input is what is typed on a terminal that the command gets.
    keys: bool,
    detach: DetachKeys,
    several: bool,
    /// Of those who make sessions.
    turn: Mutex<()>,
}

/// Runs a command in sessions.
pub(super) async fn invoke(client: &Client, args: InvokeArgs) -> Result<u8, Error> {
    let submission = Submission::of(&args)?;
    let places = places(client, &args).await?;
    if args.invocation_id.is_some() && places.len() > 1 {
        return Err(Error::usage(
            format!("--invocation-id names one command, not {}", places.len()),
            "give one session with -s",
        ));
    }
    let from_script = args
        .file
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    let typed = std::io::stdin().is_terminal();
    let table = client.form == Form::Table;
    // Keys are read when the command has the terminal; until then they are ours.
    let keys = args.tty && typed && table && !args.no_stdin;
    let stdin = keys || !(args.no_stdin || args.disconnected || from_script || typed);
    if args.tty && places.len() > 1 {
        return Err(Error::usage(
            format!("--tty is for one session, not {}", places.len()),
            "leave it out, or name one session",
        ));
    }
    let agent = args.forward_agent;
    if agent && surroundings().agent_socket.is_none() {
        return Err(no_agent());
    }
    let detach = detach_keys(args.detach_keys.as_ref())?;
    let throttle = throttle(args.throttle);
    let mut inputs: Vec<Option<Receiver<Bytes>>> = places.iter().map(|_| None).collect();
    if stdin && !keys {
        let copies = copies(places.len(), Arc::clone(&throttle));
        let copies = copies.map_err(|source| Error::System {
            action: "cannot read standard input",
            source,
        })?;
        inputs = copies.into_iter().map(Some).collect();
    }
    let several = places.len() > 1;
    let plan = Arc::new(Plan {
        args,
        submission,
        stdin,
        keys,
        detach,
        several,
        turn: Mutex::default(),
    });
    let mut wishes = client.interrupts.catch();
    let work: Vec<_> = places.iter().cloned().zip(inputs).collect();
    let all = each(work, throttle, |(place, input)| {
        run(client.clone(), Arc::clone(&plan), place, input)
    });
    let mut all = std::pin::pin!(all);
    let mut told = false;
    loop {
        tokio::select! {
            reports = &mut all => return conclude(client, plan.several, plan.args.disconnected, reports),
            Ok(()) = wishes.changed() => {
                let Wish { leave, .. } = *wishes.borrow_and_update();
                if leave {
                    raw::restore();
                    return leave_running(client, &places).await;
                }
                if !told {
                    client.output.note(
                        "interrupting; press Ctrl-C again within 2 s to leave it running",
                    );
                }
                told = true;
            }
        }
    }
}

/// What is wrong with -A where there is no agent.
pub(super) fn no_agent() -> Error {
    Error::usage(
        "-A lends the SSH agent of this computer, and SSH_AUTH_SOCK names none",
        "start one with `eval $(ssh-agent)`, or leave -A out",
    )
}

async fn places(client: &Client, args: &InvokeArgs) -> Result<Vec<Where>, Error> {
    if args.computer_name.is_empty() {
        let sessions = select(client, &args.session, None, &args.ssh).await?;
        let sessions = sessions.into_iter();
        return Ok(sessions
            .map(|session| Where::Session(Box::new(session)))
            .collect());
    }
    let targets = targets(client, &args.computer_name, &args.ssh)?;
    Ok(targets.into_iter().map(Where::Computer).collect())
}

async fn run(
    client: Client,
    plan: Arc<Plan>,
    place: Where,
    input: Option<Receiver<Bytes>>,
) -> Report {
    // Ctrl-C while this one waited for its turn: it need not begin.
    if client.interrupts.listen().borrow().cancels > 0 {
        return Report::cancelled(match place {
            Where::Session(session) => session.computer_name,
            Where::Computer(target) => target.destination,
        });
    }
    match place {
        Where::Session(session) => run_in(&client, &plan, *session, input).await.0,
        Where::Computer(target) => run_on(&client, &plan, target, input).await,
    }
}

/// Runs it in a session made for it.
async fn run_on(
    client: &Client,
    plan: &Plan,
    target: Target,
    input: Option<Receiver<Bytes>>,
) -> Report {
    let computer = target.destination.clone();
    let mut message = blank(target);
    message.temporary = !plan.args.disconnected;
    let mut wishes = client.interrupts.listen();
    let made = tokio::select! {
        made = hold(client, &computer, message, &plan.turn) => made,
        Ok(()) = wishes.changed() => return Report::cancelled(computer),
    };
    // The session lives as long as `holder`.
    let (session, holder) = match made {
        Ok((mut sessions, holder)) => match sessions.pop() {
            Some(session) => (session, holder),
            None => {
                let error = Error::Protocol("it made a session and did not say which".to_owned());
                return Report::failed(computer, error);
            }
        },
        Err(error) => return Report::failed(computer, error),
    };
    let instance = session.instance;
    let (report, broken) = run_in(client, plan, session, input).await;
    if broken && !plan.args.disconnected {
        // The mux that knew the session to be temporary is gone.
        let surroundings = surroundings();
        let removed = request(
            client,
            &computer,
            Remove {
                instance,
                surroundings,
            },
        )
        .await;
        if let Err(error) = removed {
            client.output.note(&format!(
                "{computer}: the session could not be removed: {error}"
            ));
        }
    } else if tokio::time::timeout(ENDING, holder.close()).await.is_err() {
        client.output.note(&format!(
            "{computer}: the session has not ended yet; the background process goes on ending it"
        ));
    }
    report
}

/// Runs it in a session; also says whether the mux was lost on the way.
async fn run_in(
    client: &Client,
    plan: &Plan,
    session: Session,
    input: Option<Receiver<Bytes>>,
) -> (Report, bool) {
    let invocation = plan.args.invocation_id;
    let invocation = invocation.unwrap_or_else(|| InvocationId(Uuid::new_v4()));
    let message = plan.message(session.instance, invocation);
    let sink = plan.sink(client.form, &session.computer_name);
    let ask = Ask::Invoke(message, plan.submission.body.clone());
    let patience = plan.args.reconnect_for;
    let mut conversation = Conversation::new(client, session, ask, sink, patience);
    conversation.input = input;
    if plan.args.tty {
        match Tty::new(plan.detach.clone(), plan.keys) {
            Ok(tty) => conversation.tty = Some(tty),
            Err(error) => {
                return (
                    Report::failed(conversation.session.computer_name, error),
                    false,
                );
            }
        }
    }
    let told = conversation.run().await;
    let Conversation {
        session,
        sink,
        outcome,
        left,
        missing,
        broken,
        ..
    } = conversation;
    let again = || {
        format!(
            "the same command with `outlast invoke -s {} --invocation-id {invocation}` asks how it \
             ends and runs nothing twice",
            session.name
        )
    };
    let error = match told {
        Ok(()) => None,
        Err(error) if broken => Some(error.uncertain(again)),
        Err(error) => Some(error),
    };
    let failure = error.as_ref().map(|error| json::failure(error.kind()));
    let mut result = sink.into_result(&session, failure);
    result.invocation_id = Some(invocation.to_string());
    result.missing_bytes = (missing > 0).then_some(missing);
    result.error = error.as_ref().map(ToString::to_string);
    let report = Report {
        computer: session.computer_name,
        ending: match &error {
            Some(error) => Ending::Failed(error.kind()),
            None if missing > 0 => Ending::Incomplete(outcome),
            None => Ending::Done(outcome),
        },
        error,
        result,
        left,
    };
    (report, broken)
}

impl Plan {
    fn message(&self, instance: InstanceId, invocation: InvocationId) -> Invoke {
        Invoke {
            instance,
            invocation,
            command: self.submission.command.clone(),
            environment_len: self.submission.environment_len,
            arguments_len: self.submission.arguments_len,
            more_len: 0,
            stdin: self.stdin,
            // The size is that of the moment at which it is sent.
            terminal: self
                .args
                .tty
                .then(|| crate::terminal::size::now().unwrap_or(NO_SIZE)),
            agent: self.args.forward_agent,
            timeout_ms: self
                .args
                .timeout
                .and_then(super::duration::Span::milliseconds),
            kill_after_ms: self
                .args
                .kill_after
                .and_then(super::duration::Span::milliseconds),
            wait: !self.args.no_wait,
            detached: self.args.disconnected,
            resume: None,
            reconnect_for_ms: self.args.reconnect_for.milliseconds().unwrap_or(u64::MAX),
            surroundings: surroundings(),
        }
    }

    fn sink(&self, form: Form, computer: &str) -> Sink {
        match form {
            Form::Json => Sink::Collect(Box::default()),
            Form::Ndjson => Sink::Events,
            Form::Table if self.several && self.args.hide_computer_name => Sink::lines(""),
            Form::Table if self.several => Sink::lines(computer),
            Form::Table => Sink::Raw,
        }
    }
}

/// Lets go of the sessions and says how to come back.
async fn leave_running(client: &Client, places: &[Where]) -> Result<u8, Error> {
    let sessions: Vec<Session> = places
        .iter()
        .filter_map(|place| match place {
            Where::Session(session) => Some(Session::clone(session)),
            Where::Computer(_) => None,
        })
        .collect();
    let temporary = sessions.len() < places.len();
    let leaving = each(sessions.clone(), throttle(32), |session| {
        let client = client.clone();
        async move {
            let message = Disconnect {
                instance: session.instance,
                idle_timeout: None,
                surroundings: surroundings(),
            };
            request(&client, &session.computer_name, message).await
        }
    });
    // Whatever comes of it, the commands go on; we do not stay for it.
    let _ = tokio::time::timeout(LEAVING, leaving).await;
    for session in sessions {
        client.output.note(&format!(
            "{}: left running; `outlast receive --follow {}` comes back to it",
            session.computer_name, session.name
        ));
    }
    if temporary {
        client
            .output
            .note("sessions made by -c end with this command");
    }
    Ok(exit::CANCELLED)
}
