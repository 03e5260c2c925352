//! The ssh-agent.

use std::path::Path;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use tokio::net::UnixStream;

/// A forwarded agent's socket may be dead without saying so. Signing has no such bound: it may wait
/// for a finger on a token.
const LISTING_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Agent {
    pub(super) client: AgentClient<UnixStream>,
    pub(super) identities: Vec<AgentIdentity>,
}

impl Agent {
    pub(super) async fn connect(socket: &Path) -> Result<Self, String> {
        let listing = async {
            let mut client = AgentClient::connect_uds(socket).await?;
            let identities = client.request_identities().await?;
            Ok::<_, russh::keys::Error>(Self { client, identities })
        };
        match tokio::time::timeout(LISTING_TIMEOUT, listing).await {
            Ok(Ok(agent)) => Ok(agent),
            Ok(Err(error)) => Err(format!("the agent at {} failed: {error}", socket.display())),
            Err(_) => Err(format!("the agent at {} does not answer", socket.display())),
        }
    }
}
