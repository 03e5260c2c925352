//! Who is there, as sshd says.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use outlast_protocol::handover::{LOGIN_AUTH, LOGIN_CERTIFICATE, LOGIN_FROM, LOGIN_KEY};
use outlast_protocol::hello::Extension;

use super::fingerprint;
use super::line::Line;

/// With `ExposeAuthInfo`, sshd names a file that tells how its client has authenticated.
const VARIABLE: &str = "SSH_USER_AUTH";
/// More than sshd writes for as many methods as it asks for.
const MOST: u64 = 64 * 1024;

/// One login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// `SSH_CONNECTION`; nothing where there was none.
    from: Vec<u8>,
    /// The methods it took, with commas between.
    auth: Vec<u8>,
    /// The fingerprints of its keys, likewise.
    key: Vec<u8>,
    /// The serial numbers and IDs of its certificates, likewise.
    certificate: Vec<u8>,
}

impl Login {
    /// That of this process.
    #[must_use]
    pub fn here() -> Self {
        let from = std::env::var_os("SSH_CONNECTION").unwrap_or_default();
        let told = std::env::var_os(VARIABLE).and_then(|path| told(Path::new(&path)));
        Self {
            from: from.into_vec(),
            ..Self::by(&told.unwrap_or_default())
        }
    }

    /// From another computer, and no more is known.
    #[must_use]
    pub fn over(connection: &str) -> Self {
        Self {
            from: connection.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// That of the process that says so.
    #[must_use]
    pub fn told(extensions: &[Extension]) -> Self {
        let value = |name: &str| {
            let found = extensions.iter().find(|it| it.name == name);
            found.map_or_else(Vec::new, |it| it.value.clone())
        };
        Self {
            from: value(LOGIN_FROM),
            auth: value(LOGIN_AUTH),
            key: value(LOGIN_KEY),
            certificate: value(LOGIN_CERTIFICATE),
        }
    }

    /// For another process.
    #[must_use]
    pub fn extensions(&self) -> Vec<Extension> {
        let all = [
            (LOGIN_FROM, &self.from),
            (LOGIN_AUTH, &self.auth),
            (LOGIN_KEY, &self.key),
            (LOGIN_CERTIFICATE, &self.certificate),
        ];
        let known = all.into_iter().filter(|(_, value)| !value.is_empty());
        known
            .map(|(name, value)| Extension {
                name: name.to_owned(),
                value: value.clone(),
            })
            .collect()
    }

    /// The address it came from.
    #[must_use]
    pub fn address(&self) -> String {
        // "client-address client-port server-address server-port"
        let address = self.from.split(|byte| *byte == b' ').next();
        String::from_utf8_lossy(address.unwrap_or_default()).into_owned()
    }

    /// Writes it into a line.
    pub fn write(&self, line: &mut Line) {
        line.known("from", &self.from)
            .known("auth", &self.auth)
            .known("key", &self.key)
            .known("certificate", &self.certificate);
    }

    /// By lines like `publickey ssh-ed25519 AAAA…` and `password`.
    fn by(text: &[u8]) -> Self {
        let (mut auth, mut keys, mut certificates) = (Vec::new(), Vec::new(), Vec::new());
        for line in text.split(|byte| *byte == b'\n') {
            let mut words = line.split(|byte| *byte == b' ');
            let Some(method) = words.next().filter(|method| !method.is_empty()) else {
                continue;
            };
            auth.push(method.to_vec());
            // "publickey TYPE KEY"; host-based authentication has a key too.
            let Some(found) = words.nth(1).and_then(fingerprint::of) else {
                continue;
            };
            keys.push(found.key.into_bytes());
            if let Some((serial, id)) = found.certificate {
                certificates.push([serial.to_string().as_bytes(), b":", &id].concat());
            }
        }
        Self {
            from: Vec::new(),
            auth: auth.join(&b','),
            key: keys.join(&b','),
            certificate: certificates.join(&b','),
        }
    }
}

fn told(file: &Path) -> Option<Vec<u8>> {
    let file = File::open(file).ok()?;
    // Whatever else that path leads to, it may not hold us up.
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_methods_are_told_in_their_order() {
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ6bJPa0GkZb5uHh8bjtPiRGHT8oKHAcbZ0kxIkZb0Gb";
        let text = format!("publickey ssh-ed25519 {key}\nkeyboard-interactive/pam\npassword\n");
        let login = Login::by(text.as_bytes());
        assert_eq!(login.auth, b"publickey,keyboard-interactive/pam,password");
        assert!(login.key.starts_with(b"SHA256:") && login.key.len() == 50);
        let nothing = Login::by(b"");
        assert_eq!(nothing, Login::default());
        let odd = Login::by(b"publickey ssh-ed25519 !!\n\npublickey\n gssapi\n");
        assert_eq!(
            (&odd.auth[..], &odd.key[..]),
            (&b"publickey,publickey"[..], &b""[..])
        );
    }

    #[test]
    fn a_login_is_the_same_where_it_is_told() {
        let login = Login {
            from: b"::1 50000 ::1 22".to_vec(),
            auth: b"publickey".to_vec(),
            key: b"SHA256:x".to_vec(),
            certificate: b"5:an id\n".to_vec(),
        };
        assert_eq!(Login::told(&login.extensions()), login);
        assert_eq!(login.address(), "::1");
        let mut line = Line::of("attached");
        login.write(&mut line);
        let expected = concat!(
            "event=attached from=\"::1 50000 ::1 22\" auth=publickey key=SHA256:x ",
            r#"certificate="5:an id\n""#
        );
        assert_eq!(line.text(), expected);
        assert!(Login::default().extensions().is_empty());
    }
}
