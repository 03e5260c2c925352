//! A name server on a loopback address that knows the few names of a test (RFC 1035).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// What a name is.
pub(crate) enum Record {
    /// This computer.
    Here,
    /// Another name for that one.
    Alias(&'static str),
}

const ADDRESS: u16 = 1;
const CANONICAL_NAME: u16 = 5;
const INTERNET: u16 = 1;
const NO_SUCH_NAME: u16 = 3;
/// An answer, by whoever knows; recursion was wanted and is available.
const ANSWERS: u16 = 0x8580;

/// Serves until the test is over. The resolver of libc asks on port 53 only, so it has an address of
/// its own: one that no other test of this run has.
pub(crate) fn start(names: BTreeMap<&'static str, Record>) -> std::io::Result<Ipv4Addr> {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 53, high, low.max(1));
    let socket = UdpSocket::bind(SocketAddr::from((address, 53)))?;
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, asker)) = socket.recv_from(&mut packet) {
            if let Some(reply) = reply(&packet[..length], &names) {
                let _ = socket.send_to(&reply, asker);
            }
        }
    });
    Ok(address)
}

/// The answer to one question; none to what is no question.
fn reply(query: &[u8], names: &BTreeMap<&str, Record>) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let wanted = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let mut answers = Vec::new();
    let mut known = names.get(name.as_str());
    let found = known.is_some();
    let mut owner = name;
    while let Some(record) = known {
        match record {
            Record::Alias(other) => {
                answers.push(resource(&owner, CANONICAL_NAME, &encoded(other)));
                (*other).clone_into(&mut owner);
                known = names.get(other);
            }
            Record::Here => {
                if wanted == ADDRESS {
                    answers.push(resource(&owner, ADDRESS, &[127, 0, 0, 1]));
                }
                break;
            }
        }
    }
    let flags = ANSWERS | if found { 0 } else { NO_SUCH_NAME };
    let counts = [1, u16::try_from(answers.len()).ok()?, 0, 0];
    let mut reply = query.get(..2)?.to_vec();
    reply.extend(flags.to_be_bytes());
    reply.extend(counts.map(u16::to_be_bytes).concat());
    reply.extend(query.get(12..end + 4)?);
    reply.extend(answers.concat());
    Some(reply)
}

/// The name asked about, and where its type stands.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            let name = labels.join(".").to_ascii_lowercase();
            return Some((name, at));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        at += length;
    }
}

fn resource(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let mut record = encoded(owner);
    record.extend([kind, INTERNET].map(u16::to_be_bytes).concat());
    record.extend(60_u32.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(data);
    record
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
