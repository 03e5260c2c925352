//! Coming back behind more than is kept of what a full-screen program drew.

use outlast_tests::pty::OnPty;
use outlast_tests::screen::Seen;

use super::witness::Pane;
use super::{at_prompt, enter, is_at_prompt, leave, set};
use crate::stage::Stage;

/// More than is sent to who comes back.
const CUT: usize = 300 * 1024;

/// Long enough to scroll in for a while.
fn long_text() -> String {
    let line = |number: usize| format!("line {number:05} {}\n", "abcdefg ".repeat(8));
    (1..=9000).map(line).collect()
}

/// What is behind it, the shell's own screen, was shown too long ago.
fn same(seen: &Seen, before: &Seen) -> bool {
    let state = |of: &Seen| (of.cursor, of.cursor_is_shown, of.alternate);
    seen.lines == before.lines && state(seen) == state(before)
}

/// Starts a program that the keys make draw more than is kept, leaves, and comes back to the same,
/// as another terminal has it.
fn assert_same(start: &str, keys: &str, ready: impl Fn(&Seen) -> bool, end: &str) {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let text = machine.home().join("text");
    std::fs::write(&text, long_text()).unwrap();
    let start = format!("{start} {}\r", text.display());
    let visit = enter(machine, &["job"]);
    visit.send(&start);
    visit.expect_screen("the program", |seen| {
        seen.alternate && seen.has("line 00001")
    });
    let told = visit.screen.len();
    visit.send(keys);
    let before = visit.expect_screen("everything drawn", &ready);
    assert!(visit.screen.len() - told > CUT, "not enough was drawn");
    let modes = visit.private_modes();
    assert!(modes.contains(&1000) || modes.contains(&1002), "{modes:?}");
    leave(visit, "job");

    // A program may drop a key that comes together with a new size.
    let nudged = machine.failpoint("cli.nudged");
    let settles = || {
        nudged.wait();
        nudged.go();
    };
    let visit = machine.on_pty(&["enter", "job"]);
    settles();
    visit.expect_screen("the same screen", |seen| same(seen, &before));
    assert_eq!(visit.private_modes(), modes);
    leave(visit, "job");

    let pane = Pane::visiting(machine);
    settles();
    pane.terminal.expect_screen("the program in tmux", &ready);
    let there = pane.look();
    pane.leave();
    // By now everything was drawn a second time, and may be whole: once more behind a flood.
    let visit = machine.on_pty(&["enter", "job"]);
    settles();
    visit.expect_screen("the same screen", |seen| same(seen, &before));
    visit.send(keys);
    visit.expect_screen("drawn again", |seen| same(seen, &before));
    leave(visit, "job");
    let pane = Pane::visiting(machine);
    settles();
    pane.look_until(&there);
    pane.terminal.send(end);
    pane.terminal.expect_screen("the prompt", is_at_prompt);
    pane.leave();
    stage.strike(vec![]);
}

#[test]
fn vim_is_whole_again_with_mouse_and_screen() {
    assert_same(
        "vim --clean -n -i NONE -c 'set mouse=a ttymouse=sgr noruler shm+=I laststatus=1'",
        ":for i in range(300) | exe \"normal! \\<C-F>\" | redraw | endfor | exe 4000 | redraw!\r",
        |seen| {
            seen.lines
                .get(11)
                .is_some_and(|line| line.starts_with("line 04000"))
                && seen.lines.len() == 23
                && seen.cursor == (11, 0)
                && seen.cursor_is_shown
        },
        ":q\r",
    );
}

#[test]
fn less_is_whole_again_with_mouse_and_screen() {
    assert_same(
        "LESS= less --mouse",
        &format!("{}3000g", " ".repeat(300)),
        |seen| {
            let first = seen.lines.first().map(String::as_str).unwrap_or_default();
            first.starts_with("line 03000") && seen.last() == ":" && seen.cursor == (23, 1)
        },
        "q",
    );
}

/// Draws a screen once, and again whenever the terminal has another size; says then how often
/// that was.
const PROGRAM: &str = r#"
import os, signal, sys
changes = 0
def draw(*_):
    size = os.get_terminal_size()
    print(f"\033[2J\033[H{size.lines} lines, changes: {changes}", flush=True)
