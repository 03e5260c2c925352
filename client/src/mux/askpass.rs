//! A question of an `ssh` that the mux started, on its way to who waits for its connection.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::control::to_cli::Answered;
use outlast_protocol::control::to_mux::Askpass;

use super::Mux;
use super::caller::{Caller, Stop};

/// Puts it, and tells the answer. Who asks may be ended meanwhile.
pub(super) async fn askpass(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Askpass,
) -> Result<(), Stop> {
    let Askpass { token, kind, text } = request;
    let answered = mux.hosts.desk().put(&token, kind, text);
    let text = match answered {
        Some(answered) => tokio::select! {
            text = answered => text.ok().flatten(),
            _ = caller.next() => return Err(Stop::Gone),
        },
        None => None,
    };
    caller.send(&Answered { text }.into(), Bytes::new());
    Ok(())
}
