//! The only file that knows bincode.
//!
//! bincode 2 is no longer developed. Its `standard()` encoding is written out in PROTOCOL.md, so
//! replacing the crate changes this file and nothing on the wire. Decoding always runs under a
//! byte limit: without one a hostile length makes bincode abort the process.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::MAX_FRAME;

/// What decoding may charge. bincode charges a number with its size in memory, eight bytes for one
/// byte on the wire: with a smaller limit, frames well below [`MAX_FRAME`] would be refused.
const LIMIT: usize = 8 * MAX_FRAME as usize;

/// Why bytes could not be read as the expected value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);

/// Encodes `value`.
///
/// Our own types always encode; the error exists because serde's interface has one.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| CodecError(error.to_string()))
}

/// Decodes a value from the front of `bytes`; also says how many bytes it took.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    // Borrowing spares a buffer for each UUID; what comes out owns its parts all the same.
    let config = bincode::config::standard().with_limit::<LIMIT>();
    bincode::serde::borrow_decode_from_slice(bytes, config)
        .map_err(|error| CodecError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_length_is_an_error_and_not_an_allocation() {
        let hostile = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode::<String>(&hostile).is_err());
        assert!(decode::<Vec<u64>>(&hostile).is_err());
    }

    #[test]
    fn the_encoding_is_the_one_written_in_the_contract() {
        assert_eq!(encode(&250u64).unwrap(), [250]);
        assert_eq!(encode(&251u64).unwrap(), [0xfb, 251, 0]);
        assert_eq!(encode(&65_536u64).unwrap(), [0xfc, 0, 0, 1, 0]);
        assert_eq!(encode(&"ab").unwrap(), [2, b'a', b'b']);
        assert_eq!(encode(&Some(true)).unwrap(), [1, 1]);
        assert_eq!(encode(&Option::<u8>::None).unwrap(), [0]);
    }
}
