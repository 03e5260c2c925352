//! A terminal that passes every key on, and is set back however the program ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

struct Before {
    terminal: File,
    termios: Termios,
    /// What is written to the terminal when it is set back.
    farewell: Vec<u8>,
}

/// How the terminal was before, for whoever ends the program.
static BEFORE: Mutex<Option<Before>> = Mutex::new(None);
static RAW: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal passes every key on while this lives.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Of the terminal on standard input.
    pub fn begin() -> io::Result<Self> {
        let terminal = File::from(rustix::stdio::stdin().as_fd().try_clone_to_owned()?);
        let termios = tcgetattr(&terminal)?;
        let mut raw = termios.clone();
        raw.make_raw();
        // Release builds do not unwind: nobody else would set it back.
        HOOK.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                usual(panic);
            }));
        });
        let handle = terminal.try_clone()?;
        if let Ok(mut before) = BEFORE.lock() {
            *before = Some(Before {
                terminal: handle,
                termios,
                farewell: Vec::new(),
            });
        }
        tcsetattr(&terminal, OptionalActions::Drain, &raw)?;
        RAW.store(true, Ordering::Relaxed);
        Ok(Self(()))
    }

    /// What is written to the terminal when it is set back.
    pub fn farewell(&self, bytes: Vec<u8>) {
        if let Ok(mut before) = BEFORE.lock()
            && let Some(before) = before.as_mut()
        {
            before.farewell = bytes;
        }
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether line feeds do not begin lines now.
#[must_use]
pub fn is_raw() -> bool {
    RAW.load(Ordering::Relaxed)
}

/// Sets the terminal back if it was changed.
pub fn restore() {
    // Not a blocking lock: who panics may hold it.
    let before = BEFORE.try_lock().ok().and_then(|mut slot| slot.take());
    if let Some(before) = before {
        let Before {
            mut terminal,
            termios,
            farewell,
        } = before;
        // If the terminal is gone there is nothing to set back.
        let _ = terminal.write_all(&farewell);
        let _ = tcsetattr(&terminal, OptionalActions::Drain, &termios);
        RAW.store(false, Ordering::Relaxed);
    }
}
