//! Another terminal, which is not of the family of the one we draw with, as a witness: tmux. What
//! it shows of a session is what it shows of the same program without one, and the same again
//! after leaving and coming back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use outlast_tests::pty::OnPty;
use outlast_tests::screen::{Emulator, Seen};
use outlast_tests::stream::numbered;
use outlast_tests::{ClientMachine, binaries};

use super::{is_at_prompt, set};

const CONF: &str = "set -g status off\nset -g escape-time 0\nset -g default-terminal xterm-256color\n\
                    set -as terminal-overrides ',*:Tc'\n";
/// What a screen has besides its text and colours.
const STATE: &str = "cursor #{cursor_x},#{cursor_y} #{cursor_flag} alternate #{alternate_on} \
                     keys #{keypad_cursor_flag}#{keypad_flag} \
                     mouse #{mouse_any_flag}#{mouse_button_flag}#{mouse_standard_flag}#{mouse_sgr_flag} \
                     margins #{scroll_region_upper}-#{scroll_region_lower} \
                     insert #{insert_flag} wrap #{wrap_flag} origin #{origin_flag}";

/// A tmux with one pane, seen on a terminal.
pub(super) struct Pane<'a> {
    machine: &'a ClientMachine,
    socket: PathBuf,
    pub(super) terminal: OnPty,
}

impl<'a> Pane<'a> {
    fn running(machine: &'a ClientMachine, words: &[&str]) -> Self {
        let conf = machine.home().join("tmux.conf");
        std::fs::write(&conf, CONF).unwrap();
        // One that ends is still there for a moment.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = machine.home().join(format!("tmux{count}"));
        let mut command = Self::tmux(machine, &socket);
        command.arg("-f").arg(conf).arg("new-session").args(words);
        let terminal = OnPty::start(&command);
        Self {
            machine,
            socket,
            terminal,
        }
    }

    pub(super) fn visiting(machine: &'a ClientMachine) -> Self {
        let outlast = binaries::outlast();
        Self::running(machine, &[outlast.to_str().unwrap(), "enter", "job"])
    }

    fn tmux(machine: &ClientMachine, socket: &Path) -> Command {
        let words = ["-u".as_ref(), "-S".as_ref(), socket.as_os_str()];
        let mut command = machine.command(Path::new("tmux"), &words);
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// What tmux holds at this moment, with colours, cursor and modes.
    pub(super) fn look(&self) -> String {
        let mut command = Self::tmux(self.machine, &self.socket);
        command.args([
            "capture-pane",
            "-p",
            "-e",
            ";",
            "display-message",
            "-p",
            STATE,
        ]);
        let output = command.output().unwrap();
        // Nothing yet, where it is about to begin.
        let told = String::from_utf8(output.stdout).unwrap();
        // A cell that was erased and one with a blank in it look the same, and are told apart.
        let mut canonical = Emulator::new(30, 300);
        // What it says of the state goes on in the last colours.
        let told = told.replace("\ncursor ", "\n\x1b[0mcursor ");
        canonical.catch_up(told.replace('\n', "\r\n").as_bytes());
        canonical.look().everything
    }

    /// Looks again whenever it has changed something, until it is as wanted.
    #[track_caller]
    pub(super) fn look_until(&self, wanted: &str) {
        loop {
            let told = self.terminal.screen.len();
            let look = self.look();
            if look == wanted {
                return;
            }
            self.terminal
                .screen
                .wait_all(&format!("another look than\n{look}"), |bytes| {
                    (bytes.len() > told).then_some(())
                })
                .unwrap_or_else(|complaint| panic!("{complaint}\n{look:?}\nis not\n{wanted:?}"));
        }
    }

    pub(super) fn leave(mut self) {
        self.terminal.send("\x1cd");
        self.terminal.ended();
    }
}

/// Starts a program in a session, waits until it looks like that, leaves, and comes back to the
/// same; `direct` starts it without a session. `keys` end it.
fn assert_same(start: &str, ready: impl Fn(&Seen) -> bool, keys: &str, direct: Option<&[&str]>) {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    std::fs::write(machine.home().join("text"), numbered(200)).unwrap();
    std::fs::write(
        machine.home().join("it.c"),
        "int main(void) {\n\treturn 0; // é日本\n}\n",
    )
    .unwrap();
    let pane = Pane::visiting(machine);
    pane.terminal.expect_screen("a prompt", is_at_prompt);
    let start = start.replace("HOME", machine.home().to_str().unwrap());
    pane.terminal.send(&format!("{start}\r"));
    pane.terminal.expect_screen("the program", &ready);
    let before = pane.look();
    if let Some(words) = direct {
        let home = machine.home().to_str().unwrap();
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("HOME", home))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let second = ClientMachine::new();
        let alone = Pane::running(&second, &words);
        alone.terminal.expect_screen("the program", &ready);
        alone.look_until(&before);
    }
    pane.leave();
    let pane = Pane::visiting(machine);
    pane.look_until(&before);
    pane.terminal.send(keys);
    pane.terminal.expect_screen("the prompt", is_at_prompt);
    pane.leave();
    stage.strike(vec![]);
}

