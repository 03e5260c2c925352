//! An agent with a security key: there is no token to test with, so the agent computes what one
//! would. sshd's own verification says whether we hand it on right.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;
use russh::keys::signature::Signer;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::sha2::{Digest, Sha256};

const KIND: &str = "sk-ssh-ed25519@openssh.com";
const APPLICATION: &str = "ssh:";

/// Serves on `socket` until the test is over; the public half goes to `public`.
pub(crate) fn start(socket: PathBuf, key: &Path, public: &Path) {
    let key = PrivateKey::from_openssh(std::fs::read_to_string(key).unwrap()).unwrap();
    let blob = blob(&key);
    let encoded = russh::keys::PublicKey::from_bytes(&blob).unwrap();
    std::fs::write(public, encoded.to_openssh().unwrap() + "\n").unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, &key, &blob);
        }
    });
}

fn blob(key: &PrivateKey) -> Vec<u8> {
    let public = key.public_key().key_data().ed25519().unwrap().0;
    [
        string(KIND.as_bytes()),
        string(&public),
        string(APPLICATION.as_bytes()),
    ]
    .concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn serve(mut stream: UnixStream, key: &PrivateKey, blob: &[u8]) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request)?;
        let answer = match request[0] {
            11 => [&[12, 0, 0, 0, 1][..], &string(blob), &string(b"token")].concat(),
            13 => {
                // The key, then what is to be signed.
                let data = &request[1 + 4 + blob.len() + 4..request.len() - 4];
                [&[14][..], &string(&sign(key, data))].concat()
            }
            _ => vec![5],
        };
        stream.write_all(&string(&answer))?;
    }
}

/// As PROTOCOL.u2f has it: somebody touched it, for the third time.
fn sign(key: &PrivateKey, data: &[u8]) -> Vec<u8> {
    let mut signed = Sha256::digest(APPLICATION.as_bytes()).to_vec();
    signed.extend([1, 0, 0, 0, 3]);
    signed.extend(Sha256::digest(data));
    let KeypairData::Ed25519(pair) = key.key_data() else {
        panic!("an ed25519 key is needed");
    };
    let signature = pair.sign(&signed);
    let parts = [string(KIND.as_bytes()), string(signature.as_bytes())].concat();
    [&parts[..], &[1, 0, 0, 0, 3]].concat()
}
