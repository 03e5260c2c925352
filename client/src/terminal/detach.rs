//! The keys that leave a session, as users write them: `ctrl-\,d`.

use std::str::FromStr;

/// Most keys in a row.
const MOST: usize = 8;

/// Keys that leave when typed one after the other. The default is Ctrl-\ and then d.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self {
            keys: vec![0x1c, b'd'],
        }
    }
}

impl DetachKeys {
    /// The bytes a terminal sends for them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.keys
    }
}

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no key: write single characters and ctrl-X with X one of a-z @ [ \\ ] ^ _, separated \
     by commas, up to {MOST} of them, e.g. ctrl-\\,d"
)]
pub struct NoKey(String);

impl FromStr for DetachKeys {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        match keys {
            Some(keys) if keys.len() <= MOST => Ok(Self { keys }),
            _ => Err(NoKey(text.to_owned())),
        }
    }
}

fn key(word: &str) -> Option<u8> {
    let held = word.strip_prefix("ctrl-").or(word.strip_prefix("Ctrl-"));
    match (held.unwrap_or(word).as_bytes(), held) {
        ([byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'['..=b'_')], Some(_)) => Some(byte & 0x1f),
        ([byte @ b'!'..=b'~'], None) => Some(*byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_people_write_them() {
        let bytes = |text: &str| text.parse::<DetachKeys>().map(|keys| keys.keys);
        assert_eq!(bytes("ctrl-\\,d"), Ok(DetachKeys::default().keys));
        assert_eq!(bytes("ctrl-p,ctrl-q"), Ok(vec![16, 17]));
        assert_eq!(bytes("ctrl-]"), Ok(vec![0x1d]));
        assert_eq!(bytes("Ctrl-A,x,y"), Ok(vec![1, b'x', b'y']));
        for wrong in [
            "",
            "ctrl-",
            "ctrl-é",
            "dd",
            "a,,b",
            "ctrl-1",
            "a,b,c,d,e,f,g,h,i",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
