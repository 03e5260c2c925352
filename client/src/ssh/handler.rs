//! What russh calls back, turned into messages and shared facts.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{DisconnectReason, Handler, Session};
use russh::compression::Compression;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::Description;

/// A banner is shown to the person: it has no business being longer.
const MAX_BANNER: usize = 16 * 1024;

/// The server presents a key; the connecting task, which has the terminal, answers.
pub(super) struct HostKeyQuestion {
    pub(super) presented: PublicKeyOrCertificate,
    pub(super) answer: oneshot::Sender<bool>,
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) description: Description,
    pub(super) banner: String,
}

pub(super) type SharedFacts = Arc<Mutex<Facts>>;

pub(super) struct ConnectionHandler {
    questions: mpsc::UnboundedSender<HostKeyQuestion>,
    /// A key exchange repeats every gigabyte or hour, when nobody is there to ask.
    accepted: Option<KeyData>,
    facts: SharedFacts,
    ended: watch::Sender<Option<String>>,
}

/// The other ends of a handler.
pub(super) struct HandlerEnds {
    pub(super) questions: mpsc::UnboundedReceiver<HostKeyQuestion>,
    pub(super) facts: SharedFacts,
    pub(super) ended: watch::Receiver<Option<String>>,
}

impl ConnectionHandler {
    pub(super) fn new() -> (Self, HandlerEnds) {
        let (questions, questions_end) = mpsc::unbounded_channel();
        let (ended, ended_end) = watch::channel(None);
        let facts = SharedFacts::default();
        let handler = Self {
            questions,
            accepted: None,
            facts: facts.clone(),
            ended,
        };
        (
            handler,
            HandlerEnds {
                questions: questions_end,
                facts,
                ended: ended_end,
            },
        )
    }
}

impl Handler for ConnectionHandler {
    type Error = russh::Error;

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), russh::Error> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_BANNER.saturating_sub(facts.banner.len());
        facts.banner.extend(banner.chars().take(room / 4));
        Ok(())
    }

    async fn check_server_key(
        &mut self,
        presented: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let key = presented.public_key().key_data().clone();
        if let Some(accepted) = &self.accepted {
            return Ok(*accepted == key);
        }
        let presented = match presented {
            PublicKeyOrCertificate::Certificate(certificate) => certificate.clone().into(),
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone().into(),
        };
        let (answer, answered) = oneshot::channel();
        if self
            .questions
            .send(HostKeyQuestion { presented, answer })
            .is_err()
        {
            return Ok(false);
        }
        let is_accepted = answered.await.unwrap_or(false);
        if is_accepted {
            self.accepted = Some(key);
        }
        Ok(is_accepted)
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        names: &russh::Names,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let cipher = names.cipher.as_ref();
        let authenticates_itself = cipher.contains("gcm") || cipher.contains("poly1305");
        let accepted = self.accepted.as_ref();
        let fingerprint = accepted.map(|key| key.fingerprint(HashAlg::Sha256).to_string());
        let about = &mut facts.description;
        about.compression = compression_name(&names.client_compression).to_owned();
        about.key_exchanges = about.key_exchanges.saturating_add(1);
        about.kex = names.kex.as_ref().to_owned();
        about.cipher = cipher.to_owned();
        about.mac = match authenticates_itself {
            true => String::new(),
            false => names.client_mac.as_ref().to_owned(),
        };
        about.host_key = format!("{} {}", names.key, fingerprint.unwrap_or_default());
        about.server = String::from_utf8_lossy(session.remote_sshid())
            .trim()
            .to_owned();
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.ended.send_replace(Some(info.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                self.ended.send_replace(Some(ending(&error)));
                Err(error)
            }
        }
    }
}

fn compression_name(compression: &Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Zlib => "zlib",
        Compression::ZlibOpenSSH => "zlib@openssh.com",
    }
}

/// An end of the connection in words.
pub(super) fn ending(error: &russh::Error) -> String {
    match error {
        russh::Error::IO(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the other end closed it".into()
        }
        russh::Error::KeepaliveTimeout => "keepalives were not answered".into(),
        russh::Error::Disconnect | russh::Error::HUP => "the other end closed it".into(),
        other => other.to_string(),
    }
}
