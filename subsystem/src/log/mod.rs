//! The log of a session: everything its shell and its commands said, once and in order.
//!
//! One host process owns it. Records get consecutive numbers and go to memory ([`tail`]) and, at
//! the next flush, to segment files ([`spool`]). Live readers are served from memory, others
//! from the segments. Whatever is dropped or lost shows as a gap with its exact size, because
//! every place in the log is a number together with the output bytes before it ([`position`]).
//!
//! There is no clock and no async here: time comes with the records, and the owner decides when
//! to flush.

mod cursor;
mod encoding;
mod fields;
mod flush;
mod header;
mod hold;
mod journal;
mod lost;
mod outcome;
mod policy;
mod position;
mod read;
mod reader;
mod record;
mod recover;
mod room;
mod segment;
mod share;
mod spool;
mod status;
mod tail;

pub use cursor::{Cursor, From};
pub use encoding::{DecodeError, MAX_PAYLOAD, decode_record};
pub use journal::Log;
pub use policy::{Buffering, Policy};
pub use position::Position;
pub use record::{Gap, GapCause, Record, RecordKind, Stream};

pub use recover::{Cut, RecoverError};
pub use room::Room;
pub use share::Share;
pub use status::Status;