def changed(*_):
    global changes
    changes += 1
    draw()
signal.signal(signal.SIGWINCH, changed)
print("\033[?1049h\033[?1002;1006;1004;2004h\033[?1h\033=\033[?25l", end="")
draw()
for word in sys.stdin:
    if word.startswith("flood"):
        print("\033[5;1H" + ("flood " * 12 + "\r") * 5000)
        print("done", flush=True)
    else:
        print(f"asked: {changes}", flush=True)
print("\033[?1049l\033[?1002;1006;1004;2004l\033[?1l\033>\033[?25h", end="", flush=True)
"#;

struct Drawing {
    stage: Stage,
    visit: OnPty,
}

impl Drawing {
    fn begin() -> Self {
        let stage = set(&["job"]);
        let program = stage.machine.home().join("draw.py");
        std::fs::write(&program, PROGRAM).unwrap();
        let visit = enter(&stage.machine, &["job"]);
        visit.send(&format!("python3 {}\r", program.display()));
        visit.expect_screen("the program", |seen| {
            seen.alternate && seen.has("24 lines, changes: 0")
        });
        Self { stage, visit }
    }

    fn flood(&self) {
        let told = self.visit.screen.len();
        self.visit.send("flood\r");
        self.visit
            .expect_screen("the flood", |seen| seen.has("done"));
        assert!(self.visit.screen.len() - told > CUT);
    }

    fn expect_changes(&self, count: u32) {
        self.visit.send("ask\r");
        let wanted = format!("asked: {count}");
        self.visit.expect_screen(&wanted, |seen| seen.has(&wanted));
    }

    fn away_and_back(self, args: &[&str]) -> Self {
        let Self { stage, mut visit } = self;
        visit.send("\x1cd");
        visit.ended().code(0);
        let left = visit.private_modes();
        for mode in [1002, 1004, 1006, 2004, 1049] {
            assert!(!left.contains(&mode), "{mode} stays behind: {left:?}");
        }
        assert!(visit.is_cooked());
        let visit = stage.machine.on_pty(&[&["enter"], args].concat());
        Self { stage, visit }
    }

    fn expect_modes(&self, wanted: &str) {
        self.visit.expect_screen(wanted, |seen| {
            seen.alternate && !seen.cursor_is_shown && seen.has(wanted)
        });
        let modes = self.visit.private_modes();
        for mode in [1002, 1004, 1006, 2004] {
            assert!(modes.contains(&mode), "{mode} is not there: {modes:?}");
        }
    }

    fn end(self) {
        self.visit.send("\x04");
        at_prompt(&self.visit);
        leave(self.visit, "job");
        self.stage.strike(vec![]);
    }
}

#[test]
fn a_program_draws_again_what_was_not_kept() {
    let drawing = Drawing::begin();
    drawing.flood();
    let drawing = drawing.away_and_back(&["job"]);
    // One line less, and back.
    drawing.expect_modes("24 lines, changes: 2");
    drawing.expect_changes(2);
    drawing.end();
}

#[test]
fn a_program_whose_drawing_is_whole_is_left_in_peace() {
    // What is not kept was said before it began.
    let drawing = Drawing::begin();
    drawing.flood();
    drawing.visit.send("\x04");
    at_prompt(&drawing.visit);
    let program = drawing.stage.machine.home().join("draw.py");
    let again = format!("python3 {}\r", program.display());
    drawing.visit.send(&again);
    drawing.visit.expect_screen("the program", |seen| {
        seen.alternate && seen.has("24 lines, changes: 0")
    });
    let drawing = drawing.away_and_back(&["job"]);
    drawing.expect_modes("24 lines, changes: 0");
    drawing.expect_changes(0);
    drawing.end();
}

#[test]
fn who_only_looks_has_nothing_drawn_again() {
    let drawing = Drawing::begin();
    drawing.flood();
    let drawing = drawing.away_and_back(&["--read-only", "job"]);
    drawing.expect_modes("done");
    let drawing = drawing.away_and_back(&["job"]);
    // Only for who has the terminal.
    drawing.expect_modes("24 lines, changes: 2");
    drawing.end();
}