#[test]
fn vim_looks_as_it_does_without_a_session() {
    assert_same(
        "vim --clean -n -i NONE -c 'syntax on|set mouse=a nu bg=dark ls=2' HOME/it.c",
        |seen| {
            seen.has("return 0; // é日本") && seen.last().ends_with("All") && seen.cursor == (0, 4)
        },
        ":q\r",
        Some(&[
            "vim",
            "--clean",
            "-n",
            "-i",
            "NONE",
            "-c",
            "syntax on|set mouse=a nu bg=dark ls=2",
            "HOME/it.c",
        ]),
    );
}

#[test]
fn less_looks_as_it_does_without_a_session() {
    assert_same(
        "LESS= less +/10[13] HOME/text",
        |seen| {
            let first = seen.lines.first().map(String::as_str);
            first == Some("line 101") && seen.cursor.0 == 23 && seen.cursor.1 > 0
        },
        "q",
        Some(&["env", "LESS=", "less", "+/10[13]", "HOME/text"]),
    );
}

/// Lines, marks and colours, drawn by hand, with a program that waits.
#[test]
fn what_was_drawn_by_hand_looks_the_same_again() {
    assert_same(
        "printf '\\e[2J\\e[3;5H┌───┐ \\e[1;31mred\\e[0m\\e[38;2;9;8;7;48;5;99mexact\\e[0m\
         \\e[5;20Hend\\e[7;1H'; echo 'cafe\u{301} 日本\u{301} é|'; read -rsp 'na\u{308}me: '",
        |seen| seen.last().ends_with("me:") && seen.has("end") && seen.has("┌───┐ red"),
        "\r\x0c",
        None,
    );
}

/// Nothing that a program once asked the terminal is answered again to whoever reads there later.
#[test]
fn no_question_is_asked_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let pane = Pane::visiting(machine);
    pane.terminal.expect_screen("a prompt", is_at_prompt);
    let asks = "printf '\\e[c\\e[>c\\e[6n\\e[5n\\e]11;?\\a\\eP+q544e\\e\\\\\\e[?u\\e[>q\\e[?2026$p\\e[18t'; cat -v\r";
    pane.terminal.send(asks);
    // The answers that tmux gives, as if typed.
    pane.terminal.expect_screen("answers", |seen| {
        seen.last().contains("^[[?")
            && seen.last().contains("^[[0n")
            && seen.last().contains("^[[8;")
    });
    pane.terminal.send("\r");
    // Shown as they were typed, and by the program.
    pane.terminal
        .expect_screen("the answers twice and an empty line", |seen| {
            let answers = seen.lines.iter().filter(|line| line.contains("^[[0n"));
            answers.count() == 2 && seen.cursor.1 == 0
        });
    let before = pane.look();
    pane.leave();
    let pane = Pane::visiting(machine);
    pane.look_until(&before);
    // A line of its own, shown as it is typed and by the program: anything answered would be in it.
    pane.terminal.send("typed\r");
    pane.terminal.expect_screen("typed", |seen| {
        seen.lines.iter().filter(|it| *it == "typed").count() == 2
    });
    pane.terminal.send("\x04");
    pane.terminal.expect_screen("the prompt", is_at_prompt);
    pane.leave();
    stage.strike(vec![]);
}
