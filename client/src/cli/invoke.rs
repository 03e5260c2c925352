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
use super::conversation::{Ask, Conversation};
use super::error::Error;
use super::exit::{self, Ending};
use super::interrupt::Wish;
use super::new::blank;
use super::parallel::{each, throttle};
use super::request::{hold, request};
use super::selection::select;
use super::stdin::copies;
use super::submission::Submission;
use super::target::{surroundings, targets};
use crate::output::json::{self, ResultObject};
use crate::output::session::SessionObject;
use crate::output::sink::Sink;
use crate::output::table;

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
    several: bool,
    /// Of those who make sessions.
    turn: Mutex<()>,
}

/// How it went in one place.
struct Report {
    computer: String,
    ending: Ending,
    error: Option<Error>,
    result: ResultObject,
    left: Vec<Session>,
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
    let stdin =
        !(args.no_stdin || args.disconnected || from_script || std::io::stdin().is_terminal());
    let throttle = throttle(args.throttle);
    let mut inputs: Vec<Option<Receiver<Bytes>>> = places.iter().map(|_| None).collect();
    if stdin {
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
            reports = &mut all => return conclude(client, &plan, reports),
            Ok(()) = wishes.changed() => {
                let Wish { leave, .. } = *wishes.borrow_and_update();
                if leave {
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

async fn places(client: &Client, args: &InvokeArgs) -> Result<Vec<Where>, Error> {
    if args.computer_name.is_empty() {
        let sessions = select(client, &args.session, None, &args.ssh).await?;
        let sessions = sessions.into_iter();
        return Ok(sessions
            .map(|session| Where::Session(Box::new(session)))
            .collect());
    }
    let targets = targets(&args.computer_name, &args.ssh)?;
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
            environment_len: 0,
            arguments_len: self.submission.arguments_len,
            more_len: 0,
            stdin: self.stdin,
            terminal: None,
            agent: false,
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

impl Report {
    fn failed(computer: String, error: Error) -> Self {
        Self {
            ending: Ending::Failed(error.kind()),
            result: ResultObject {
                computer_name: computer.clone(),
                outcome: json::failure(error.kind()),
                error: Some(error.to_string()),
                ..ResultObject::default()
            },
            computer,
            error: Some(error),
            left: Vec::new(),
        }
    }

    fn cancelled(computer: String) -> Self {
        Self {
            ending: Ending::Done(Some(outlast_protocol::outcome::Outcome::NeverRan)),
            result: ResultObject {
                computer_name: computer.clone(),
                outcome: "cancelled",
                ..ResultObject::default()
            },
            computer,
            error: None,
            left: Vec::new(),
        }
    }
}

fn conclude(client: &Client, plan: &Plan, reports: Vec<Report>) -> Result<u8, Error> {
    let mut endings = Vec::new();
    let mut results = Vec::new();
    let mut left = Vec::new();
    let mut started = Vec::new();
    let mut broken_pipe = None;
    for report in reports {
        match report.error {
            Some(error @ Error::BrokenPipe) => broken_pipe = Some(error),
            Some(error) => {
                let computer = plan.several.then_some(report.computer.as_str());
                client.output.error(computer, &error);
            }
            None => {}
        }
        endings.push(report.ending);
        let invocation = report.result.invocation_id.clone();
        started.extend(
            report
                .left
                .iter()
                .map(|session| SessionObject::started(session, invocation.as_deref())),
        );
        results.push(report.result);
        left.extend(report.left);
    }
    if let Some(error) = broken_pipe {
        return Err(error);
    }
    match (client.form, plan.args.disconnected) {
        (Form::Json, true) => client.output.result(&json::document(&started))?,
        (Form::Json, false) => client.output.result(&json::document(&results))?,
        (Form::Table, true) if !client.output.is_quiet() => {
            client.output.result(&table::sessions(&left))?;
        }
        _ => {}
    }
    Ok(exit::code(&endings))
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
