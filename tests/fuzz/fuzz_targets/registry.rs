//! A registry's directory that holds whatever it likes: looking at it harms nobody and hides no
//! session that is sound.
#![no_main]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use outlast_fuzz::scratch::Scratch;
use outlast_protocol::id::{InstanceId, SessionName};
use outlast_protocol::session::Life;
use outlast_subsystem::registry::Registry;
use uuid::Uuid;

#[derive(Arbitrary, Debug)]
enum Name {
    Instance(u8),
    /// As UUIDs are also written, but not by us.
    Simple(u8),
    Upper(u8),
    Braced(u8),
    NamesLock,
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Thing {
    File(Vec<u8>),
    /// To the outside, where nothing may be changed.
    Link,
    Dangling,
    Fifo,
    Socket,
    Directory {
        mode: u16,
        within: Vec<(Inner, Thing)>,
    },
    /// What a session's host writes, with another word here and there.
    Meta {
        words: Vec<(u8, String)>,
        live: bool,
    },
}

#[derive(Arbitrary, Debug)]
enum Inner {
    Meta,
    Lock,
    Sock,
    Spool,
    Text(String),
}

impl Name {
    fn file_name(&self) -> Vec<u8> {
        let uuid = |number: &u8| Uuid::from_u128(u128::from(*number));
        match self {
            Self::Instance(number) => uuid(number).hyphenated().to_string().into(),
            Self::Simple(number) => uuid(number).simple().to_string().into(),
            Self::Upper(number) => format!("{:X}", uuid(number).hyphenated()).into(),
            Self::Braced(number) => uuid(number).braced().to_string().into(),
            Self::NamesLock => b"names.lock".to_vec(),
            Self::Text(text) => text.clone().into(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl Inner {
    fn file_name(&self) -> &str {
        match self {
            Self::Meta => "meta",
            Self::Lock => "lock",
            Self::Sock => "sock",
            Self::Spool => "spool",
            Self::Text(text) => text,
        }
    }
}

fn meta(words: &[(u8, String)], live: bool) -> String {
    let life = if live {
        "\"live\""
    } else {
        "{\"ended\":\"Removed\"}"
    };
    let mut parts: Vec<String> = [
        "{\"format\":1,\"instance\":\"",
        "00000000-0000-0000-0000-000000000001",
        "\",\"name\":\"",
        "job",
        "\",\"configuration\":\"",
        "bash",
        "\",\"created_ms\":",
        "1700000000000",
        ",\"idle_timeout\":",
        "\"Never\"",
        ",\"buffering\":\"Spool\",\"life\":",
        life,
        ",\"host\":",
        "{\"pid\":1,\"started\":1}",
        ",\"shell\":null,\"boot_id\":\"",
        "",
        "\",\"disconnected_ms\":",
        "null",
        "}",
    ]
    .map(str::to_owned)
    .into();
    for (at, word) in words {
        let at = usize::from(*at) % parts.len();
        parts[at].clone_from(word);
    }
    parts.concat()
}

fn put(path: &Path, thing: &Thing, outside: &Path, depth: u8) {
    // What the file system refuses, it refuses to a hostile hand, too.
    let _ = match thing {
        Thing::File(bytes) => write(path, bytes),
        Thing::Link => symlink(outside, path),
        Thing::Dangling => symlink("/nowhere/at/all", path),
        Thing::Fifo => rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .map_err(Into::into),
        Thing::Socket => UnixListener::bind(path).map(drop),
        Thing::Meta { words, live } => write(path, meta(words, *live).as_bytes()),
        Thing::Directory { mode, within } if depth > 0 && fs::create_dir(path).is_ok() => {
            for (inner, thing) in within.iter().take(8) {
                if is_plain(inner.file_name().as_bytes()) {
                    put(&path.join(inner.file_name()), thing, outside, depth - 1);
                }
            }
            let mode = if mode % 4 == 0 {
                u32::from(*mode)
            } else {
                0o700
            };
            fs::set_permissions(path, Permissions::from_mode(mode & 0o777))
        }
        Thing::Directory { .. } => Ok(()),
    };
}

/// Only where there is nothing yet: a FIFO would hold us up, a link lead us away.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    fs::File::create_new(path)?.write_all(bytes)
}

fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}

/// A session nobody has touched, put beside all that.
const SOUND: InstanceId = InstanceId(Uuid::from_u128(u128::MAX));

fuzz_target!(|things: Vec<(Name, Thing)>| {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new();
    let root = scratch.directory("sessions");
    let outside = scratch.directory("outside");
    fs::write(outside.path().join("precious"), "mine").expect("write");
    fs::set_permissions(outside.path(), Permissions::from_mode(0o700)).expect("chmod");
    let sound = root.create_dir(&SOUND.to_string()).expect("create");
    fs::write(sound.path().join("meta"), meta(&[], false)).expect("write");
    for (name, thing) in things.iter().take(16) {
        let name = name.file_name();
        if is_plain(&name) {
            let path = root.path().join(std::ffi::OsStr::from_bytes(&name));
            put(&path, thing, outside.path(), 3);
        }
    }

    let registry = Registry::at(root.path()).expect("it is private");
    let instances = registry.instances().expect("it can be listed");
    let seen: BTreeSet<_> = instances.iter().copied().collect();
    assert_eq!(seen.len(), instances.len(), "a session twice");
    assert!(seen.contains(&SOUND), "a sound session is hidden");
    let name = SessionName::new("job").expect("a name");
    assert_eq!(
        registry.live_by_name(&name).expect("it can be listed"),
        None
    );
    for instance in instances {
        let Ok(entry) = registry.entry(instance) else {
            assert!(!registry.contains(instance));
            continue;
        };
        // A meta file may name any process that happens to live; nobody holds a lock.
        let _ = entry.host();
        let info = outlast_subsystem::remains::info(&entry);
        if instance == SOUND {
            assert!(matches!(info.expect("sound").life, Life::Ended(_)));
        }
        let path = entry.directory().path().to_owned();
        if entry.delete().is_ok() {
            assert!(!path.exists());
        }
    }
    let precious = fs::read(outside.path().join("precious"));
    assert_eq!(precious.expect("still there"), b"mine");
});
