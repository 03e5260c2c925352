//! A program on a terminal: prompts, Ctrl-C, window sizes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::deadline::Deadline;
use crate::failure::show_if_failing;
use crate::output::Output;
use crate::own_session::on_controlling_terminal;
use crate::process;
use crate::running::shown;
use crate::screen::{Emulator, Seen, private_modes};
use crate::transcript::Transcript;

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const ENTER: &str = "\r";

/// Killed when dropped. stdout and stderr are one stream here, as on every terminal.
pub struct OnPty {
    command: String,
    child: Child,
    terminal: File,
    pub screen: Transcript,
    emulator: Mutex<Emulator>,
    finished: bool,
}

impl OnPty {
    pub fn start(command: &Command) -> Self {
        Self::start_at(command, 24, 80)
    }

    /// On a terminal of that size.
    pub fn start_at(command: &Command, rows: u16, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("a pty");
        grantpt(&terminal).expect("grantpt");
        unlockpt(&terminal).expect("unlockpt");
        let name = ptsname(&terminal, Vec::new()).expect("ptsname");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let inner: File = rustix::fs::open(name, flags, Mode::empty())
            .expect("the pty")
            .into();
        let terminal = File::from(terminal);
        resize(&terminal, rows, columns);
        let child = on_controlling_terminal(command)
            .stdin(inner.try_clone().expect("dup"))
            .stdout(inner.try_clone().expect("dup"))
            .stderr(inner)
            .spawn()
            .expect("setsid comes with util-linux");
        let shown = shown(command);
        let reader = terminal.try_clone().expect("dup");
        Self {
            screen: Transcript::of(format!("terminal of `{shown}`"), reader),
            command: shown,
            child,
            terminal,
            emulator: Mutex::new(Emulator::new(rows, columns)),
            finished: false,
        }
    }

    /// Waits until the text is on the screen, behind what earlier waits have found.
    #[track_caller]
    pub fn expect(&self, text: &str) -> &Self {
        self.screen.wait_text(text);
        self
    }

    pub fn send(&self, keys: &str) -> &Self {
        (&self.terminal)
            .write_all(keys.as_bytes())
            .expect("a pty takes keys");
        self
    }

    pub fn resize(&self, rows: u16, columns: u16) -> &Self {
        let mut emulator = self.emulator();
        emulator.catch_up(&self.screen.bytes());
        resize(&self.terminal, rows, columns);
        emulator.resize(rows, columns);
        drop(emulator);
        self
    }

    /// Waits until a terminal that shows everything so far looks like that: its lines, without
    /// the blanks at their ends and the empty ones below.
    #[track_caller]
    pub fn expect_lines(&self, wanted: &str, looks: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.expect_of(wanted, |emulator| {
            let lines = emulator.lines();
            looks(&lines).then_some(lines)
        })
    }

    /// Waits until a terminal that shows everything so far looks like that.
    #[track_caller]
    pub fn expect_screen(&self, wanted: &str, looks: impl Fn(&Seen) -> bool) -> Seen {
        self.expect_of(wanted, |emulator| {
            let seen = emulator.look();
            looks(&seen).then_some(seen)
        })
    }

    #[track_caller]
    fn expect_of<T>(&self, wanted: &str, find: impl Fn(&Emulator) -> Option<T>) -> T {
        let mut emulator = self.emulator();
        let found = self.screen.wait_all(wanted, |bytes| {
            emulator.catch_up(bytes);
            find(&emulator)
        });
        found.unwrap_or_else(|complaint| panic!("{complaint}\n{:#?}", emulator.look()))
    }

    /// Waits until it looks exactly like that.
    #[track_caller]
    pub fn expect_same(&self, before: &Seen) -> &Self {
        self.expect_screen(&format!("exactly {before:#?}"), |seen| seen == before);
        self
    }

    /// The private modes that are set on it: how mouse, focus and pastes are reported.
    pub fn private_modes(&self) -> BTreeSet<u16> {
        private_modes(&self.screen.bytes())
    }

    /// A test that has failed while it looked still wants to end its program.
    fn emulator(&self) -> MutexGuard<'_, Emulator> {
        self.emulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether keys are echoed and Ctrl-C is a signal, as a shell's user expects.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.terminal)
            .expect("a pty has modes")
            .local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.ended()
    }

    pub fn signal(&self, signal: Signal) -> &Self {
        process::send(self.pid(), signal);
        self
    }

    /// Waits for the program's end; says whether it came in time.
    #[must_use]
    pub fn end_by(&self, deadline: Deadline) -> bool {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty());
        deadline.poll(pidfd.expect("our child is still ours"), PollFlags::IN)
    }

    /// Waits for the program's end; its terminal stays.
    #[track_caller]
    pub fn ended(&mut self) -> Output {
        let deadline = Deadline::usual();
        assert!(
            self.end_by(deadline),
            "`{}` has not ended in time",
            self.command
        );
        self.finished = true;
        let status = self.child.wait().expect("our child is still ours");
        let stdout = self.screen.wait_end(deadline);
        Output {
            command: self.command.clone(),
            status,
            stdout,
            stderr: Vec::new(),
        }
    }
}

impl Drop for OnPty {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.child.kill();
            let _ = self.child.wait();
            show_if_failing(&format!("terminal of `{}`", self.command), || {
                self.screen.text()
            });
        }
    }
}

fn resize(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).expect("a pty has a size");
}
