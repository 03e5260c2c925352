//! Lines of several computers in one stream, each with its computer's name in front.

use bytes::Bytes;

/// Longest line that is held back until it is whole.
const MAX_LINE: usize = 64 * 1024;

/// One stream of one computer.
#[derive(Debug)]
pub struct Prefixer {
    prefix: String,
    partial: Vec<u8>,
}

impl Prefixer {
    /// Puts `prefix` in front of every line; it may be empty.
    #[must_use]
    pub fn new(prefix: String) -> Self {
        Self {
            prefix,
            partial: Vec::new(),
        }
    }

    /// The whole lines that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= MAX_LINE {
                self.line(&mut out);
            }
        }
        out.into()
    }

    /// The last line, if it was not ended. It is ended here: another computer's follows.
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.partial.is_empty() {
            self.line(&mut out);
        }
        out.into()
    }

    fn line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        out.append(&mut self.partial);
        if out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_held_until_they_are_whole() {
        let mut prefixer = Prefixer::new("web1| ".into());
        assert_eq!(prefixer.push(b"on"), "");
        assert_eq!(prefixer.push(b"e\ntwo\nth"), "web1| one\nweb1| two\n");
        assert_eq!(prefixer.finish(), "web1| th\n");
        assert_eq!(prefixer.finish(), "");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut prefixer = Prefixer::new("w| ".into());
        assert_eq!(prefixer.push(&vec![b'x'; MAX_LINE]).len(), MAX_LINE + 4);
    }
}
