//! What the remote end finds where it runs.

use bytes::Bytes;
use outlast_protocol::finding::{Finding, Verdict};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::Examine;

use super::{Layer, bad};
use crate::mux::failure::Failure;
use crate::mux::wire::{Wire, WireError};

const LAYER: &str = "remote";

/// Asks it.
pub(super) async fn examine(mut wire: Wire) -> Layer<Wire> {
    match ask(&mut wire).await {
        Ok(findings) => Layer::passed(findings, wire),
        Err(error) => {
            let failure = wire.failure(error);
            Layer::stopped(Vec::new(), bad(LAYER, &failure))
        }
    }
}

async fn ask(wire: &mut Wire) -> Result<Vec<Finding>, WireError> {
    let extensions = Vec::new();
    wire.send(&Examine { extensions }.into(), Bytes::new())?;
    loop {
        match wire.next().await?.0 {
            ToClient::Examined(examined) => return Ok(examined.findings),
            ToClient::Refused(refused) if refused.code == RefusalCode::UNKNOWN_REQUEST => {
                let text = "the remote end is too old to examine where it runs";
                let finding = Finding::new(LAYER, Verdict::Doubtful, text);
                return Ok(vec![
                    finding.hint("install a newer outlast-subsystem there"),
                ]);
            }
            ToClient::Refused(refused) => return Ok(vec![bad(LAYER, &Failure::from(&refused))]),
            _ => {}
        }
    }
}
