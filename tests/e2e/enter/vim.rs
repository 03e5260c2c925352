//! vim: the program that uses most of a terminal.

use outlast_tests::Gate;
use outlast_tests::pty::OnPty;
use outlast_tests::screen::Seen;
use outlast_tests::stream::numbered;

use super::{at_prompt, away_and_back, enter, leave, set};
use crate::stage::Stage;

/// Nobody's own settings; the tests' own.
const VIM: &str =
    "vim --clean -N -n -i NONE -c 'set mouse=a ttymouse=sgr noruler shm+=I laststatus=1 tw=0'";

struct Vim {
    stage: Stage,
    file: std::path::PathBuf,
    visit: OnPty,
}

impl Vim {
    /// Opens a file of that text.
    fn on(text: &str) -> Self {
        let stage = set(&["job"]);
        let file = stage.machine.home().join("text");
        std::fs::write(&file, text).unwrap();
        let visit = enter(&stage.machine, &["job"]);
        visit.send(&format!("{VIM} {}\r", file.display()));
        visit.expect_screen("vim", |seen| {
            seen.alternate && seen.cursor == (0, 0) && seen.lines.len() == 24
        });
        Self { stage, file, visit }
    }

    /// Leaves and comes back, to the same screen.
    fn away_and_back(self, before: &Seen) -> Self {
        let Self { stage, file, visit } = self;
        let visit = away_and_back(&stage.machine, visit, before);
        Self { stage, file, visit }
    }

    fn expect(&self, wanted: &str, looks: impl Fn(&Seen) -> bool) -> Seen {
        self.visit.expect_screen(wanted, looks)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// Writes the file and ends it.
    fn done(self) {
        self.visit.send("\x1b:wq\r");
        at_prompt(&self.visit);
        leave(self.visit, "job");
        self.stage.strike(vec![]);
    }
}

#[test]
fn a_half_edited_file_is_edited_on_after_coming_back() {
    let vim = Vim::on(&numbered(100));
    vim.visit.send("10Gohalf a");
    let before = vim.expect("half a", |seen| {
        seen.at_cursor == "half a" && seen.last() == "-- INSERT --" && seen.cursor_is_shown
    });
    assert_eq!(before.cursor, (10, 6));
    let vim = vim.away_and_back(&before);
    vim.visit.send(" line\x1b");
    vim.expect("half a line", |seen| seen.at_cursor == "half a line");
    vim.visit.send(":w\r");
    vim.expect("written", |seen| {
        seen.last().contains("101L") && seen.last().contains("written")
    });
    assert!(vim.text().contains("line 10\nhalf a line\nline 11\n"));
    vim.done();
}

#[test]
fn it_follows_the_size_of_the_terminal_inside_and_while_nobody_is_there() {
    let vim = Vim::on(&numbered(100));
    vim.visit.resize(40, 100);
    vim.expect("40 lines", |seen| {
        seen.lines.len() == 39 && seen.lines[38] == "line 39"
    });
    let Vim { stage, file, visit } = vim;
    leave(visit, "job");
    let visit = stage.machine.on_pty_of(&["enter", "job"], 12, 50);
    let vim = Vim { stage, file, visit };
    vim.expect("12 lines", |seen| {
        seen.lines.len() == 11 && seen.lines[10] == "line 11"
    });
    vim.visit.send("G$");
    vim.expect("the end", |seen| {
        seen.cursor == (10, 7) && seen.lines[10] == "line 100"
    });
    vim.done();
}

#[test]
fn the_mouse_is_the_programs_until_the_visitor_leaves_and_again_afterwards() {
    let vim = Vim::on(&numbered(100));
    let inside = vim.visit.private_modes();
    assert!(
        inside.contains(&1006) && inside.contains(&2004),
        "{inside:?}"
    );
    // A click in row 5, column 3, both from 1.
    vim.visit.send("\x1b[<0;3;5M\x1b[<0;3;5m");
    vim.expect("the click", |seen| seen.cursor == (4, 2));
    let Vim {
        stage,
        file,
        mut visit,
    } = vim;
    visit.send("\x1cd");
    visit.expect("left session job");
    visit.ended().code(0);
    assert_eq!(visit.private_modes(), std::collections::BTreeSet::new());
    let visit = stage.machine.on_pty(&["enter", "job"]);
    let vim = Vim { stage, file, visit };
    vim.expect("back", |seen| seen.cursor == (4, 2));
    assert_eq!(vim.visit.private_modes(), inside);
    vim.visit.send("\x1b[<0;1;9M\x1b[<0;1;9m");
    vim.expect("the click", |seen| seen.cursor == (8, 0));
    vim.done();
}

/// What is pasted in brackets is not indented anew, and 64 KiB of it arrive whole and once.
#[test]
fn what_is_pasted_arrives_as_it_is() {
    let vim = Vim::on("");
    vim.visit.send(":set autoindent | echo 'set'\r");
    vim.expect("set", |seen| seen.last() == "set");
    let lines = (1..=2700).map(|n| format!("    {}if {n} {{ \"it is\" }}", " ".repeat(n % 5)));
    let text: String = lines.map(|line| line + "\n").collect();
    assert!(text.len() > 64 * 1024, "{}", text.len());
    vim.visit.send("i\x1b[200~");
    vim.visit.send(&text.replace('\n', "\r"));
    vim.visit.send("\x1b[201~\x1b");
    let gate = Gate::new();
    vim.visit.send(&format!(
        ":$d|w|call system('echo written >{}')\r",
        gate.word()
    ));
    assert_eq!(gate.wait(), "written");
    assert!(
        vim.text() == text,
        "{} bytes of {}",
        vim.text().len(),
        text.len()
    );
    vim.done();
}
