//! One request on a channel of its own: listing, removing.

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::ToHost;

use super::Mux;
use super::failure::Failure;
use crate::ssh::Prompt;

/// What is to be done where, and for whom.
pub(super) struct Errand<'a> {
    pub(super) target: &'a Target,
    pub(super) surroundings: &'a Surroundings,
    pub(super) prompt: &'a dyn Prompt,
    pub(super) notice: &'a dyn Fn(String),
    /// May be said twice without harm.
    pub(super) request: ToHost,
}

impl Errand<'_> {
    /// Sends the request and hands every reply to `take` until that has what it wants. Tried
    /// once more if the connection breaks under it: it may have been dead before we came.
    pub(super) async fn run<T>(
        &self,
        mux: &Mux,
        mut take: impl FnMut(ToClient) -> Option<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut tried = false;
        loop {
            let (mut wire, _used) = mux
                .hosts
                .open(self.target, self.surroundings, self.prompt, self.notice)
                .await?;
            let sent = wire.send(&self.request, Bytes::new());
            let mut broken = sent.err();
            while broken.is_none() {
                match wire.next().await {
                    Ok((message, _)) => {
                        if let Some(done) = take(message) {
                            return done;
                        }
                    }
                    Err(error) => broken = Some(error),
                }
            }
            if let Some(error) = broken
                && tried
            {
                return Err(wire.failure(error));
            }
            tried = true;
        }
    }
}
