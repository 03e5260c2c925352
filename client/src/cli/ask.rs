//! What a command line asks the mux for, as it is said.

use bytes::Bytes;
use outlast_protocol::control::to_mux::{Invoke, More, Receive, Watch};
use outlast_protocol::id::Seq;
use outlast_protocol::limits::MAX_PIECE;
use outlast_protocol::link::From;

use super::error::Error;
use crate::control::connection::Connection;

/// What was asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// To run this, with the body that belongs to it.
    Invoke(Invoke, Bytes),
    /// To have the output; with true, over a read-only attachment.
    Receive(Receive, bool),
}

impl Ask {
    /// Is to be asked on another connection: behind the last record written out, and from that
    /// offset in standard input.
    pub(super) fn go_on(&mut self, consumed: Option<Seq>, offset: u64) {
        match self {
            Self::Invoke(invoke, _) => {
                invoke.resume = Some((consumed.unwrap_or(Seq(0)), offset));
            }
            // Without a place of its own it goes on at the client's cursor, which leaves out what
            // other command lines have had. It may be older than this one: what comes again is
            // passed over.
            Self::Receive(receive, _) => {
                if let (Some(from), Some(last)) = (&mut receive.from, consumed) {
                    *from = From::Seq(last.next());
                }
            }
        }
    }

    /// Says it; a long body in pieces.
    pub(super) fn say(&self, connection: &mut Connection) -> Result<(), Error> {
        match self {
            Self::Invoke(invoke, body) => {
                let mut rest = body.clone();
                let first = rest.split_to(rest.len().min(MAX_PIECE));
                let message = Invoke {
                    more_len: u32::try_from(rest.len()).unwrap_or(u32::MAX),
                    ..invoke.clone()
                };
                connection.send(message, first)?;
                while !rest.is_empty() {
                    connection.send(More, rest.split_to(rest.len().min(MAX_PIECE)))?;
                }
                Ok(())
            }
            Self::Receive(receive, true) => {
                connection.send(Watch::from(receive.clone()), Bytes::new())
            }
            Self::Receive(receive, false) => connection.send(receive.clone(), Bytes::new()),
        }
    }
}
