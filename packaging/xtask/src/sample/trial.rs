//! One script, run by plain bash twice and by a session once.

use super::compare;
use super::known::{Different, EXIT_TRAP, INTERACTIVE, Known, LINES, ONE_COMMAND, PLACE};
use super::name::{copied, given};
use super::sandbox::{Order, Run, Sandbox};
use super::script::Script;
use crate::failure::Failure;

#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) title: String,
    pub(crate) corpus: &'static str,
    pub(crate) verdict: Verdict,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    Agrees,
    /// It differs, for a reason that has this name.
    Explained(String),
    /// What differs, and how.
    Differs(Vec<&'static str>, Vec<String>),
    /// Plain bash does not do the same thing twice, or what differs does not do so again.
    Unsteady(&'static str),
    /// It was cut short: that of the two, or what the two are compared with.
    TooLong(&'static str),
    /// There was no time to begin with it.
    TimeIsUp,
    NotRun(String),
}

impl Trial {
    pub(crate) fn line(&self) -> String {
        let what = match &self.verdict {
            Verdict::Agrees => "agrees".to_owned(),
            Verdict::Explained(reason) => format!("differs: {reason}"),
            Verdict::Differs(..) => "DIFFERS".to_owned(),
            Verdict::Unsteady(who) => format!("unsteady: {who}"),
            Verdict::TooLong(who) => format!("too long: {who}"),
            Verdict::TimeIsUp => "the time was up".to_owned(),
            Verdict::NotRun(why) => format!("not run: {why}"),
        };
        format!("{what:<24} {}", self.title)
    }
}

pub(crate) fn run(sandbox: &Sandbox, known: &Known, script: &Script) -> Trial {
    Trial {
        title: script.title(),
        corpus: script.corpus,
        verdict: verdict(sandbox, known, script),
    }
}

fn verdict(sandbox: &Sandbox, known: &Known, script: &Script) -> Verdict {
    if sandbox.time_left().is_zero() {
        return Verdict::TimeIsUp;
    }
    let sandbox = &sandbox.with_limit(known.limit(&script.title()));
    let judge = || judge(sandbox, known, script).unwrap_or_else(Stop::verdict);
    let first = judge();
    if !matches!(first, Verdict::Differs(..)) {
        return first;
    }
    // Some scripts race their own children, and it takes a busy machine to see it.
    match judge() {
        Verdict::Differs(fields, shown) => Verdict::Differs(fields, shown),
        // What it was stays said.
        Verdict::TooLong(_) | Verdict::NotRun(_) => first,
        _ => Verdict::Unsteady("a session, compared twice"),
    }
}

/// Why there is nothing to compare.
#[derive(Debug)]
enum Stop {
    TooLong(&'static str),
    Failed(Failure),
}

impl Stop {
    fn verdict(self) -> Verdict {
        match self {
            Self::TooLong(who) => Verdict::TooLong(who),
            Self::Failed(failure) => Verdict::NotRun(failure.to_string()),
        }
    }
}

fn judge(sandbox: &Sandbox, known: &Known, script: &Script) -> Result<Verdict, Stop> {
    let run = |who, command: Vec<String>, first| {
        let run = sandbox.run(&Order {
            command,
            directory: &script.directory.to_string_lossy(),
            with_suite: script.corpus == "bash",
            first,
        });
        let run = run.map_err(Stop::Failed)?;
        match run.status {
            None => Err(Stop::TooLong(who)),
            Some(_) => Ok(run),
        }
    };
    let once = run(PLAIN, plain(script), 1000)?;
    let ours = as_given(run(SESSION, session(script), 2000)?, script);
    if compare::differing(&once, &ours).is_empty() {
        return Ok(Verdict::Agrees);
    }
    // Only now it matters whether plain bash does the same thing twice.
    let twice = run(PLAIN, plain(script), 3000)?;
    if !compare::differing(&once, &twice).is_empty() {
        return Ok(Verdict::Unsteady(PLAIN));
    }
    if compare::but_for_lines(&once, &ours, &script.path) {
        return Ok(Verdict::Explained(LINES.to_owned()));
    }
    let text = text(sandbox, script);
    if text.contains("trap") && compare::but_for_the_end(&once, &ours, &script.path) {
        return Ok(Verdict::Explained(EXIT_TRAP.to_owned()));
    }
    let fields = compare::differing(&once, &ours);
    let said = String::from_utf8_lossy(&ours.stderr);
    let different = Different {
        title: &script.title(),
        fields: &fields,
        text: &text,
        said: &said,
    };
    if let Some(reason) = known.reason(&different) {
        return Ok(Verdict::Explained(reason.to_owned()));
    }
    let as_sourced = |how: &str| {
        let run = run("an interactive bash", interactive(script, how), 2000);
        Ok::<_, Stop>(sourced(run?, script))
    };
    let interactive = as_sourced(SOURCED)?;
    if compare::but_for_lines(&interactive, &ours, &script.path) {
        return Ok(Verdict::Explained(INTERACTIVE.to_owned()));
    }
    for (reason, how) in [
        (ONE_COMMAND, AS_ONE_COMMAND),
        (PLACE, ALONE),
        (PLACE, ALONE_AS_ONE_COMMAND),
    ] {
        if compare::but_for_lines(&as_sourced(how)?, &ours, &script.path) {
            return Ok(Verdict::Explained(reason.to_owned()));
        }
    }
    let mut shown = compare::shown(&once, &ours);
    shown.push("and an interactive bash that sources it:".to_owned());
    shown.extend(compare::shown(&interactive, &ours));
    Ok(Verdict::Differs(fields, shown))
}

const PLAIN: &str = "plain bash";
const SESSION: &str = "a session";

fn text(sandbox: &Sandbox, script: &Script) -> String {
    let path = match &sandbox.suite {
        Some(suite) if script.corpus == "bash" => suite.join("tests").join(&script.path),
        _ => script.path.clone(),
    };
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// bash, in what a login has made of the environment.
fn plain(script: &Script) -> Vec<String> {
    let login = ["bash", "--login", "-c", "exec bash \"$@\"", "bash"];
    words(&login, script, &[])
}

fn session(script: &Script) -> Vec<String> {
    let outlast = format!("{}/outlast", super::inside::PROGRAMS);
    let invoke = [&outlast, "invoke", "-q", "-c", ".", "-n", "-f"];
    words(&invoke, script, &["--"])
}

fn words(first: &[&str], script: &Script, between: &[&str]) -> Vec<String> {
    let path = script.path.to_string_lossy();
    let words = first.iter().copied().chain([path.as_ref()]);
    let words = words.chain(between.iter().copied());
    words
        .chain(script.arguments.iter().copied())
        .map(str::to_owned)
        .collect()
}

/// How an interactive bash gets at the script, which is its `$0`.
const SOURCED: &str = r#"source "$0" "$@""#;
/// The same when it is made one command.
const AS_ONE_COMMAND: &str = r#"mkdir /tmp/one; file=/tmp/one/${0##*/}; { printf "{ "; cat "$0"; printf "\n}\n"; } >"$file"; source "$file" "$@""#;
/// A copy of it with nothing beside it.
const ALONE: &str = r#"mkdir /tmp/one; file=/tmp/one/${0##*/}; cp "$0" "$file"; BASH_ARGV0=$file; source "$file" "$@""#;
const ALONE_AS_ONE_COMMAND: &str = r#"mkdir /tmp/one; file=/tmp/one/${0##*/}; { printf "{ "; cat "$0"; printf "\n}\n"; } >"$file"; BASH_ARGV0=$file; source "$file" "$@""#;

/// What a session is in plain bash's terms: an interactive login shell on a terminal, with other
/// standard streams, that sources the script.
fn interactive(script: &Script, how: &str) -> Vec<String> {
    let path = script.path.to_string_lossy().replace('\'', "'\\''");
    let arguments = script.arguments.join(" ");
    let bash = format!(
        "exec bash --login -i -c '{how}' '{path}' {arguments} </dev/null >&3 2>&4 3>&- 4>&-"
    );
    let terminal = "exec 3>&1 4>&2; exec script -qefc \"$1\" /dev/null >/dev/null 2>&1";
    ["bash", "-c", terminal, "bash", &bash]
        .map(str::to_owned)
        .to_vec()
}

fn as_given(run: Run, script: &Script) -> Run {
    Run {
        stdout: given(&run.stdout, &script.path),
        stderr: given(&run.stderr, &script.path),
        ..run
    }
}

/// Without the word with which an interactive shell leaves.
fn sourced(run: Run, script: &Script) -> Run {
    let mut stderr = copied(&run.stderr, &script.path);
    for word in [b"logout\n".as_slice(), b"exit\n"] {
        if stderr.ends_with(word) {
            stderr.truncate(stderr.len() - word.len());
            break;
        }
    }
    let stdout = copied(&run.stdout, &script.path);
    Run {
        stdout,
        stderr,
        ..run
    }
}
