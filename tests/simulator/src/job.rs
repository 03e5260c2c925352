//! What a simulated command does, written as its script: the text travels through submission,
//! queue and shell like any other.

use outlast_protocol::outcome::ExitStatus;

/// A command's behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The number of what the user asked for. It must not run twice under whatever ID.
    pub command: u64,
    /// Bytes for standard output and standard error.
    pub output: [u64; 2],
    /// Standard input it reads before it ends; `u64::MAX` for all there is.
    pub input: u64,
    /// Bytes a background child writes to standard output after the end.
    pub late: u64,
    /// Whether it goes on until it is stopped.
    pub endless: bool,
    /// Whether it cares only for SIGKILL.
    pub stubborn: bool,
    /// Whether it asks for something before it ends.
    pub asks: bool,
    /// How it ends.
    pub code: u8,
}

impl Job {
    /// A command that does nothing.
    #[must_use]
    pub fn new(command: u64) -> Self {
        Self {
            command,
            output: [0, 0],
            input: 0,
            late: 0,
            endless: false,
            stubborn: false,
            asks: false,
            code: 0,
        }
    }

    /// Its status when it ends by itself.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        ExitStatus::Code(self.code)
    }

    /// The script that says all this.
    #[must_use]
    pub fn script(&self) -> String {
        format!(
            "job {} {} {} {} {} {} {} {} {}",
            self.command,
            self.output[0],
            self.output[1],
            self.input,
            self.late,
            u8::from(self.endless),
            u8::from(self.stubborn),
            u8::from(self.asks),
            self.code
        )
    }

    /// Reads such a script.
    #[must_use]
    pub fn parse(script: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(script).ok()?.strip_prefix("job ")?;
        let mut numbers = text.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let job = Self {
            command: next()?,
            output: [next()?, next()?],
            input: next()?,
            late: next()?,
            endless: next()? == 1,
            stubborn: next()? == 1,
            asks: next()? == 1,
            code: u8::try_from(next()?).ok()?,
        };
        numbers.next().is_none().then_some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_all_of_a_job() {
        let job = Job {
            output: [5, 6],
            input: u64::MAX,
            late: 3,
            endless: true,
            stubborn: true,
            asks: true,
            code: 255,
            ..Job::new(12)
        };
        assert_eq!(Job::parse(job.script().as_bytes()), Some(job));
        assert_eq!(Job::parse(b"job 1 2"), None);
        assert_eq!(Job::parse(b""), None);
    }
}
