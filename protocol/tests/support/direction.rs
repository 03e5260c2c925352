//! The directions of the three protocols in one form, so that a test can go through all of them.

use outlast_protocol::frame::Frame;
use outlast_protocol::message::DecodeError;
use outlast_protocol::{control, handover, link};

/// What a decoder made of a frame.
#[derive(Debug)]
pub struct Decoded {
    /// The message's name.
    pub name: &'static str,
    /// The message and its raw bytes as Rust shows them.
    pub shown: String,
    /// The same encoded again, with its header.
    pub again: Vec<u8>,
}

/// One direction of one protocol.
pub struct Direction {
    /// Its name in PROTOCOL.md and in file names.
    pub name: &'static str,
    /// Numbers and names of its messages.
    pub table: &'static [(u8, &'static str)],
    /// Its decoder.
    pub decode: fn(&Frame) -> Result<Decoded, DecodeError>,
}

macro_rules! direction {
    ($name:literal $message:path) => {
        Direction {
            name: $name,
            table: <$message>::TABLE,
            decode: |frame| {
                let (message, body) = <$message>::decode(frame)?;
                let mut again = message.head(body.len()).expect("what was decoded encodes");
                again.extend_from_slice(&body);
                Ok(Decoded {
                    name: message.name(),
                    shown: format!("{message:?} {body:?}"),
                    again,
                })
            },
        }
    };
}

/// All of them.
pub const ALL: &[Direction] = &[
    direction!("link.to-host" link::to_host::ToHost),
    direction!("link.to-client" link::to_client::ToClient),
    direction!("control.to-mux" control::to_mux::ToMux),
    direction!("control.to-cli" control::to_cli::ToCli),
    direction!("handover.to-host" handover::ToHost),
    direction!("handover.to-relay" handover::ToRelay),
];

/// The one of that name.
pub fn named(name: &str) -> &'static Direction {
    ALL.iter()
        .find(|direction| direction.name == name)
        .unwrap_or_else(|| panic!("{name} is no direction of any protocol"))
}
