//! Runs the rows of a theme in a column, each in a session of its own, and names those that fail.

use std::cell::Cell;
use std::time::Duration;

use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::runspace::{Command, OpenFailure};

use super::case::{Case, Form, HISTORY};
use super::column::Column;
use super::runspace::{Bench, Home, Ran, Started};
use super::step::{Act, Failure, Said, Step, Stop};

/// A row that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(30);
const OPENING: Duration = Duration::from_secs(20);
/// For what is to be gone when its invocation is.
const SOON: Duration = Duration::from_millis(100);
/// For start-up files that never come to an end.
const HANGING: Duration = Duration::from_secs(3);

/// Chooses rows by a part of their name, for a person who looks into one.
const ONLY: &str = "OUTLAST_TEST_CASE";

pub(crate) fn check(column: Column, cases: Vec<Case>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let name = format!("{column:?} / {}", case.name);
        match case.form(column) {
            None => failures.push(format!("{name}: nobody says what it should do")),
            Some(Form::NotHere(reason)) => println!("not here: {name}: {reason}"),
            Some(Form::Steps(steps)) => {
                let at = Cell::new(0);
                let played = play(column, case, steps, &at);
                let played = async { tokio::time::timeout(LONGEST, played).await };
                match runtime.block_on(played) {
                    Ok(Ok(())) => println!("ok: {name}"),
                    Ok(Err(failure)) => failures.push(format!("{name}: {failure}")),
                    Err(_elapsed) => {
                        failures.push(format!("{name}: it hangs in step {}", at.get() + 1))
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

async fn play(column: Column, case: &Case, steps: &[Step], at: &Cell<usize>) -> Result<(), String> {
    let home = Home::new();
    if let Some(text) = case.startup_text(column) {
        home.write(&column.startup_file(), text);
    }
    for (name, content) in &case.files {
        home.write(file_name(column, name), content);
    }
    column.prepare(home.path());
    let configuration = column.configuration();
    if let [step] = steps
        && let Act::FailsToOpen(expected, said) = &step.act
    {
        let within = match expected {
            Failure::Ended(_) => OPENING,
            Failure::TimedOut => HANGING,
        };
        let opened = Bench::open_as(configuration, home, within).await;
        let Err(error) = opened else {
            return Err("it opened".to_owned());
        };
        let terminal = String::from_utf8_lossy(&error.terminal);
        let right = match (expected, &error.failure) {
            (Failure::Ended(status), OpenFailure::Ended(ended)) => status == ended,
            (Failure::TimedOut, OpenFailure::TimedOut(_)) => true,
            _ => false,
        };
        return if right && terminal.contains(said) {
            Ok(())
        } else {
            Err(format!("{error}, and said {terminal:?}"))
        };
    }
    let mut bench = Bench::open_as(configuration, home, OPENING)
        .await
        .map_err(|error| format!("{error}: {:?}", String::from_utf8_lossy(&error.terminal)))?;
    let mut left = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        at.set(number);
        let here = |failure| format!("step {} ({}): {failure}", number + 1, shown(step));
        match &step.act {
            Act::Leave(script) => {
                let started = bench.start(script, false);
                let end = bench.completion().await;
                if end != Ok(step.status) {
                    return Err(here(format!("it ended with {end:?}")));
                }
                left.push((started, step, number));
            }
            _ => {
                let ran = perform(&mut bench, step).await;
                compare(&bench, step, &ran).map_err(here)?;
            }
        }
    }
    for (mut started, step, number) in left {
        let (stdout, stderr) = bench.read_to_end(&mut started).await;
        let place = |failure| format!("step {} in the end: {failure}", number + 1);
        said(&bench, "stdout", &step.out, &stdout).map_err(place)?;
        said(&bench, "stderr", &step.err, &stderr).map_err(place)?;
    }
    let home = bench.close().await;
    for (name, content) in &case.left {
        let path = home.path().join(file_name(column, name));
        let found = std::fs::read_to_string(path).unwrap_or_default();
        if found != *content {
            return Err(format!("{name} has become {}", short(found.as_bytes())));
        }
    }
    Ok(())
}

fn file_name(column: Column, name: &'static str) -> &'static str {
    match name {
        HISTORY => column.history_file(),
        other => other,
    }
}

async fn perform(bench: &mut Bench, step: &Step) -> Ran {
    match &step.act {
        Act::Script(text) | Act::Leave(text) => bench.run(text).await,
        Act::WithStdin(text, input) => bench.run_with_stdin(text, input).await,
        Act::Argv(words) => {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            bench.argv(&words).await
        }
        Act::File { name, text, args } => {
            let command = Command::File {
                script: text.clone().into(),
                args: args.iter().map(|it| it.as_bytes().to_vec()).collect(),
                name: name.as_bytes().to_vec(),
            };
            bench.run_command(command, None).await
        }
        Act::Stop(stop, text) | Act::Insist(stop, text) => {
            let mut started = bench.start(text, true);
            bench.read_until(&mut started, "go\n").await;
            if matches!(step.act, Act::Insist(..)) {
                bench.runspace.insist(SOON);
            }
            match stop {
                Stop::Interrupt => bench.runspace.interrupt(),
                Stop::Terminate => bench.runspace.terminate(),
                Stop::Kill => bench.runspace.kill(),
            }
            let end = bench.completion().await;
            gather(bench, started, end).await
        }
        Act::FailsToOpen(..) => panic!("it has opened"),
    }
}

async fn gather(
    bench: &mut Bench,
    mut started: Started,
    end: Result<ExitStatus, ExitStatus>,
) -> Ran {
    let (stdout, stderr) = bench.read_to_end(&mut started).await;
    Ran {
        status: end.unwrap_or_else(|status| status),
        exited: end.err(),
        stdout,
        stderr,
        stdin_closed: false,
    }
}

fn compare(bench: &Bench, step: &Step, ran: &Ran) -> Result<(), String> {
    let all = || format!("; stderr was {}", short(&ran.stderr));
    if ran.status != step.status || ran.exited.is_some() != step.ends {
        let end = ran.exited.map_or("", |_| " and the session ended");
        return Err(format!("status {:?}{end}{}", ran.status, all()));
    }
    said(bench, "stdout", &step.out, &ran.stdout).map_err(|it| it + &all())?;
    said(bench, "stderr", &step.err, &ran.stderr)
}

fn said(bench: &Bench, what: &str, expected: &Said, found: &[u8]) -> Result<(), String> {
    let right = match expected {
        Said::Anything => true,
        Said::Everything(parts) => {
            let found = String::from_utf8_lossy(found);
            parts
                .iter()
                .all(|part| found.contains(&*filled(bench, part)))
        }
        Said::Exactly(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => filled(bench, text).as_bytes() == found,
            Err(_binary) => bytes == found,
        },
    };
    if right {
        return Ok(());
    }
    let expected = match expected {
        Said::Exactly(bytes) => short(bytes),
        other => format!("{other:?}"),
    };
    Err(format!("{what} was {}, not {expected}", short(found)))
}

fn filled(bench: &Bench, text: &str) -> String {
    let home = bench.home.path().display().to_string();
    text.replace("{pid}", &bench.runspace.pid().to_string())
        .replace("{home}", &home)
}

fn shown(step: &Step) -> String {
    short(format!("{:?}", step.act).as_bytes())
}

fn short(bytes: &[u8]) -> String {
    const MOST: usize = 400;
    let text = String::from_utf8_lossy(bytes);
    let more = text.chars().count().saturating_sub(MOST);
    let start: String = text.chars().take(MOST).collect();
    match more {
        0 => format!("{start:?}"),
        more => format!("{start:?} and {more} more"),
    }
}
