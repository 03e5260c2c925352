//! One line: `key=value` pairs that cannot be mistaken for each other whatever is in them, and that
//! have an end.

/// No line has more bytes, the head of the datagram included: as much as every syslog takes.
pub const LONGEST: usize = 8192;
/// What a field has at most, as it is written.
const MOST: usize = 256;
/// What the text of a command has at most.
const MOST_TEXT: usize = 2048;
/// What all fields have; behind them come the user and a count.
const MOST_OF_ALL: usize = LONGEST - 1024;

/// The fields of one line.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
}

impl Line {
    /// A line about that event.
    #[must_use]
    pub fn of(event: &str) -> Self {
        let mut line = Self::default();
        line.field("event", event);
        line
    }

    /// Adds a field.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.write(name, value.as_ref(), MOST)
    }

    /// Adds the text of a command.
    pub fn command(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.write(name, value, MOST_TEXT)
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.field(name, value.to_string())
    }

    /// The line as it is.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn write(&mut self, name: &str, value: &[u8], most: usize) -> &mut Self {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let most = most.min(MOST_OF_ALL.saturating_sub(self.text.len()));
        self.text.push_str(name);
        self.text.push('=');
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:,/+@%".contains(byte);
        if !value.is_empty() && value.len() <= most && value.iter().all(plain) {
            self.text.push_str(&String::from_utf8_lossy(value));
            return self;
        }
        self.text.push('"');
        let left_out = self.quote(value, most);
        self.text.push('"');
        if left_out > 0 {
            // Outside of the quotes, where no text can put it.
            self.text.push_str(&format!(" {name}_omitted={left_out}"));
        }
        self
    }

    /// Writes as much as fits. Says how many bytes do not.
    fn quote(&mut self, value: &[u8], most: usize) -> usize {
        let mut room = most;
        let mut left = value.len();
        for chunk in value.utf8_chunks() {
            let mut add = |written: &str, bytes: usize| {
                room = room.checked_sub(written.len())?;
                left = left.saturating_sub(bytes);
                self.text.push_str(written);
                Some(())
            };
            for it in chunk.valid().chars() {
                if add(&escaped(it), it.len_utf8()).is_none() {
                    return left;
                }
            }
            for byte in chunk.invalid() {
                if add(&hex(&[*byte]), 1).is_none() {
                    return left;
                }
            }
        }
        left
    }
}

/// A character as it stands between quotes.
fn escaped(it: char) -> String {
    match it {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        it if it.is_control() || is_unseen(it) => hex(it.encode_utf8(&mut [0; 4]).as_bytes()),
        it => it.to_string(),
    }
}

/// Characters that break lines, turn the direction of what follows them, or are not there to be seen.
fn is_unseen(it: char) -> bool {
    matches!(
        it,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        text.push_str("\\x");
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &[u8]) -> String {
        let mut line = Line::default();
        line.field("k", value).text().to_owned()
    }

    /// What a reader of the log makes of a quoted value.
    fn read(text: &str) -> Vec<u8> {
        let inner = text.strip_prefix("k=").unwrap();
        let Some(inner) = inner.strip_prefix('"') else {
            return inner.as_bytes().to_vec();
        };
        let mut bytes = inner.strip_suffix('"').unwrap().bytes();
        let mut read = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte != b'\\' {
                assert_ne!(byte, b'"', "{text}");
                read.push(byte);
                continue;
            }
            read.push(match bytes.next().unwrap() {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        read
    }

    #[test]
    fn a_line_reads_as_one_expects() {
        let mut line = Line::of("completed");
        line.field("name", "build")
            .field("from", "::1 50000 ::1 22");
        line.number("ran_ms", 12);
        let expected = r#"event=completed name=build from="::1 50000 ::1 22" ran_ms=12"#;
        assert_eq!(line.text(), expected);
    }

    #[test]
    fn nothing_gets_out_of_its_value() {
        for (value, expected) in [
            (&b""[..], r#"k="""#),
            (b"a b", r#"k="a b""#),
            (b"x event=ended", r#"k="x event=ended""#),
            (b"a\" event=\"ended", r#"k="a\" event=\"ended""#),
            (b"a\\", r#"k="a\\""#),
            (b"1\n<86>sshd: Accepted", r#"k="1\n<86>sshd: Accepted""#),
            (b"\r\t\0\x1b[2J\x7f", r#"k="\r\t\x00\x1b[2J\x7f""#),
            (
                "Gr\u{fc}\u{df}e \u{1f680}".as_bytes(),
                "k=\"Gr\u{fc}\u{df}e \u{1f680}\"",
            ),
            (
                "\u{85}\u{2028}\u{202e}".as_bytes(),
                r#"k="\xc2\x85\xe2\x80\xa8\xe2\x80\xae""#,
            ),
            (b"\xff\xc3(\xe2\x82", r#"k="\xff\xc3(\xe2\x82""#),
        ] {
            assert_eq!(written(value), expected);
        }
    }

    #[test]
    fn every_value_can_be_read_back() {
        let every_byte: Vec<u8> = (0..=u8::MAX).collect();
        for byte in 0..=u8::MAX {
            for value in [
                vec![byte],
                vec![b'a', byte],
                vec![byte, b'"'],
                vec![0xe2, byte],
            ] {
                assert_eq!(read(&written(&value)), value);
            }
        }
        let mut line = Line::default();
        line.command("k", &every_byte);
        assert_eq!(read(line.text()), every_byte);
        for code in 0..=0x0010_ffffu32 {
            let Some(it) = char::from_u32(code) else {
                continue;
            };
            let text = it.to_string();
            let line = written(text.as_bytes());
            assert_eq!(read(&line), text.as_bytes());
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn a_line_has_an_end_however_much_there_is_to_say() {
        let mut line = Line::of("accepted");
        for _ in 0..4 {
            line.command("command", &[b'\n'; 100_000]);
        }
        line.field("last", "x");
        let text = line.text();
        assert!(text.len() <= MOST_OF_ALL + 200, "{}", text.len());
        assert!(text.ends_with(r#" last="" last_omitted=1"#), "{text}");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let fits = "x".repeat(MOST);
        assert_eq!(written(fits.as_bytes()), format!("k={fits}"));
        let long = "x".repeat(MOST + 5);
        assert_eq!(
            written(long.as_bytes()),
            format!("k=\"{fits}\" k_omitted=5")
        );
        // Never in the middle of a character or an escape.
        let umlauts = "\u{fc}".repeat(MOST);
        let half = "\u{fc}".repeat(MOST / 2);
        assert_eq!(
            written(umlauts.as_bytes()),
            format!("k=\"{half}\" k_omitted={MOST}")
        );
        let zeros = vec![0; MOST];
        let quarter = "\\x00".repeat(MOST / 4);
        let left = MOST - MOST / 4;
        assert_eq!(written(&zeros), format!("k=\"{quarter}\" k_omitted={left}"));
        // No text looks like the mark.
        let fake = b"\" k_omitted=5";
        assert_eq!(written(fake), r#"k="\" k_omitted=5""#);
    }
}
