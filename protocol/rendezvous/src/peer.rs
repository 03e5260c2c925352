//! Who is at the other end of a local socket.

use std::io;
use std::os::unix::net::UnixStream;

/// Why nothing may be read from this peer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Another user, be it root.
    #[error("the process at the other end runs as uid {uid}, not as you (uid {own}): refused")]
    Foreign { uid: u32, own: u32 },
    /// The system would not say.
    #[error("cannot tell who is at the other end: {0}")]
    Unknown(#[from] io::Error),
}

/// The user the peer had when it connected or began to listen.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// Refuses a peer that is not us. To be called by both sides before any byte is parsed. Root gets
/// no exception: it can become the user, and must, to be one.
pub fn check_peer(stream: &UnixStream) -> Result<(), PeerError> {
    accept_uid(peer_uid(stream)?, rustix::process::geteuid().as_raw())
}

fn accept_uid(uid: u32, own: u32) -> Result<(), PeerError> {
    if uid == own {
        Ok(())
    } else {
        Err(PeerError::Foreign { uid, own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_uid_is_accepted() {
        assert!(accept_uid(1000, 1000).is_ok());
        let root = accept_uid(0, 1000).expect_err("root is not us");
        assert_eq!(
            root.to_string(),
            "the process at the other end runs as uid 0, not as you (uid 1000): refused"
        );
    }

    #[test]
    fn a_pair_of_our_own_passes() {
        let (one, other) = UnixStream::pair().expect("pair");
        check_peer(&one).expect("ours");
        check_peer(&other).expect("ours");
    }
}
