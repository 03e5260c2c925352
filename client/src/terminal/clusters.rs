//! Characters of several code points: a letter with combining marks, an emoji with a selector. The
//! emulator has one code point in each cell and gives a mark a cell of its own, so that everything
//! behind it would be drawn one column off. It is given one that stands for them all instead.

use std::collections::HashMap;

use unicode_width::UnicodeWidthChar;

/// What stands for them, of one column (private use, at its end) and of two (never assigned).
const NARROW: std::ops::Range<u32> = 0x0010_e000..0x0010_fffe;
const WIDE: std::ops::Range<u32> = 0x0003_e000..0x0003_fffe;
/// Longest text of one, in bytes: marks beyond it are left out.
const LONGEST: usize = 64;

/// Which character stands for what.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    stand_ins: HashMap<String, char>,
    texts: HashMap<char, String>,
}

/// Whether the emulator cannot be given this as it is.
pub(super) fn is_special(c: char) -> bool {
    // Everything below takes one column.
    c >= '\u{300}' && (c.width() == Some(0) || is_stand_in(c))
}

fn is_stand_in(c: char) -> bool {
    NARROW.contains(&u32::from(c)) || WIDE.contains(&u32::from(c))
}

impl Clusters {
    /// What stands for a character with one more mark; none where the mark is left out.
    pub(super) fn with_mark(&mut self, base: char, mark: char, wide: bool) -> Option<char> {
        if is_stand_in(mark) {
            return None;
        }
        let mut text = match self.texts.get(&base) {
            Some(text) => text.clone(),
            None => base.to_string(),
        };
        text.push(mark);
        if let Some(known) = self.stand_ins.get(&text) {
            return Some(*known);
        }
        if text.len() > LONGEST {
            return None;
        }
        let range = if wide { WIDE } else { NARROW };
        let count = u32::try_from(self.texts.len()).ok()?;
        let next = range.start.checked_add(count)?;
        let next = char::from_u32(next).filter(|_| range.contains(&next))?;
        self.stand_ins.insert(text.clone(), next);
        self.texts.insert(next, text);
        Some(next)
    }

    /// The text in which nothing stands for anything else.
    pub(super) fn restore(&self, drawing: String) -> String {
        if self.texts.is_empty() {
            return drawing;
        }
        let mut out = String::with_capacity(drawing.len());
        for c in drawing.chars() {
            match self.texts.get(&c) {
                Some(text) => out.push_str(text),
                None => out.push(c),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_cluster_is_as_wide_as_it() {
        for range in [NARROW, WIDE] {
            let wide = range == WIDE;
            for code in range {
                let width = char::from_u32(code).and_then(UnicodeWidthChar::width);
                assert_eq!(width, Some(if wide { 2 } else { 1 }), "{code:x}");
            }
        }
    }

    #[test]
    fn each_cluster_is_known_by_one_character() {
        let mut clusters = Clusters::default();
        let acute = clusters.with_mark('e', '\u{301}', false).unwrap();
        assert_eq!(clusters.with_mark('e', '\u{301}', false), Some(acute));
        let both = clusters.with_mark(acute, '\u{323}', false).unwrap();
        assert_ne!(both, acute);
        let heart = clusters.with_mark('😀', '\u{fe0f}', true).unwrap();
        let text = format!("a{acute}{both}\x1b[1m{heart}");
        assert_eq!(
            clusters.restore(text),
            "ae\u{301}e\u{301}\u{323}\x1b[1m😀\u{fe0f}"
        );
    }

    #[test]
    fn there_is_an_end_to_marks_and_clusters() {
        let mut clusters = Clusters::default();
        let mut one = 'a';
        for _ in 0..100 {
            one = clusters.with_mark(one, '\u{301}', false).unwrap_or(one);
        }
        assert!(clusters.restore(one.to_string()).len() <= LONGEST);
        let made = ('一'..'鿿').filter(|c| clusters.with_mark(*c, '\u{301}', true).is_some());
        assert!(made.count() < 10_000);
        assert_eq!(clusters.with_mark('一', '\u{10e000}', false), None);
    }
}
