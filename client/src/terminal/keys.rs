//! What the user types, and what of it is meant for us: `~.` at the begin of a line as with ssh,
//! and the keys that leave from anywhere.

use super::detach::DetachKeys;

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these to the session.
    Send(Vec<u8>),
    /// Leave it.
    Leave,
    /// Show what can be typed.
    Help,
}

/// Tells our keys from those of the session, byte by byte.
#[derive(Clone, Debug)]
pub struct Keys {
    detach: DetachKeys,
    /// How many of the keys that leave were typed and are held back.
    held: usize,
    /// Whether a line begins here.
    fresh: bool,
    /// Whether a `~` at the begin of a line is held back.
    tilde: bool,
    /// Whether text is being pasted: nothing in it is meant for us.
    pasting: bool,
    /// How much of the mark that begins or ends a paste went by just now.
    mark: usize,
}

impl Keys {
    /// Nothing was typed yet.
    #[must_use]
    pub fn new(detach: DetachKeys) -> Self {
        Self {
            detach,
            held: 0,
            fresh: true,
            tilde: false,
            pasting: false,
            mark: 0,
        }
    }

    /// A line begins here.
    pub fn begin_line(&mut self) {
        self.fresh = !self.pasting;
    }

    /// Takes in what was typed.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            let (byte, behind) = match self.pasting {
                true => (*first, behind),
                false => self.plain(rest).unwrap_or((*first, behind)),
            };
            let length = rest.len().saturating_sub(behind.len());
            let typed = rest.get(..length).unwrap_or_default();
            if let Some(action) = self.one(byte, typed, &mut out) {
                if !out.is_empty() {
                    actions.push(Action::Send(std::mem::take(&mut out)));
                }
                actions.push(action);
            }
            rest = behind;
        }
        if !out.is_empty() {
            actions.push(Action::Send(out));
        }
        actions
    }

    /// A key with Ctrl that is waited for, where a program had the terminal report keys in full:
    /// its byte, and what is behind.
    fn plain<'a>(&self, typed: &'a [u8]) -> Option<(u8, &'a [u8])> {
        let wanted = *self.detach.bytes().get(self.held)?;
        if wanted >= 0x20 {
            return None;
        }
        let letter = u32::from(wanted | 0x60);
        // Ctrl-a to Ctrl-z are reported by the small letter, Ctrl-\ by itself.
        let code = if (1..=26).contains(&wanted) {
            letter
        } else {
            u32::from(wanted | 0x40)
        };
        let reports = [format!("\x1b[{code};5u"), format!("\x1b[27;5;{code}~")];
        let behind = reports
            .iter()
            .find_map(|r| typed.strip_prefix(r.as_bytes()));
        behind.map(|behind| (wanted, behind))
    }

    /// One key, which was typed as these bytes.
    fn one(&mut self, byte: u8, typed: &[u8], out: &mut Vec<u8>) -> Option<Action> {
        if self.pasting {
            out.extend_from_slice(typed);
            self.follow(byte, PASTE_ENDS);
            return None;
        }
        if self.tilde {
            self.tilde = false;
            match byte {
                b'.' => return Some(Action::Leave),
                b'?' => return Some(Action::Help),
                b'~' => {
                    out.push(b'~');
                    self.fresh = false;
                    return None;
                }
                _ => out.push(b'~'),
            }
            self.fresh = false;
        }
        let keys = self.detach.bytes();
        if keys.get(self.held) == Some(&byte) {
            self.held = self.held.saturating_add(1);
            if self.held == keys.len() {
                self.held = 0;
                return Some(Action::Leave);
            }
            return None;
        }
        if self.held > 0 {
            let twice = self.held == 1 && keys.first() == Some(&byte);
            out.extend_from_slice(keys.get(..self.held).unwrap_or_default());
            self.held = 0;
            self.fresh = false;
            if twice {
                // The first key typed twice is that key.
                return None;
            }
            if keys.first() == Some(&byte) {
                self.held = 1;
                return None;
            }
        }
        if byte == b'~' && self.fresh {
            self.tilde = true;
            return None;
        }
        self.fresh = matches!(byte, b'\r' | b'\n');
        out.extend_from_slice(typed);
        self.follow(byte, PASTE_BEGINS);
        None
    }

    /// Follows a mark that goes by: nothing is held back for it, since ESC is a key as well.
    fn follow(&mut self, byte: u8, mark: &[u8]) {
        let fits = |at: usize| mark.get(at) == Some(&byte);
        self.mark = match (fits(self.mark), fits(0)) {
            (true, _) => self.mark.saturating_add(1),
            (false, true) => 1,
            (false, false) => 0,
        };
        if self.mark == mark.len() {
            self.mark = 0;
            self.pasting = !self.pasting;
            self.fresh = false;
        }
    }
}

