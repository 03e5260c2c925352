//! What the driver reports, over a FIFO of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use outlast_protocol::outcome::ExitStatus;
use tokio::io::{Interest, unix::AsyncFd};

use super::fifo;
use crate::sys::readiness;

/// A report is shorter than this; anything longer comes from somebody else and is dropped.
const LONGEST: usize = 256;

/// One line of the driver's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    Opened {
        resume: bool,
    },
    /// The pipes of the invocation are open in the shell.
    Running {
        number: u64,
    },
    Completed {
        number: u64,
        status: ExitStatus,
        resume: bool,
    },
    /// It is about to show its prompt to a visitor, and waits to be told so.
    Prompt {
        number: u64,
        asked: u64,
    },
    /// Control-D was typed: whether that ends the visit.
    End {
        leaves: bool,
    },
    /// The shell was replaced by a fresh one that has read the saved state, or by a copy of
    /// itself with this process id.
    Rescued {
        driver: Option<u32>,
    },
    /// It may have lost the line that told it what to run.
    Again,
}

pub(super) struct StatusChannel {
    fifo: AsyncFd<OwnedFd>,
    pending: Vec<u8>,
}

impl StatusChannel {
    /// Creates the FIFO. Held for writing too, so that it never ends.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        let fifo = fifo::create(&directory.join("status"))?;
        Ok(Self {
            fifo: readiness::watch(fifo, Interest::READABLE)?,
            pending: Vec::new(),
        })
    }

    /// The next report. Cancel-safe: an unfinished line stays in `pending`.
    pub(super) async fn next(&mut self) -> io::Result<Report> {
        loop {
            if let Some(report) = self.take_line() {
                return Ok(report);
            }
            let mut ready = self.fifo.readable().await?;
            let pending = &mut self.pending;
            if let Ok(result) = ready.try_io(|fifo| fifo::read(fifo.get_ref(), pending)) {
                result?;
            }
        }
    }

    /// The next report that is already there; for when the shell has ended.
    pub(super) fn next_now(&mut self) -> Option<Report> {
        loop {
            if let Some(report) = self.take_line() {
                return Some(report);
            }
            match fifo::read(self.fifo.get_ref(), &mut self.pending) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    fn take_line(&mut self) -> Option<Report> {
        loop {
            let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
                if self.pending.len() > LONGEST {
                    self.pending.clear();
                }
                return None;
            };
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            // What is not a report is somebody else's and changes nothing.
            if let Some(report) = core::str::from_utf8(&line).ok().and_then(parse) {
                return Some(report);
            }
        }
    }
}

fn parse(line: &str) -> Option<Report> {
    let mut words = line.split_ascii_whitespace();
    let report = match words.next()? {
        "opened" => Report::Opened {
            resume: words.next() == Some("resume"),
        },
        "again" => Report::Again,
        "prompt" => Report::Prompt {
            number: words.next()?.parse().ok()?,
            asked: words.next()?.parse().ok()?,
        },
        "end" => Report::End {
            leaves: match words.next()? {
                "visit" => true,
                "key" => false,
                _ => return None,
            },
        },
        "rescued" => Report::Rescued {
            driver: words.next().and_then(|it| it.parse().ok()),
        },
        "running" => Report::Running {
            number: words.next()?.split(':').next()?.parse().ok()?,
        },
        "completed" => Report::Completed {
            number: words.next()?.parse().ok()?,
            status: ExitStatus::Code(words.next()?.parse().ok()?),
            resume: words.next() == Some("resume"),
        },
        _ => return None,
    };
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::{ExitStatus, Report, parse};

    #[test]
    fn lines_of_the_driver_are_understood_and_others_are_not() {
        assert_eq!(parse("opened \n"), Some(Report::Opened { resume: false }));
        assert_eq!(parse("running 7\n"), Some(Report::Running { number: 7 }));
        assert_eq!(
            parse("completed 7 130 resume\n"),
            Some(Report::Completed {
                number: 7,
                status: ExitStatus::Code(130),
                resume: true
            })
        );
        let prompt = Report::Prompt {
            number: 7,
            asked: 12,
        };
        assert_eq!(parse("prompt 7 12\n"), Some(prompt));
        assert_eq!(parse("end key\n"), Some(Report::End { leaves: false }));
        for line in [
            "",
            "prompt 7",
            "end",
            "end x",
            "completed",
            "completed 1",
            "completed 1 256",
            "completed x 1",
            "hello 1",
        ] {
            assert_eq!(parse(line), None);
        }
    }
}
