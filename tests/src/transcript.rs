//! Everything a program has said on one of its pipes, and waiting for what it has yet to say.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::deadline::Deadline;
use crate::failure::block;

/// A pipe drained by a thread of its own, so that no program under test ever waits for the test.
#[derive(Clone)]
pub struct Transcript(Arc<Shared>);

struct Shared {
    what: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Where the next `wait_*` begins to look.
    cursor: usize,
    ended: bool,
}

impl Transcript {
    /// `what` names the stream in failure messages.
    pub fn of(what: impl Into<String>, mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            what: what.into(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let transcript = Self(Arc::clone(&shared));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                // A pty whose other side has closed reads as an error: an end like any other.
                let count = match pipe.read(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Ok(count) => count,
                    Err(_) => 0,
                };
                let mut state = shared.lock();
                state.bytes.extend(&buffer[..count]);
                state.ended = count == 0;
                shared.changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        transcript
    }

    /// The first whole line from the cursor on that contains `wanted`; the cursor moves behind it.
    pub fn wait_line(&self, wanted: &str) -> String {
        self.wait_for(&format!("a line with {wanted:?}"), |rest, _| {
            line_with(rest, wanted)
        })
    }

    /// Like `wait_line`, but a stream that ends without is an answer, not a failure.
    pub fn wait_line_or_end(&self, wanted: &str) -> Option<String> {
        self.wait_for(
            &format!("a line with {wanted:?}, or its end"),
            |rest, ended| match line_with(rest, wanted) {
                Some((length, line)) => Some((length, Some(line))),
                None => ended.then_some((0, None)),
            },
        )
    }

    /// Like `wait_line`, but for a prompt, which ends in no newline.
    pub fn wait_text(&self, wanted: &str) {
        // What was looked through once is not looked through at every look.
        let mut looked = 0;
        self.wait_for(&format!("the text {wanted:?}"), |rest, _| {
            let mut windows = rest[looked..].windows(wanted.len());
            match windows.position(|part| part == wanted.as_bytes()) {
                Some(at) => Some((looked + at + wanted.len(), ())),
                None => {
                    looked = (rest.len() + 1).saturating_sub(wanted.len());
                    None
                }
            }
        });
    }

    /// Waits until all that has come makes sense to `find`; else says what is wrong.
    pub fn wait_all<T>(
        &self,
        wanted: &str,
        mut find: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Deadline::usual();
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state.bytes) {
                return Ok(found);
            }
            if state.ended {
                return Err(self.complaint(&state, "ended without", wanted));
            }
            if deadline.has_passed() {
                return Err(self.complaint(&state, "has not shown in time:", wanted));
            }
            let changed = self.0.changed.wait_timeout(state, deadline.remaining());
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `count` bytes have come in all.
    pub fn wait_len(&self, count: usize) {
        let deadline = Deadline::usual();
        let mut state = self.lock();
        while state.bytes.len() < count && !state.ended {
            state = self.wait_for_change(state, deadline, &format!("{count} bytes"));
        }
        assert!(
            state.bytes.len() >= count,
            "{}",
            self.complaint(&state, "ended early", "")
        );
    }

    /// Waits until `count` bytes have come in all, or the stream has ended, or it is too late.
    pub fn wait_len_or_end(&self, count: usize, deadline: Deadline) {
        let mut state = self.lock();
        while state.bytes.len() < count && !state.ended && !deadline.has_passed() {
            let changed = self.0.changed.wait_timeout(state, deadline.remaining());
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the text has come, wherever, or the stream has ended, or it is too late; says
    /// whether it has come.
    pub fn has_by(&self, wanted: &str, deadline: Deadline) -> bool {
        let mut looked = 0;
        let mut state = self.lock();
        loop {
            let mut windows = state.bytes[looked..].windows(wanted.len());
            if windows.any(|part| part == wanted.as_bytes()) {
                return true;
            }
            looked = (state.bytes.len() + 1).saturating_sub(wanted.len());
            if state.ended || deadline.has_passed() {
                return false;
            }
            let changed = self.0.changed.wait_timeout(state, deadline.remaining());
            state = changed.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the stream and returns all of it.
    pub fn wait_end(&self, deadline: Deadline) -> Vec<u8> {
        let mut state = self.lock();
        while !state.ended {
            state = self.wait_for_change(state, deadline, "its end");
        }
        state.bytes.clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// How many bytes have come in all.
    pub fn len(&self) -> usize {
        self.lock().bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    fn wait_for<T>(
        &self,
        wanted: &str,
        mut find: impl FnMut(&[u8], bool) -> Option<(usize, T)>,
    ) -> T {
        let deadline = Deadline::usual();
        let mut state = self.lock();
        loop {
            if let Some((length, found)) = find(&state.bytes[state.cursor..], state.ended) {
                state.cursor += length;
                return found;
            }
            assert!(
                !state.ended,
                "{}",
                self.complaint(&state, "ended without", wanted)
            );
            state = self.wait_for_change(state, deadline, wanted);
        }
    }

    fn wait_for_change<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Deadline,
        wanted: &str,
    ) -> MutexGuard<'a, State> {
        assert!(
            !deadline.has_passed(),
            "{}",
            self.complaint(&state, "has not shown in time:", wanted)
        );
        self.0
            .changed
            .wait_timeout(state, deadline.remaining())
            .unwrap()
            .0
    }

    fn complaint(&self, state: &State, how: &str, wanted: &str) -> String {
        let text = String::from_utf8_lossy(&state.bytes);
        format!(
            "{} {how} {wanted}\n{}",
            self.0.what,
            block(&self.0.what, &text)
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Shared {
    /// A test that has failed while it looked still wants to show what was there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first whole line that contains `wanted`, and how far it reaches.
fn line_with(text: &[u8], wanted: &str) -> Option<(usize, String)> {
    let mut end = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let line = String::from_utf8_lossy(line);
        if line.ends_with('\n') && line.contains(wanted) {
            return Some((end, line.trim_end_matches(['\r', '\n']).to_owned()));
        }
    }
    None
}
