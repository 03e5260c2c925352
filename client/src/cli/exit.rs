//! Exit codes: what a program that runs `outlast` can rely on.

use outlast_protocol::control::to_cli::FailureKind;
use outlast_protocol::outcome::{ExitStatus, Outcome};

/// Something of ours failed.
pub const INTERNAL: u8 = 1;
/// The user asked for something that cannot be.
pub const USAGE: u8 = 2;
/// The command ran into its `--timeout`.
pub const TIMED_OUT: u8 = 124;
/// The command was cancelled, or Ctrl-C ended us.
pub const CANCELLED: u8 = 130;
/// Standard output was closed under us: 128 plus SIGPIPE.
pub const BROKEN_PIPE: u8 = 141;
/// There is no result: not reached, not let in, session lost or busy, protocol broken.
pub const NO_RESULT: u8 = 255;

/// Several targets: some command failed, or was refused.
pub const SOME_FAILED: u8 = 3;
/// Several targets: some computer could not be reached or refused authentication.
pub const SOME_UNREACHABLE: u8 = 4;
/// Several targets: some command timed out or was cancelled.
pub const SOME_STOPPED: u8 = 5;

/// What `outlast help exit-codes` prints. A test holds it to the functions below.
pub const HELP: &str = "\
Exit codes of outlast

One target:
  0-254  what the remote command returned
  128+n  the remote command was killed by signal n
  124    it timed out (--timeout)
  130    it was cancelled, or Ctrl-C ended outlast
  255    unreachable, authentication refused, session lost or busy, or protocol error;
         or it succeeded but part of its output is lost; `receive` from a broken session
         (its host process is gone), after all there is of its output

doctor:
  0      nothing keeps sessions from working there
  255    something does; several hosts: 4

install:
  0      every host has what was asked for, or would have it (--check)
  255    it has not; several hosts: 3 if some failed, 4 if some were not reached

enter:
  0      left, or the shell's `exit`
  N      the shell's `exit N`
  130    given up while waiting for a turn
  255    as above

Several targets, the highest wins:
  0      all succeeded
  3      some command failed
  4      some host was unreachable or refused authentication
  5      some command timed out or was cancelled

Always:
  1      internal error
  2      wrong usage, or no such session
  141    standard output was closed; remote commands go on
";

/// How one target ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The request was carried out, or the command has this outcome.
    Done(Option<Outcome>),
    /// The command has this outcome, but part of its output is lost.
    Incomplete(Option<Outcome>),
    /// It was not.
    Failed(FailureKind),
}

/// The exit code for everything that was asked, one ending a target.
#[must_use]
pub fn code(endings: &[Ending]) -> u8 {
    match endings {
        [one] => of_one(one),
        several => several.iter().map(of_some).max().unwrap_or(0),
    }
}

fn of_one(ending: &Ending) -> u8 {
    match ending {
        Ending::Done(None) => 0,
        Ending::Done(Some(Outcome::Ended(status))) => status.shell_code(),
        Ending::Done(Some(Outcome::TimedOut(_))) => TIMED_OUT,
        Ending::Done(Some(Outcome::Cancelled(_) | Outcome::NeverRan)) => CANCELLED,
        Ending::Done(Some(Outcome::SessionEnded(_) | Outcome::Failed(_))) => NO_RESULT,
        // A success with holes in it is none; another status is worth more than that.
        Ending::Incomplete(outcome) => match of_one(&Ending::Done(outcome.clone())) {
            0 => NO_RESULT,
            code => code,
        },
        Ending::Failed(kind) => of_failure(*kind),
    }
}

/// The exit code of a failure that concerns everything.
#[must_use]
pub fn of_failure(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Internal => INTERNAL,
        FailureKind::Usage => USAGE,
        FailureKind::Unreachable
        | FailureKind::Authentication
        | FailureKind::Protocol
        | FailureKind::SessionLost
        | FailureKind::Busy => NO_RESULT,
    }
}

fn of_some(ending: &Ending) -> u8 {
    match ending {
        Ending::Done(None | Some(Outcome::Ended(ExitStatus::Code(0)))) => 0,
        Ending::Done(Some(Outcome::TimedOut(_) | Outcome::Cancelled(_) | Outcome::NeverRan)) => {
            SOME_STOPPED
        }
        Ending::Failed(FailureKind::Unreachable | FailureKind::Authentication) => SOME_UNREACHABLE,
        Ending::Incomplete(outcome) => of_some(&Ending::Done(outcome.clone())).max(SOME_FAILED),
        Ending::Done(Some(_)) | Ending::Failed(_) => SOME_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExitStatus::{Code, Signal};
    use FailureKind::*;
    use Outcome::{Cancelled, Ended, NeverRan, SessionEnded, TimedOut};

    fn done(outcome: Outcome) -> Ending {
        Ending::Done(Some(outcome))
    }

    #[test]
    fn one_target_gives_its_own_status() {
        for (ending, expected) in [
            (Ending::Done(None), 0),
            (done(Ended(Code(0))), 0),
            (done(Ended(Code(7))), 7),
            (done(Ended(Signal(9))), 137),
            (done(TimedOut(Signal(15))), 124),
            (done(Cancelled(Code(130))), 130),
            (done(NeverRan), 130),
            (done(SessionEnded(String::new())), 255),
            (done(Outcome::Failed(String::new())), 255),
            (Ending::Failed(Unreachable), 255),
            (Ending::Failed(Authentication), 255),
            (Ending::Failed(Protocol), 255),
            (Ending::Failed(SessionLost), 255),
            (Ending::Failed(Busy), 255),
            (Ending::Failed(Usage), 2),
            (Ending::Failed(Internal), 1),
            (Ending::Incomplete(Some(Ended(Code(0)))), 255),
            (Ending::Incomplete(Some(Ended(Code(7)))), 7),
        ] {
            assert_eq!(code(std::slice::from_ref(&ending)), expected, "{ending:?}");
        }
    }

    #[test]
    fn of_several_the_highest_wins() {
        let fine = done(Ended(Code(0)));
        let failed = done(Ended(Code(1)));
        let unreachable = Ending::Failed(Unreachable);
        let stopped = done(TimedOut(Signal(15)));
        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[fine.clone(), fine.clone()]), 0);
        assert_eq!(code(&[failed.clone(), fine.clone()]), 3);
        assert_eq!(code(&[done(Ended(Signal(9))), fine.clone()]), 3);
        assert_eq!(code(&[Ending::Failed(Busy), fine.clone()]), 3);
        assert_eq!(code(&[unreachable.clone(), failed.clone(), fine]), 4);
        let holes = Ending::Incomplete(Some(Ended(Code(0))));
        assert_eq!(code(&[holes, done(Ended(Code(0)))]), 3);
        assert_eq!(code(&[stopped, unreachable, failed]), 5);
    }

    #[test]
    fn the_help_names_every_code() {
        let codes = [
            INTERNAL,
            USAGE,
            SOME_FAILED,
            SOME_UNREACHABLE,
            SOME_STOPPED,
            TIMED_OUT,
            CANCELLED,
            BROKEN_PIPE,
            NO_RESULT,
        ];
        for code in codes {
            assert!(
                HELP.lines()
                    .any(|line| line.trim_start().starts_with(&format!("{code} ")))
            );
        }
    }
}