/// What `~?` shows.
#[must_use]
pub fn help(detach: &DetachKeys) -> String {
    let names = detach.bytes().iter().map(|byte| match byte {
        0..=0x1f => format!("Ctrl-{}", char::from(byte | 0x40)),
        plain => char::from(*plain).to_string(),
    });
    let names: Vec<String> = names.collect();
    let keys = names.join(" ");
    format!("[outlast: {keys} leaves; at the begin of a line ~. leaves, ~~ is ~, ~? shows this]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&str]) -> Vec<Action> {
        let mut keys = Keys::new(DetachKeys::default());
        let mut actions: Vec<Action> = Vec::new();
        for piece in pieces {
            for action in keys.push(piece.as_bytes()) {
                match (actions.last_mut(), action) {
                    (Some(Action::Send(before)), Action::Send(more)) => before.extend(more),
                    (_, action) => actions.push(action),
                }
            }
        }
        actions
    }

    /// However it is cut.
    #[track_caller]
    fn assert_typed(text: &str, expected: &[Action]) {
        assert_eq!(typed(&[text]), expected, "{text:?}");
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(typed(&letters), expected, "{text:?} key by key");
    }

    fn send(text: &str) -> Action {
        Action::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn a_tilde_counts_only_where_a_line_begins() {
        assert_typed("~.", &[Action::Leave]);
        assert_typed("ls\r~.", &[send("ls\r"), Action::Leave]);
        assert_typed("a~.", &[send("a~.")]);
        assert_typed("~~.", &[send("~.")]);
        assert_typed("~?x", &[Action::Help, send("x")]);
        assert_typed("~/bin\r", &[send("~/bin\r")]);
        assert_typed("~\r~.", &[send("~\r"), Action::Leave]);
    }

    #[test]
    fn the_keys_that_leave_do_so_anywhere() {
        assert_typed("vi\x1cd", &[send("vi"), Action::Leave]);
        assert_typed("\x1cx", &[send("\x1cx")]);
        assert_typed("\x1c\x1c", &[send("\x1c")]);
        assert_typed("\x1c\x1cd", &[send("\x1cd")]);
        assert_typed("~\x1cd", &[send("~"), Action::Leave]);
    }

    #[test]
    fn longer_keys_are_found_behind_their_own_begin() {
        let mut keys = Keys::new("ctrl-p,ctrl-q,x".parse().unwrap());
        assert_eq!(keys.push(b"\x10\x11"), []);
        assert_eq!(keys.push(b"\x10\x11x"), [send("\x10\x11"), Action::Leave]);
    }

    #[test]
    fn nothing_pasted_is_meant_for_us() {
        let paste = "\x1b[200~one\r~.\r\x1cd\x1b[201~";
        let both = format!("{paste}\r~.");
        assert_typed(&both, &[send(&format!("{paste}\r")), Action::Leave]);
    }

    #[test]
    fn escape_is_not_held_back() {
        let mut keys = Keys::new(DetachKeys::default());
        assert_eq!(keys.push(b"\x1b"), [send("\x1b")]);
        assert_eq!(keys.push(b"\x1b[20"), [send("\x1b[20")]);
    }

    #[test]
    fn keys_reported_in_full_leave_too() {
        for report in ["\x1b[92;5u", "\x1b[27;5;92~"] {
            let keys = format!("a{report}d");
            assert_eq!(typed(&[&keys]), [send("a"), Action::Leave]);
        }
    }

    #[test]
    fn help_names_the_keys() {
        assert!(help(&DetachKeys::default()).contains("Ctrl-\\ d leaves"));
    }
}
