//! The table form in which every protocol lists its messages.

use alloc::string::String;

use crate::codec::CodecError;
use crate::frame::FrameTooLong;

/// Why a peer's bytes are not a message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A length above the limit in force.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
    /// A frame type this end does not know. The link lives on; the sender is told.
    #[error("frame type {0:#04x} is not known here")]
    Unknown(u8),
    /// A known type with a payload that is not one.
    #[error("a {name} frame is malformed: {error}")]
    Malformed {
        /// The message's name.
        name: &'static str,
        /// What the codec found.
        error: CodecError,
    },
    /// Bytes behind a message that carries none.
    #[error("a {name} frame has {extra} bytes too many")]
    Trailing {
        /// The message's name.
        name: &'static str,
        /// How many.
        extra: usize,
    },
    /// A message that has no place in the current state.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What the state allows.
        expected: &'static str,
        /// The name of what came.
        got: String,
    },
}

/// Declares one direction of a protocol: an enum of the listed message structs with their frame
/// types, and its encoder and decoder. `bulk` messages carry raw bytes behind their encoding.
macro_rules! messages {
    ($(#[$doc:meta])* $name:ident { $($(#[$item:meta])* $number:literal $variant:ident $($bulk:ident)?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        // A message lives for one hop between decoder and handler; boxing would cost more.
        #[allow(clippy::large_enum_variant)]
        pub enum $name { $($(#[$item])* $variant($variant),)* }

        $(impl core::convert::From<$variant> for $name {
            fn from(message: $variant) -> Self { Self::$variant(message) }
        })*

        impl $name {
            /// Number and name of every message, for the test that holds PROTOCOL.md to the code.
            pub const TABLE: &'static [(u8, &'static str)] = &[$(($number, stringify!($variant)),)*];

            /// The frame type.
            #[must_use]
            pub fn number(&self) -> u8 {
                match self { $(Self::$variant(_) => $number,)* }
            }

            /// The name PROTOCOL.md uses.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)* }
            }

            /// The frame up to its raw bytes, of which `body` follow.
            pub fn head(&self, body: usize) -> Result<alloc::vec::Vec<u8>, $crate::codec::CodecError> {
                match self { $(Self::$variant(message) => $crate::frame::head($number, message, body),)* }
            }

            /// Reads a frame; returns the message and the raw bytes behind it.
            pub fn decode(frame: &$crate::frame::Frame) -> Result<(Self, bytes::Bytes), $crate::message::DecodeError> {
                match frame.number {
                    $($number => {
                        let name = stringify!($variant);
                        let (message, used) = $crate::codec::decode::<$variant>(&frame.payload)
                            .map_err(|error| $crate::message::DecodeError::Malformed { name, error })?;
                        let body = frame.payload.slice(used.min(frame.payload.len())..);
                        let bulk = 0 $(+ { let _ = stringify!($bulk); 1 })?;
                        if bulk == 0 && !body.is_empty() {
                            return Err($crate::message::DecodeError::Trailing { name, extra: body.len() });
                        }
                        Ok((Self::$variant(message), body))
                    })*
                    number => Err($crate::message::DecodeError::Unknown(number)),
                }
            }
        }
    };
}
pub(crate) use messages;
