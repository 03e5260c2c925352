//! What programs and their client's SSH agent say to each other.

use bytes::Bytes;
use outlast_protocol::id::Lease;
use outlast_protocol::limits::MAX_CHUNK;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{AgentData, AgentEnd, ToClient};

use super::Conversation;
use crate::host::agent::Said;
use crate::refuse::refused;

impl Conversation {
    /// The agent answers.
    pub(super) fn agent_data(&mut self, lease: Lease, data: &AgentData, body: Bytes) {
        if body.len() > MAX_CHUNK {
            let text = format!("an agent says at most {MAX_CHUNK} bytes at once");
            self.refuse(refused(0x1b, RefusalCode::BAD_REQUEST, text));
            return;
        }
        let mut core = self.session.core();
        core.agents.receive(lease, data.connection, body);
    }

    /// The next to be said to the agent, but not twice in a row: records are to have their turn
    /// beside a program that talks without end.
    pub(super) fn poll_agent(&mut self, lease: Lease) -> Option<(ToClient, Bytes)> {
        if std::mem::take(&mut self.agent_spoke) {
            return None;
        }
        let said = self.session.core().agents.poll(lease)?;
        self.agent_spoke = true;
        Some(match said {
            Said::Data(connection, bytes) => (ToClient::AgentData(AgentData { connection }), bytes),
            Said::End(connection) => (ToClient::AgentEnd(AgentEnd { connection }), Bytes::new()),
        })
    }
}
