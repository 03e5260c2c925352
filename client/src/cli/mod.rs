//! The command line: parse, do, say what went wrong once, leave with the right code.

mod absence;
pub mod args;
mod ask;
mod asker;
mod askpass;
mod choose;
mod completions;
mod config;
mod connect;
mod conversation;
mod disconnect;
mod doctor;
pub mod duration;
mod enter;
pub mod error;
pub mod exit;
mod front;
mod get;
mod help;
mod install;
mod interrupt;
mod invoke;
mod keystrokes;
mod mux;
mod new;
mod nudge;
mod parallel;
mod questioning;
mod receive;
mod remove;
mod report;
mod request;
mod selection;
mod stdin;
mod submission;
mod target;
mod tty;
mod variables;
mod version;
mod visit;

use std::sync::Arc;

use clap::Parser;

use args::{Cli, Form, MuxVerb, Verb};
use asker::Asker;
use error::Error;
use interrupt::Interrupts;

use crate::output::Output;
use crate::place::Place;

/// What every verb needs.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
    output: Output,
    form: Form,
    asker: Arc<Asker>,
    interrupts: Interrupts,
}

/// Does what the command line says; returns the exit code.
#[must_use]
pub fn run() -> i32 {
    if let Some(question) = askpass::question() {
        return askpass::askpass(question).into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Verb::Mux(args) = &cli.verb
        && matches!(args.verb, MuxVerb::Serve)
    {
        return crate::mux::serve().into();
    }
    let output = Output::new(cli.format.quiet);
    // Who reads what a command printed must know that it was cut; a cut list needs no ado.
    let streams = matches!(cli.verb, Verb::Invoke(_) | Verb::Receive(_));
    let code = match start(cli, output) {
        Ok(code) => code,
        Err(Error::BrokenPipe) if streams => exit::BROKEN_PIPE,
        Err(Error::BrokenPipe) => 0,
        Err(error) => {
            output.error(None, &error);
            error.exit_code()
        }
    };
    code.into()
}

fn start(cli: Cli, output: Output) -> Result<u8, Error> {
    let streams = matches!(cli.verb, Verb::Invoke(_) | Verb::Receive(_));
    if cli.format.output == Form::Ndjson && !streams {
        return Err(Error::usage(
            "`--output ndjson` is for invoke and receive",
            "use `--output json`",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::System {
            action: "cannot start",
            source,
        })?;
    let code = runtime.block_on(dispatch(cli, output));
    // A question that was cut short may not have done it yet.
    asker::restore_terminal();
    // Not a plain drop, which would wait for a thread that reads or writes.
    runtime.shutdown_background();
    code
}

async fn dispatch(cli: Cli, output: Output) -> Result<u8, Error> {
    match &cli.verb {
        Verb::Completions { shell } => return completions::completions(*shell, output),
        Verb::Help { topic } => return help::help(topic.as_deref(), output),
        Verb::Version => return version::version(cli.format.output, output),
        _ => {}
    }
    let client = Client {
        place: Place::of_environment()?,
        output,
        form: cli.format.output,
        asker: Arc::new(Asker::default()),
        interrupts: Interrupts::watch()?,
    };
    match cli.verb {
        Verb::New(args) => new::new(&client, args).await,
        Verb::Get(args) => get::get(&client, args).await,
        Verb::Invoke(args) => invoke::invoke(&client, args).await,
        Verb::Enter(args) => enter::enter(&client, args).await,
        Verb::Disconnect(args) => disconnect::disconnect(&client, args).await,
        Verb::Connect(args) => connect::connect(&client, args).await,
        Verb::Receive(args) => receive::receive(&client, args).await,
        Verb::Remove(args) => remove::remove(&client, args).await,
        Verb::Doctor(args) => doctor::doctor(&client, args).await,
        Verb::Install(args) => install::install(&client, args).await,
        Verb::Config(args) => config::config(&client, args.verb),
        Verb::Mux(args) => mux::mux(&client, args.verb).await,
        Verb::Completions { .. } | Verb::Help { .. } | Verb::Version => Ok(0),
    }
}
