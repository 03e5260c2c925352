//! Somebody who is inside a session, types, and waits for what each line does.

use std::time::Instant;

use outlast_tests::deadline::Deadline;
use outlast_tests::pty::OnPty;
use rustix::process::Signal;

use crate::actor::Actor;
use crate::command_line::PATIENCE;
use crate::plan::{Meanwhile, Visit};

/// A prompt that nothing else says.
pub(crate) const PROMPT: &str = "chaos> ";

/// So wide that no line that is typed is broken.
const SIZE: (u16, u16) = (24, 250);

/// A line somebody typed.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    label: String,
    /// It was seen to have run.
    seen: bool,
}

impl Actor<'_> {
    pub(crate) fn visit(&mut self, plan: &Visit) -> Result<(), String> {
        let machine = &self.stage.machines[self.holder].client;
        let (rows, columns) = SIZE;
        let visitor = machine.on_pty_of(&["enter", &self.instance], rows, columns);
        self.counts.one("visits");
        let by_now = || Deadline::after(PATIENCE);
        let (mut killed, mut stolen, mut begun) = (false, false, false);
        if visitor.screen.has_by(PROMPT, by_now()) {
            begun = true;
            for line in 1..=plan.lines {
                let label = format!("{}-{line}", plan.label);
                visitor.send(&self.line(&label));
                if let Some((_, pause, what)) = plan.meanwhile.filter(|(typed, ..)| *typed == line)
                {
                    self.calm.pass(pause);
                    match what {
                        Meanwhile::Kill => {
                            self.counts.one("visitor kills");
                            visitor.signal(Signal::KILL);
                            killed = true;
                        }
                        Meanwhile::Freeze(lasting) => {
                            self.counts.one("visitor freezes");
                            visitor.signal(Signal::STOP);
                            self.calm.pass(lasting);
                            visitor.signal(Signal::CONT);
                        }
                        Meanwhile::Steal => {
                            stolen = true;
                            self.change_machine(true)?;
                        }
                    }
                }
                let seen = visitor.screen.has_by(&shown(&label), by_now());
                self.typed.push(Typed { label, seen });
                if !seen {
                    break;
                }
            }
        }
        // One who is gone already does not mind.
        visitor.send(plan.farewell);
        self.parted(visitor, killed, stolen, begun)
    }

    /// What is typed. What it prints is not in it, so that its echo is not taken for its work.
    fn line(&self, label: &str) -> String {
        let book = self.stage.visitors_book(&self.plan.name);
        format!(
            "chaos_typed=$((chaos_typed + 1)); echo {label} $chaos_typed >>{}; echo se''en {label}.\r",
            book.display()
        )
    }

    /// Nobody may hang, and only who was killed, robbed or never let in may leave a line undone.
    fn parted(
        &mut self,
        visitor: OnPty,
        killed: bool,
        stolen: bool,
        begun: bool,
    ) -> Result<(), String> {
        let since = Instant::now();
        if !visitor.end_by(Deadline::after(PATIENCE)) {
            return Err(format!(
                "a visitor who wants to leave is still there after {:?}\n{}",
                since.elapsed(),
                visitor.screen.text()
            ));
        }
        let output = visitor.wait();
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("panicked at") {
            return Err(format!("a program of ours panicked\n{output}"));
        }
        let unreached = !begun && output.status.code() == Some(255);
        self.counts.add("not reached", unreached.into());
        let undone = self.typed.last().is_some_and(|line| begun && !line.seen);
        let excused = killed || stolen || text.contains("bytes that were typed are dropped");
        if undone && !excused {
            return Err(format!("a line that was typed has not run\n{output}"));
        }
        if output.status.code() == Some(0) || killed || stolen || unreached {
            return Ok(());
        }
        Err(format!("expected to leave with 0\n{output}"))
    }

    /// Every line that was typed ran at most once, those seen to have run did, and all of them in
    /// the one shell, in order.
    pub(crate) fn check_typed(&self) -> Result<(), String> {
        let path = self.stage.visitors_book(&self.plan.name);
        let book = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            book => book.map_err(|error| error.to_string())?,
        };
        check_book(&book, &self.typed).map_err(|why| format!("{why}:\n{book}"))?;
        self.counts.add("typed lines", book.lines().count() as u64);
        Ok(())
    }
}

/// Lines that were not seen to have run may be missing, and nothing else may.
fn check_book(book: &str, typed: &[Typed]) -> Result<(), String> {
    let mut typed = typed.iter();
    for (at, entry) in book.lines().enumerate() {
        let (label, ordinal) = entry.split_once(' ').unwrap_or((entry, ""));
        if ordinal != (at + 1).to_string() {
            return Err(format!("entry {} is counted `{ordinal}`", at + 1));
        }
        loop {
            match typed.next() {
                Some(line) if line.label == label => break,
                Some(line) if line.seen => {
                    return Err(format!("{} was seen and is missing here", line.label));
                }
                Some(_) => {}
                None => return Err(format!("{label} ran twice, out of turn, or unasked")),
            }
        }
    }
    match typed.find(|line| line.seen) {
        Some(line) => Err(format!("{} was seen and is missing here", line.label)),
        None => Ok(()),
    }
}

fn shown(label: &str) -> String {
    format!("seen {label}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(book: &str) -> Option<String> {
        let typed = [("a", true), ("b", false), ("c", true), ("d", false)];
        let typed = typed.map(|(label, seen)| Typed {
            label: label.to_owned(),
            seen,
        });
        check_book(book, &typed).err()
    }

    #[test]
    fn what_was_not_seen_may_be_missing() {
        assert_eq!(complaint("a 1\nc 2\n"), None);
        assert_eq!(complaint("a 1\nb 2\nc 3\nd 4\n"), None);
    }

    #[test]
    fn losses_repeats_disorder_and_another_shell_are_found() {
        for (book, said) in [
            ("", "a was seen and is missing here"),
            ("a 1\nb 2\n", "c was seen and is missing here"),
            ("a 1\nd 2\n", "c was seen and is missing here"),
            ("a 1\na 2\nc 3\n", "c was seen and is missing here"),
            (
                "a 1\nc 2\nd 3\nd 4\n",
                "d ran twice, out of turn, or unasked",
            ),
            ("a 1\nc 2\nb 3\n", "b ran twice, out of turn, or unasked"),
            ("a 1\nc 1\n", "entry 2 is counted `1`"),
            ("a 1\nha", "entry 2 is counted ``"),
        ] {
            assert_eq!(complaint(book).as_deref(), Some(said), "{book:?}");
        }
    }
}
