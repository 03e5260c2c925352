//! The emulator's dump in words that every terminal understands: it says some things in ways that
//! the Linux console and older terminals do not know.

/// Rewrites repeated characters (REP), colours with colons, and tab stops set by CTC.
#[must_use]
pub fn portable(dump: &str) -> String {
    let mut out = String::with_capacity(dump.len().saturating_mul(2));
    let mut last = None;
    let mut rest = dump;
    while let Some(first) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[") {
            let length = sequence.find(|c| matches!(c, '@'..='~'));
            let length = length.unwrap_or(sequence.len().saturating_sub(1));
            let (whole, behind) = sequence.split_at(length.saturating_add(1).min(sequence.len()));
            control(whole, last, &mut out);
            rest = behind;
            continue;
        }
        out.push(first);
        if !first.is_control() {
            last = Some(first);
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        if first == '\x1b' {
            // `ESC ( 0`: its letters are not printed.
            let length = rest.find(|c| !matches!(c, ' '..='/'));
            let (whole, behind) = rest.split_at(length.map_or(rest.len(), |at| at + 1));
            out.push_str(whole);
            rest = behind;
        }
    }
    out
}

fn control(sequence: &str, last: Option<char>, out: &mut String) {
    let (parameters, name) = sequence.split_at(sequence.len().saturating_sub(1));
    match (name, parameters) {
        ("b", count) => {
            let count = count.parse().unwrap_or(1);
            out.extend(std::iter::repeat_n(last.unwrap_or(' '), count));
        }
        ("W", "" | "0") => out.push_str("\x1bH"),
        ("W", "5") => out.push_str("\x1b[3g"),
        ("m", colours) => {
            let words = colours.split(';').map(|word| match word.split_once(':') {
                Some(("38" | "48", _)) => word.replace(':', ";"),
                _ => word.to_owned(),
            });
            let words: Vec<String> = words.collect();
            out.push_str(&format!("\x1b[{}m", words.join(";")));
        }
        _ => out.push_str(&format!("\x1b[{sequence}")),
    }
}

#[cfg(test)]
mod tests {
    use super::portable;

    #[test]
    fn every_terminal_understands_it() {
        assert_eq!(portable("a─\x1b[3b|"), "a────|");
        assert_eq!(portable("x\x1b[31m\x1b[2b"), "x\x1b[31mxx");
        assert_eq!(
            portable("\x1b[0;38:2:1:2:3;48:5:9;1m"),
            "\x1b[0;38;2;1;2;3;48;5;9;1m"
        );
        assert_eq!(portable("\x1b[5W\x1b[9G\x1b[W"), "\x1b[3g\x1b[9G\x1bH");
        assert_eq!(portable("q\x1b(0\x1b[2b\x1b7"), "q\x1b(0qq\x1b7");
        assert_eq!(portable("\x1b[?1047h"), "\x1b[?1047h");
        assert_eq!(portable("\x1b"), "\x1b");
    }
}
