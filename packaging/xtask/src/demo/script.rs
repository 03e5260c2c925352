//! The play: what is typed, in order, and what has to come of it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::mpsc;

use super::machine::{self, PATIENCE, Said};
use super::stage::Stage;
use crate::failure::{Context as _, Failure};

const LINES: usize = 20_000;
/// The line after which the cable is cut.
const CUT_AFTER: usize = 5_000;
/// Two seconds in all: long enough to be cut, short enough to be watched.
const JOB: &str = "for i in $(seq 20000); do echo \"line $i\"; \
                   [ $((i % 1000)) -ne 0 ] || sleep 0.1; done";

pub(super) fn play(stage: &Stage) -> Result<(), Failure> {
    let Stage {
        host, laptop, desk, ..
    } = stage;

    title(1, &format!("On the laptop: a session on {host}"));
    let words = join(&["new"], &laptop.config_option(), &[host, "-n", "demo"]);
    let made = laptop.run(&words)?.expect_success()?;
    made.show();
    let words = join(&["get", "--output", "json"], &[], &[]);
    let instance = instance_id(&laptop.run(&words)?.expect_success()?)?;
    println!("   Its instance ID is {instance}: a name for it on any machine");

    title(2, "A variable and a function, left in the session");
    let definitions = "greeting=hello; double() { echo $(( $1 * 2 )); }";
    laptop
        .run(&invoke("demo", definitions))?
        .expect_stdout("")?;

    title(3, &format!("A long job: {LINES} numbered lines"));
    let seen = lose_the_link(stage)?;
    println!("   … {seen} lines have reached the laptop, and then the laptop is gone for good");

    title(
        4,
        "At the desk, another machine: the same session, by its instance ID",
    );
    // --steal: the host may not have noticed yet that the laptop is gone.
    let target = ["-c", host, &instance, "--steal"];
    desk.run(&join(&["connect"], &desk.config_option(), &target))?
        .expect_success()?
        .show();

    title(5, "Everything this machine has not received");
    let received = desk.run(&join(&["receive", &instance, "--follow"], &[], &[]))?;
    let received = received.expect_stdout(&numbered(LINES))?;
    let bytes = received.stdout.len();
    println!("   {LINES} lines, {bytes} bytes: every line once, in order, byte for byte");

    title(6, "The variable and the function are alive");
    let question = "echo \"$greeting, $(double 21)\"";
    desk.run(&invoke(&instance, question))?
        .expect_stdout("hello, 42\n")?
        .show();

    title(7, "Done: the session is removed, and nothing is left");
    desk.run(&join(&["remove", &instance], &[], &[]))?
        .expect_success()?
        .show();
    let words = join(&["get"], &desk.config_option(), &[host, "--output", "json"]);
    let listed = desk.run(&words)?.expect_success()?;
    if listed.stdout.contains(&instance) {
        return Err(listed.differs("the session to be gone"));
    }
    let mut left = stage.session_processes();
    left.retain(|pid| !machine::is_gone_in_time(*pid));
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "step 7: processes were left behind: {left:?}"
    )))
}

/// Starts the job, cuts the link in the middle of its output, and ends the laptop. Returns how many
/// lines had come.
fn lose_the_link(stage: &Stage) -> Result<usize, Failure> {
    let laptop = &stage.laptop;
    let (typed, mut child) = laptop.start(&invoke("demo", JOB))?;
    let lines = child
        .stdout
        .take()
        .map(BufReader::new)
        .context_missing(&typed)?
        .lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let complaints = complaints(&mut child);
    let mut seen = 0;
    while seen < CUT_AFTER {
        let line = receiver.recv_timeout(PATIENCE).map_err(|_| {
            let said: Vec<String> = complaints.try_iter().collect();
            Failure::new(format!(
                "step 3: only {seen} lines came\nstderr:\n{}",
                said.join("\n")
            ))
        })?;
        seen += 1;
        if line != format!("line {seen}") {
            return Err(Failure::new(format!("step 3: line {seen} reads {line:?}")));
        }
        if seen <= 3 {
            println!("   {line}");
        }
    }
    if let Some(network) = &stage.network {
        println!("   …\n   ✂ the TCP connection is cut (RST), mid-output");
        network.laptop.cut();
        let words = complaints.recv_timeout(PATIENCE);
        println!(
            "   {}",
            words.context("step 3: the client says nothing of the lost link")?
        );
    } else {
        println!("   …\n   ✂ kill -9 of everything on the laptop, mid-output");
    }
    laptop.die();
    let _ = child.wait();
    Ok(seen + receiver.iter().count())
}

/// What the program says on stderr, line by line.
fn complaints(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    receiver
}

impl Said {
    fn expect_success(self) -> Result<Self, Failure> {
        if self.code == Some(0) {
            Ok(self)
        } else {
            Err(self.differs("exit code 0"))
        }
    }

    fn expect_stdout(self, expected: &str) -> Result<Self, Failure> {
        let said = self.expect_success()?;
        if said.stdout == expected {
            return Ok(said);
        }
        let same = said
            .stdout
            .lines()
            .zip(expected.lines())
            .take_while(|(a, b)| a == b)
            .count();
        let wanted = expected.lines().nth(same).unwrap_or("the end");
        Err(said.differs(&format!("{wanted:?} as line {} of stdout", same + 1)))
    }

    fn differs(&self, expected: &str) -> Failure {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| code.to_string());
        Failure::new(format!(
            "`{}`\nexpected {expected}; it ended with {code}\nstdout:\n{}\nstderr:\n{}",
            self.typed,
            ends(&self.stdout),
            ends(&self.stderr)
        ))
    }

    fn show(&self) {
        for line in self.stdout.lines() {
            println!("   {line}");
        }
    }
}

trait ContextMissing<T> {
    fn context_missing(self, typed: &str) -> Result<T, Failure>;
}

impl<T> ContextMissing<T> for Option<T> {
    fn context_missing(self, typed: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::new(format!("`{typed}` has no stdout")))
    }
}

fn title(number: usize, text: &str) {
    println!("\n{number}. {text}");
}

fn invoke(session: &str, script: &str) -> Vec<String> {
    join(&["invoke", "-s", session, script], &[], &[])
}

fn join(before: &[&str], between: &[String], after: &[&str]) -> Vec<String> {
    let before = before.iter().map(|word| (*word).to_owned());
    let after = after.iter().map(|word| (*word).to_owned());
    before.chain(between.iter().cloned()).chain(after).collect()
}

/// The first instance ID in a JSON document: the demo needs no parser for one field.
fn instance_id(said: &Said) -> Result<String, Failure> {
    let after = said
        .stdout
        .split_once("\"instance_id\"")
        .map(|(_, after)| after);
    let value = after.and_then(|after| after.split('"').nth(1));
    value
        .map(str::to_owned)
        .ok_or_else(|| said.differs("an instance_id in stdout"))
}

fn numbered(count: usize) -> String {
    let mut lines = String::new();
    for number in 1..=count {
        let _ = writeln!(lines, "line {number}");
    }
    lines
}

/// Both ends of a long text.
fn ends(text: &str) -> String {
    const SHOWN: usize = 10;
    let lines: Vec<&str> = text.lines().collect();
    let (Some(head), Some(tail)) = (
        lines.get(..SHOWN),
        lines.get(lines.len().saturating_sub(SHOWN)..),
    ) else {
        return text.to_owned();
    };
    format!(
        "{}\n… {} lines …\n{}",
        head.join("\n"),
        lines.len(),
        tail.join("\n")
    )
}
