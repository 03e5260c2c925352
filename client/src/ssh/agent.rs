//! The ssh-agent.

use std::io;
use std::path::Path;
use std::time::Duration;

use russh::keys::agent::client::{AgentClient, AgentStream};
use russh::keys::agent::{AgentIdentity, AgentSessionBinding, Constraint};
use russh::keys::{Certificate, PrivateKey, PublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::config::AddKeys;

/// A forwarded agent's socket may be dead without saying so. Signing has no such bound: it may wait
/// for a finger on a token.
const LISTING_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_LISTING: u32 = 1024 * 1024;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;

pub(super) struct Agent {
    pub(super) client: AgentClient<Box<dyn AgentStream + Send + Unpin>>,
    pub(super) identities: Vec<AgentIdentity>,
}

impl Agent {
    /// With `binding`, the agent is told to which host it speaks: keys may be meant for some only.
    pub(super) async fn connect(
        socket: &Path,
        binding: Option<&AgentSessionBinding>,
    ) -> Result<Self, String> {
        let listing = async {
            let mut bound = AgentClient::connect(UnixStream::connect(socket).await?);
            if let Some(binding) = binding
                && bound.bind_session(binding, false).await.is_err()
            {
                // An agent that does not know of bindings has said so; the connection still serves.
            }
            let mut stream = bound.into_inner();
            let identities = list(&mut stream).await?;
            Ok::<_, io::Error>((stream, identities))
        };
        match tokio::time::timeout(LISTING_TIMEOUT, listing).await {
            Ok(Ok((stream, identities))) => Ok(Self {
                client: AgentClient::connect(stream),
                identities,
            }),
            Ok(Err(error)) => Err(format!("the agent at {} failed: {error}", socket.display())),
            Err(_) => Err(format!("the agent at {} does not answer", socket.display())),
        }
    }

    /// Gives it a key. The comment gets lost: russh sends none.
    pub(super) async fn add(&mut self, key: &PrivateKey, how: AddKeys) -> Result<(), String> {
        let lifetime = how
            .seconds
            .map(|seconds| Constraint::KeyLifetime { seconds });
        let confirm = how.confirm.then_some(Constraint::Confirm);
        let constraints: Vec<Constraint> = lifetime.into_iter().chain(confirm).collect();
        let adding = self.client.add_identity(key, &constraints);
        match tokio::time::timeout(LISTING_TIMEOUT, adding).await {
            Ok(added) => added.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".to_owned()),
        }
    }
}

/// The agent's keys. russh's own listing fails as a whole on one key of a type it does not know.
async fn list<S>(stream: &mut S) -> io::Result<Vec<AgentIdentity>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(&[0, 0, 0, 1, REQUEST_IDENTITIES]).await?;
    stream.flush().await?;
    let length = stream.read_u32().await?;
    if length > MAX_LISTING {
        return Err(io::Error::other("its list of keys is too long"));
    }
    let mut answer = vec![0; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut answer).await?;
    match answer.split_first() {
        Some((&IDENTITIES_ANSWER, rest)) => Ok(identities(rest.get(4..).unwrap_or_default())),
        _ => Err(io::Error::other("it does not list its keys")),
    }
}

fn identities(mut rest: &[u8]) -> Vec<AgentIdentity> {
    let mut identities = Vec::new();
    while let Some((blob, behind)) = string(rest)
        && let Some((comment, behind)) = string(behind)
    {
        rest = behind;
        let comment = String::from_utf8_lossy(comment).into_owned();
        if let Ok(certificate) = Certificate::from_bytes(blob) {
            identities.push(AgentIdentity::Certificate {
                certificate,
                comment,
            });
        } else if let Ok(key) = PublicKey::from_bytes(blob) {
            identities.push(AgentIdentity::PublicKey { key, comment });
        }
    }
    identities
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_an_unknown_type_hides_no_other() {
        let mut list = Vec::new();
        let mut put = |bytes: &[u8]| {
            list.extend((bytes.len() as u32).to_be_bytes());
            list.extend(bytes);
        };
        let text =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
        let key = PublicKey::from_openssh(text).unwrap();
        put(b"\0\0\0\x07unknown\0\0\0\x01x");
        put(b"new");
        put(&key.to_bytes().unwrap());
        put(b"mine \xff");
        list.extend([0, 0, 0, 9]);
        let found = identities(&list);
        let [
            AgentIdentity::PublicKey {
                key: listed,
                comment,
            },
        ] = found.as_slice()
        else {
            panic!("{found:?}");
        };
        assert_eq!(
            (listed.key_data(), comment.as_str()),
            (key.key_data(), "mine \u{fffd}")
        );
    }
}
