//! Why the remote end refuses a request: a code for programs, a sentence for people.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// Declares the codes with their numbers and sentences once.
macro_rules! codes {
    ($($(#[$doc:meta])* $number:literal $name:ident $sentence:literal,)*) => {
        /// Why a request was refused. A number this end does not know is kept as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct RefusalCode(pub u16);

        impl RefusalCode {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Number, name and meaning of every code, for PROTOCOL.md's test.
            pub const TABLE: &'static [(u16, &'static str, &'static str)] =
                &[$(($number, stringify!($name), $sentence),)*];
        }
    };
}

codes! {
    /// The request contradicts itself or breaks a limit.
    1 BAD_REQUEST "the request is malformed or out of bounds",
    /// No common protocol number.
    2 INCOMPATIBLE "the two ends have no protocol number in common",
    /// No such session.
    3 UNKNOWN_SESSION "there is no such session",
    /// Another client holds the session.
    4 HELD "another client holds the session",
    /// A live session has that name.
    5 NAME_TAKEN "a live session has that name",
    /// No such session configuration.
    6 UNKNOWN_CONFIGURATION "there is no such session configuration",
    /// The shell could not be opened.
    7 OPEN_FAILED "the shell could not be opened",
    /// The session is over.
    8 ENDED "the session has ended",
    /// The session's host process is gone.
    9 BROKEN "the session's host process is gone",
    /// A file or directory could not be read or written.
    10 STORAGE "a file of the session could not be read or written",
    /// Another command runs and the client did not want to wait, or the queue is full.
    11 BUSY "another command is running",
    /// No such invocation.
    12 UNKNOWN_INVOCATION "there is no such invocation",
    /// The attachment may only look.
    13 READ_ONLY "the attachment is read-only",
    /// The frame type is not known.
    14 UNKNOWN_REQUEST "the request is not known",
    /// Something went wrong at the remote end that is not the client's doing.
    15 INTERNAL "the remote end failed",
    /// A session would not live as long there as was demanded.
    16 NOT_DURABLE "sessions do not live that long there",
}

/// Reply to a request that was not carried out. The link lives on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Frame type of the refused request.
    pub request: u8,
    /// The invocation, session or reader it was about, if one was named.
    pub about: Option<uuid::Uuid>,
    /// Why, for programs.
    pub code: RefusalCode,
    /// Why, in one sentence.
    pub message: String,
    /// What to do about it; empty if there is nothing to say.
    pub hint: String,
}
