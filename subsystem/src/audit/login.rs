//! Who is there, as sshd says.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::rc::Rc;

use outlast_protocol::handover::{LOGIN_AUTH, LOGIN_CERTIFICATE, LOGIN_FROM, LOGIN_KEY};
use outlast_protocol::hello::Extension;

use super::fingerprint;
use super::line::Line;

/// With `ExposeAuthInfo`, sshd names a file that tells how its client has authenticated.
const VARIABLE: &str = "SSH_USER_AUTH";
/// More than sshd writes for as many methods as it asks for.
const MOST: u64 = 16 * 1024;

/// What there is to know of a login, and what lines call it.
const FACTS: [(&str, &str); 4] = [
    (LOGIN_FROM, "from"),
    (LOGIN_AUTH, "auth"),
    (LOGIN_KEY, "key"),
    (LOGIN_CERTIFICATE, "certificate"),
];

/// One login: what is known of it, in the order of [`FACTS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login(Rc<[Vec<u8>; FACTS.len()]>);

impl Default for Login {
    fn default() -> Self {
        Self::over(Vec::new())
    }
}

impl Login {
    /// That of this process.
    #[must_use]
    pub fn here() -> Self {
        let from = std::env::var_os("SSH_CONNECTION").unwrap_or_default();
        let told = std::env::var_os(VARIABLE).and_then(|path| told(Path::new(&path)));
        Self::by(from.into_vec(), &told.unwrap_or_default())
    }

    /// By that connection, and no more is known.
    #[must_use]
    pub fn over(connection: Vec<u8>) -> Self {
        Self(Rc::new([connection, Vec::new(), Vec::new(), Vec::new()]))
    }

    /// That of the process that says so.
    #[must_use]
    pub fn told(extensions: &[Extension]) -> Self {
        let value = |(name, _)| {
            let found = extensions.iter().find(|it| it.name == name);
            found.map_or_else(Vec::new, |it| it.value.clone())
        };
        Self(Rc::new(FACTS.map(value)))
    }

    fn known(&self) -> impl Iterator<Item = ((&'static str, &'static str), &Vec<u8>)> {
        let all = FACTS.into_iter().zip(self.0.iter());
        all.filter(|(_, value)| !value.is_empty())
    }

    /// For another process.
    #[must_use]
    pub fn extensions(&self) -> Vec<Extension> {
        self.known()
            .map(|((name, _), value)| Extension {
                name: name.to_owned(),
                value: value.clone(),
            })
            .collect()
    }

    /// The address it came from.
    #[must_use]
    pub fn address(&self) -> String {
        let [from, ..] = &*self.0;
        // "client-address client-port server-address server-port"
        let address = from.split(|byte| *byte == b' ').next();
        String::from_utf8_lossy(address.unwrap_or_default()).into_owned()
    }

    /// Writes it into a line.
    pub fn write(&self, line: &mut Line) {
        for ((_, name), value) in self.known() {
            line.field(name, value);
        }
    }

    /// By lines like `publickey ssh-ed25519 AAAA…` and `password`.
    fn by(from: Vec<u8>, text: &[u8]) -> Self {
        let (mut auth, mut keys, mut certificates) = (Vec::new(), Vec::new(), Vec::new());
        for line in text.split(|byte| *byte == b'\n') {
            let mut words = line.split(|byte| *byte == b' ');
            let Some(method) = words.next().filter(|method| !method.is_empty()) else {
                continue;
            };
            add(&mut auth, method);
            // "publickey TYPE KEY"; host-based authentication has a key too.
            let Some(found) = words.nth(1).and_then(fingerprint::of) else {
                continue;
            };
            add(&mut keys, found.key.as_bytes());
            if let Some((serial, id)) = found.certificate {
                add(&mut certificates, serial.to_string().as_bytes());
                certificates.push(b':');
                certificates.extend_from_slice(&id);
            }
        }
        Self(Rc::new([from, auth, keys, certificates]))
    }
}

/// Adds to a list with commas.
fn add(list: &mut Vec<u8>, item: &[u8]) {
    if !list.is_empty() {
        list.push(b',');
    }
    list.extend_from_slice(item);
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
        let [from, auth, key, certificate] = &*Login::by(b"::1".to_vec(), text.as_bytes()).0;
        assert_eq!((&from[..], &certificate[..]), (&b"::1"[..], &b""[..]));
        assert_eq!(auth, b"publickey,keyboard-interactive/pam,password");
        assert!(key.starts_with(b"SHA256:") && key.len() == 50);
        assert_eq!(Login::by(Vec::new(), b""), Login::default());
        let odd = b"publickey ssh-ed25519 !!\n\npublickey\n gssapi\n";
        let [_, auth, key, _] = &*Login::by(Vec::new(), odd).0;
        assert_eq!(
            (&auth[..], &key[..]),
            (&b"publickey,publickey"[..], &b""[..])
        );
    }

    #[test]
    fn a_login_is_the_same_where_it_is_told() {
        let [from, auth, key] = [&b"::1 50000 ::1 22"[..], b"publickey", b"SHA256:x"];
        let facts = [from, auth, key, b"5:an id\n"].map(<[u8]>::to_vec);
        let login = Login(Rc::new(facts));
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
