//! One thing that is done to a session, and what is expected of it.

use outlast_protocol::outcome::ExitStatus;

/// What is done. A text that waits to be stopped says `go` first.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Script(String),
    WithStdin(String, Vec<u8>),
    Argv(Vec<Vec<u8>>),
    File {
        name: &'static str,
        text: String,
        args: Vec<&'static str>,
    },
    /// Run, and left when it has completed: its output is read when the case is over.
    Leave(String),
    Stop(Stop, String),
    /// The same by somebody who wants all of it gone soon.
    Insist(Stop, String),
    /// The session does not open, and says this on its terminal.
    FailsToOpen(Failure, &'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Interrupt,
    Terminate,
    Kill,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Ended(ExitStatus),
    TimedOut,
}

/// What is expected of an output.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Exactly(Vec<u8>),
    Everything(Vec<&'static str>),
    Anything,
}

/// Without more it is expected to say nothing and to end with 0. In what is expected `{pid}` is
/// the shell's process and `{home}` the home.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) act: Act,
    pub(crate) out: Said,
    pub(crate) err: Said,
    pub(crate) status: ExitStatus,
    /// Whether the session ends with it.
    pub(crate) ends: bool,
}

impl From<Act> for Step {
    fn from(act: Act) -> Self {
        Self {
            act,
            out: Said::Exactly(Vec::new()),
            err: Said::Exactly(Vec::new()),
            status: ExitStatus::Code(0),
            ends: false,
        }
    }
}

pub(crate) fn run(script: impl Into<String>) -> Step {
    Act::Script(script.into()).into()
}

pub(crate) fn run_with_stdin(script: &str, stdin: impl Into<Vec<u8>>) -> Step {
    Act::WithStdin(script.to_owned(), stdin.into()).into()
}

pub(crate) fn argv(words: &[&[u8]]) -> Step {
    Act::Argv(words.iter().map(|word| word.to_vec()).collect()).into()
}

pub(crate) fn file(name: &'static str, text: &str, args: &[&'static str]) -> Step {
    let (text, args) = (text.to_owned(), args.to_vec());
    Act::File { name, text, args }.into()
}

pub(crate) fn leave(script: &str) -> Step {
    Act::Leave(script.to_owned()).into()
}

pub(crate) fn interrupt(script: &str) -> Step {
    stopped(Stop::Interrupt, script).code(130)
}

/// By somebody who wants all of it gone soon.
pub(crate) fn insist(stop: Stop, script: &str) -> Step {
    Step::from(Act::Insist(stop, script.to_owned())).out("go\n")
}

pub(crate) fn terminate(script: &str) -> Step {
    stopped(Stop::Terminate, script).code(143)
}

pub(crate) fn kill(script: &str) -> Step {
    stopped(Stop::Kill, script).code(137)
}

fn stopped(stop: Stop, script: &str) -> Step {
    Step::from(Act::Stop(stop, script.to_owned())).out("go\n")
}

pub(crate) fn fails_to_open(failure: Failure, said: &'static str) -> Step {
    Act::FailsToOpen(failure, said).into()
}

impl Step {
    pub(crate) fn out(mut self, exactly: impl Into<Vec<u8>>) -> Self {
        self.out = Said::Exactly(exactly.into());
        self
    }

    pub(crate) fn out_has(mut self, parts: &[&'static str]) -> Self {
        self.out = Said::Everything(parts.to_vec());
        self
    }

    pub(crate) fn err(mut self, exactly: &str) -> Self {
        self.err = Said::Exactly(exactly.into());
        self
    }

    pub(crate) fn err_has(mut self, parts: &[&'static str]) -> Self {
        self.err = Said::Everything(parts.to_vec());
        self
    }

    pub(crate) fn any_err(mut self) -> Self {
        self.err = Said::Anything;
        self
    }

    pub(crate) fn code(mut self, code: u8) -> Self {
        self.status = ExitStatus::Code(code);
        self
    }

    pub(crate) fn signal(mut self, signal: u8) -> Self {
        self.status = ExitStatus::Signal(signal);
        self
    }

    pub(crate) fn ends_the_session(mut self) -> Self {
        self.ends = true;
        self
    }
}
