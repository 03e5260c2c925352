//! How many sessions one connection carries.

use std::time::Duration;

use outlast_protocol::finding::{Finding, Verdict};

use super::Layer;
use crate::mux::carrier::{FALLBACK, SUBSYSTEM};
use crate::mux::wire::Wire;
use crate::ssh::{Connection, OpenError};

/// Enough to tell sshd's default (10) from less.
const MOST: usize = 10;
/// The remote end leaves behind its answer. An older one may not.
const LEAVING: Duration = Duration::from_secs(2);

/// Opens channels until the server refuses one, when the one there was before is closed.
pub(super) async fn examine(connection: &Connection, mut before: Wire) -> Layer<()> {
    let closed = async { while before.next().await.is_ok() {} };
    let _ = tokio::time::timeout(LEAVING, closed).await;
    drop(before);
    let mut links = Vec::new();
    let refused = loop {
        if links.len() == MOST {
            break false;
        }
        match connection.open_link(SUBSYSTEM, FALLBACK).await {
            Ok(link) => links.push(link),
            Err(OpenError::ChannelRefused { .. }) => break true,
            Err(error) => {
                let finding = Finding::new("capacity", Verdict::Doubtful, error.to_string());
                return Layer::stopped(Vec::new(), finding);
            }
        }
    };
    Layer::passed(vec![judge(links.len(), refused)], ())
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
