//! The jobs: what they print, said once for the program that prints it and for the check of it.
//!
//! Every line names its job, its stream and its number, and ends in its own checksum, so that a
//! stray, torn or repeated line can be told from a sound one without knowing what was expected.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;

use crate::random::Random;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Prints on both outputs.
    Emit,
    /// Reads its standard input to the end and prints count and checksum.
    Take,
    /// Prints its standard input back.
    Echo,
    /// Prints a line and stays until it is stopped.
    Endless,
}

/// One job. Its label is in every line it prints.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) label: String,
    pub(crate) kind: Kind,
    seed: u64,
    pub(crate) out: usize,
    pub(crate) err: usize,
    /// How long it takes at least, in milliseconds.
    pub(crate) pace: u64,
    pub(crate) exit: u8,
}

const EMIT: &str = "emit";
const TAKE: &str = "take";
const ECHO: &str = "echo";
const ENDLESS: &str = "endless";

/// Bytes that are written in one go.
const CHUNK: usize = 8 * 1024;

impl Job {
    pub(crate) fn new(label: String, kind: Kind, random: &mut Random) -> Self {
        Self {
            label,
            kind,
            seed: random.next(),
            out: 0,
            err: 0,
            pace: 0,
            exit: 0,
        }
    }

    pub(crate) fn reads(&self) -> bool {
        matches!(self.kind, Kind::Take | Kind::Echo)
    }

    /// What it is fed.
    pub(crate) fn input(&self) -> Vec<u8> {
        if self.reads() {
            self.stream('i', self.out)
        } else {
            Vec::new()
        }
    }

    /// What it prints on standard output and standard error when it is not stopped.
    pub(crate) fn output(&self) -> [Vec<u8>; 2] {
        match self.kind {
            Kind::Emit => [
                self.stream('o', self.out.max(1)),
                self.stream('e', self.err),
            ],
            Kind::Take => [self.took(&self.input()), Vec::new()],
            Kind::Echo => {
                let mut all = self.stream('o', 1);
                all.extend(self.input());
                [all, Vec::new()]
            }
            Kind::Endless => [self.stream('o', 1), Vec::new()],
        }
    }

    /// The shell text that runs it. The shell counts its jobs, so that one that ran twice, or in a
    /// shell that is not the same any more, shows in the ledger.
    pub(crate) fn script(&self, program: &str, ledger: &str) -> String {
        let kind = match self.kind {
            Kind::Emit => EMIT,
            Kind::Take => TAKE,
            Kind::Echo => ECHO,
            Kind::Endless => ENDLESS,
        };
        let Self {
            label,
            seed,
            out,
            err,
            pace,
            exit,
            ..
        } = self;
        format!(
            "chaos_jobs=$((chaos_jobs + 1)); \
             {program} job {kind} {label} {seed} {out} {err} {pace} {exit} {ledger} $chaos_jobs"
        )
    }

    /// Whole lines of at least so many bytes.
    fn stream(&self, stream: char, bytes: usize) -> Vec<u8> {
        let mut random = Random::new(self.seed ^ (stream as u64) << 32);
        let mut lines = Vec::with_capacity(bytes + 256);
        let mut number = 0;
        while lines.len() < bytes {
            let start = lines.len();
            let _ = write!(lines, "{} {stream} {number:08} ", self.label);
            for _ in 0..random.within(0, 12) {
                let _ = write!(lines, "{:016x}", random.next());
            }
            let sum = crc32c::crc32c(&lines[start..]);
            let _ = writeln!(lines, " {sum:08x}");
            number += 1;
        }
        lines
    }

    fn took(&self, input: &[u8]) -> Vec<u8> {
        let mut line = format!("{} took {} ", self.label, input.len()).into_bytes();
        let _ = writeln!(line, "{:08x}", crc32c::crc32c(input));
        line
    }
}

/// The job itself: what the script of [`Job::script`] runs.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    let [kind, label, seed, out, err, pace, exit, ledger, ordinal] = words else {
        eprintln!("a job is run by outlast-chaos alone: {words:?}");
        return ExitCode::from(2);
    };
    let number = |word: &str| word.parse::<u64>().expect("written by Job::script");
    let job = Job {
        label: (*label).to_owned(),
        kind: match *kind {
            EMIT => Kind::Emit,
            TAKE => Kind::Take,
            ECHO => Kind::Echo,
            _ => Kind::Endless,
        },
        seed: number(seed),
        out: number(out) as usize,
        err: number(err) as usize,
        pace: number(pace),
        exit: number(exit) as u8,
    };
    let mut ledger = OpenOptions::new()
        .append(true)
        .open(ledger)
        .expect("ledger");
    // One write: lines of several jobs cannot mix.
    let line = format!("{label} {ordinal}\n");
    ledger.write_all(line.as_bytes()).expect("ledger");
    let done = match job.kind {
        Kind::Emit => emit(&job),
        Kind::Take => read_all(|_| Ok(())).and_then(|all| say(&job.took(&all))),
        Kind::Echo => say(&job.stream('o', 1)).and_then(|()| read_all(say).map(drop)),
        Kind::Endless => say(&job.stream('o', 1)).map(|()| {
            loop {
                std::thread::park();
            }
        }),
    };
    match done {
        Ok(()) => ExitCode::from(job.exit),
        // No job's output is ever closed under it: the wrong exit code is found by the check.
        Err(_) => ExitCode::from(99),
    }
}

fn emit(job: &Job) -> Result<(), Errno> {
    let [out, err] = job.output();
    let pieces = ((out.len() + err.len()) / CHUNK).max(1);
    let pause = Duration::from_millis(job.pace) / u32::try_from(pieces).unwrap_or(u32::MAX);
    let part = |bytes: &[u8], at: usize| bytes.len() * at / pieces;
    for at in 0..pieces {
        say(&out[part(&out, at)..part(&out, at + 1)])?;
        write(
            rustix::stdio::stderr(),
            &err[part(&err, at)..part(&err, at + 1)],
        )?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn read_all(each: impl Fn(&[u8]) -> Result<(), Errno>) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => return Ok(all),
            Ok(count) => {
                all.extend(&buffer[..count]);
                each(&buffer[..count])?;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn say(bytes: &[u8]) -> Result<(), Errno> {
    write(rustix::stdio::stdout(), bytes)
}

fn write(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
