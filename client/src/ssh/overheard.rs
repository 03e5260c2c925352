//! What a server offers in its first message of the key exchange: russh only tells what was chosen.
//! That message is in the clear, so it is read on its way in.

use std::sync::{Arc, Mutex, PoisonError};

/// Lines before the identification, the identification and the message, at most.
const MAX_HEARD: usize = 128 * 1024;
const KEXINIT: u8 = 20;

/// The methods of key exchange the server offers; none until they are heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer(Arc<Mutex<Option<Vec<String>>>>);

impl Offer {
    pub(super) fn has(&self, name: &str) -> bool {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = heard.iter().flatten();
        names.any(|offered| offered == name)
    }
}

/// Listens to the begin of a stream.
pub(super) struct Ear {
    /// What came so far, until the offer is in it.
    begin: Option<Vec<u8>>,
    offer: Offer,
}

impl Ear {
    pub(super) fn new() -> (Self, Offer) {
        let offer = Offer::default();
        let ear = Self {
            begin: Some(Vec::new()),
            offer: offer.clone(),
        };
        (ear, offer)
    }

    /// Takes in what was read.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Some(begin) = &mut self.begin else {
            return;
        };
        begin.extend_from_slice(bytes);
        match parse(begin) {
            Parsed::More if begin.len() < MAX_HEARD => {}
            Parsed::More | Parsed::Nothing => self.begin = None,
            Parsed::Offer(names) => {
                *self.offer.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
                self.begin = None;
            }
        }
    }
}

enum Parsed {
    /// It is not all there yet.
    More,
    /// It is something else.
    Nothing,
    Offer(Vec<String>),
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut rest = bytes;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Parsed::More;
        };
        let (line, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        if line.starts_with(b"SSH-") {
            break;
        }
    }
    let Some((length, packet)) = number(rest) else {
        return Parsed::More;
    };
    if length > MAX_HEARD {
        return Parsed::Nothing;
    }
    let Some(packet) = packet.get(..length) else {
        return Parsed::More;
    };
    // The length of the padding, the number of the message, a cookie, and then the list.
    match packet.get(1) {
        Some(&KEXINIT) => {}
        _ => return Parsed::Nothing,
    }
    let list = packet.get(18..).and_then(|rest| {
        let (length, rest) = number(rest)?;
        rest.get(..length)
    });
    match list.map(String::from_utf8_lossy) {
        Some(list) => Parsed::Offer(list.split(',').map(str::to_owned).collect()),
        None => Parsed::Nothing,
    }
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*head)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8, list: &str) -> Vec<u8> {
        let mut packet = vec![4, number];
        packet.extend([7; 16]);
        packet.extend((list.len() as u32).to_be_bytes());
        packet.extend(list.as_bytes());
        packet.extend([0; 4]);
        let mut bytes = b"a banner\r\nSSH-2.0-test\r\n".to_vec();
        bytes.extend((packet.len() as u32).to_be_bytes());
        bytes.extend(packet);
        bytes
    }

    #[test]
    fn the_offer_is_heard_however_the_bytes_come() {
        let bytes = message(
            KEXINIT,
            "mlkem768x25519-sha256,kex-strict-s-v00@openssh.com",
        );
        for size in [1, 7, bytes.len()] {
            let (mut ear, offer) = Ear::new();
            bytes.chunks(size).for_each(|piece| ear.hear(piece));
            assert!(offer.has("kex-strict-s-v00@openssh.com"), "{size}");
            assert!(!offer.has("curve25519-sha256"));
            assert!(ear.begin.is_none(), "nothing is kept behind it");
        }
    }

    #[test]
    fn anything_else_is_let_through_unheard() {
        let mut long = b"SSH-2.0-x\n".to_vec();
        long.extend([0xff; 8]);
        let cut = message(KEXINIT, "abc");
        let mut lying = cut.clone();
        let list = lying.len() - 4 - 3 - 4;
        lying[list..list + 4].copy_from_slice(&[0, 0, 0xff, 0]);
        for bytes in [message(21, "abc"), long, lying] {
            let (mut ear, offer) = Ear::new();
            ear.hear(&bytes);
            assert!(ear.begin.is_none() && !offer.has("abc"));
        }
        let (mut ear, offer) = Ear::new();
        ear.hear(&cut[..cut.len() - 1]);
        assert!(ear.begin.is_some() && !offer.has("abc"));
        ear.hear(&[b'x'; MAX_HEARD]);
        assert!(ear.begin.is_none());
    }
}
