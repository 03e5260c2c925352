//! One line on the terminal that tells how far several computers are, and is gone at the end.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use super::{Output, clean};
use crate::terminal::size;

/// Where it does not know how wide the terminal is.
const COLUMNS: usize = 80;

/// The line. Without a terminal, or where notes are not wanted, there is none.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    all: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    done: usize,
    /// What each computer is at.
    at: BTreeMap<String, String>,
    /// Questions that stand on the terminal: nothing is drawn over them.
    questions: usize,
    drawn: bool,
}

impl Progress {
    /// Of so many computers.
    #[must_use]
    pub fn of(all: usize, output: Output) -> Self {
        Self {
            shown: !output.is_quiet() && io::stderr().is_terminal(),
            all,
            state: Mutex::default(),
        }
    }

    /// What a computer is at now.
    pub fn at(&self, computer: &str, what: &str) {
        self.change(|state| {
            state.at.insert(computer.to_owned(), what.to_owned());
        });
    }

    /// It is through. `tell` may write lines meanwhile.
    pub fn done<T>(&self, computer: &str, tell: impl FnOnce() -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.at.remove(computer);
        state.done = state.done.saturating_add(1);
        self.wipe(&mut state);
        let told = tell();
        self.draw(&mut state);
        told
    }

    /// Makes way for a question.
    pub fn question_begins(&self) {
        self.change(|state| state.questions = state.questions.saturating_add(1));
    }

    /// It was answered.
    pub fn question_ends(&self) {
        self.change(|state| state.questions = state.questions.saturating_sub(1));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = state.questions > 0;
        change(&mut state);
        if !asked {
            self.wipe(&mut state);
        }
        self.draw(&mut state);
    }

    fn wipe(&self, state: &mut State) {
        if std::mem::take(&mut state.drawn) {
            write("\r\x1b[K");
        }
    }

    fn draw(&self, state: &mut State) {
        if self.shown && state.questions == 0 && !state.at.is_empty() {
            let columns = size::now().map_or(COLUMNS, |size| size.columns.into());
            write(&words(state, self.all, columns));
            state.drawn = true;
        }
    }
}

/// The line, not wider than the terminal.
fn words(state: &State, all: usize, columns: usize) -> String {
    let at = state
        .at
        .iter()
        .map(|(computer, at)| format!("{computer} {at}"));
    let at = at.collect::<Vec<_>>().join(", ");
    let text = match all {
        1 => at,
        _ => format!("{} of {all} done; {at}", state.done),
    };
    // The last column would make some terminals begin a new line.
    clean(&text)
        .chars()
        .take(columns.saturating_sub(1))
        .collect()
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nobody is left to be told that standard error is gone.
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits() {
        let mut state = State::default();
        state.at.insert("web1".into(), "43 %".into());
        assert_eq!(words(&state, 1, 80), "web1 43 %");
        state.at.insert("web2".into(), "looking".into());
        state.done = 3;
        let text = "3 of 5 done; web1 43 %, web2 looking";
        assert_eq!(words(&state, 5, 80), text);
        assert_eq!(words(&state, 5, 11), "3 of 5 don");
    }
}
