//! How many sessions one connection carries.

use outlast_protocol::finding::{Finding, Verdict};

use super::Layer;
use crate::mux::carrier::{FALLBACK, SUBSYSTEM};
use crate::mux::wire::Wire;
use crate::ssh::{Connection, OpenError};

/// Enough to tell sshd's default (10) from less.
const MOST: usize = 10;

/// Opens channels beside the one there is until the server refuses one. That one is kept: when a
/// server has done with a channel that is closed is not told.
pub(super) async fn examine(connection: &Connection, one: Wire) -> Layer<()> {
    let mut links = Vec::new();
    let mut count: usize = 1;
    let refused = loop {
        if count == MOST {
            break false;
        }
        match connection.open_link(SUBSYSTEM, FALLBACK).await {
            Ok(link) => {
                links.push(link);
                count = count.saturating_add(1);
            }
            Err(OpenError::ChannelRefused { .. }) => break true,
            Err(error) => {
                let finding = Finding::new("capacity", Verdict::Doubtful, error.to_string());
                return Layer::stopped(Vec::new(), finding);
            }
        }
    };
    drop(one);
    Layer::passed(vec![judge(count, refused)], ())
}

fn judge(count: usize, refused: bool) -> Finding {
    let finding = |text: String| {
        Finding::new("capacity", Verdict::Good, text).value("sessions_per_connection", count)
    };
    if refused {
        let text = format!("{count} sessions a connection (MaxSessions); for more another is made");
        return finding(text);
    }
    finding(format!("{count} sessions or more a connection"))
}
