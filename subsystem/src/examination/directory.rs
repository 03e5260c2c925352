//! The directory of the sessions: whether what a session puts there can be put there.

use std::io;

use outlast_protocol::finding::{Finding, Verdict};
use outlast_rendezvous::listener::{BindError, bind};
use outlast_rendezvous::{DirectoryError, Lock, PrivateDirectory};
use rustix::fs::{CWD, Mode};

use super::sentences;
use crate::registry::{Registry, SESSION_DIRECTORY};

const LAYER: &str = "directory";
/// As much as a session writes before its first output.
const TRIAL: usize = 16 * 1024;
/// File systems on other computers, by the numbers of statfs(2).
const REMOTE: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0102_1997, "9P"),
];

pub(super) fn examine() -> (Option<Registry>, Finding) {
    match Registry::open() {
        Ok(registry) => {
            let finding = judge(&registry);
            (Some(registry), finding)
        }
        Err(error) => {
            let finding = Finding::new(LAYER, Verdict::Bad, error.to_string()).hint(format!(
                "set {SESSION_DIRECTORY} on the remote end to a directory you own"
            ));
            (None, finding)
        }
    }
}

fn judge(registry: &Registry) -> Finding {
    let root = registry.root();
    let path = root.path().display();
    let mut verdict = Verdict::Good;
    let mut said = vec![path.to_string()];
    let mut hints = Vec::new();
    if let Some(missed) = registry.missed() {
        verdict = Verdict::Doubtful;
        said.push(format!("{} cannot be used", missed.display()));
        hints.push(format!("mend that, or set {SESSION_DIRECTORY}"));
    }
    if let Some(system) = remote_system(root) {
        verdict = verdict.max(Verdict::Doubtful);
        said.push(format!(
            "it is on a file system of another computer ({system})"
        ));
        hints.push(format!(
            "set {SESSION_DIRECTORY} to a directory on a local disk: sessions end with their output where the other computer is not reached"
        ));
    }
    if let Err(error) = try_out(root) {
        verdict = Verdict::Bad;
        said.push(format!("no session can be made there: {error}"));
        hints.push(remedy(&error));
    }
    Finding::new(LAYER, verdict, sentences(&said))
        .hint(sentences(&hints))
        .value("path", path)
}

fn remote_system(root: &PrivateDirectory) -> Option<&'static str> {
    #[allow(clippy::useless_conversion)] // The type differs from platform to platform.
    let kind = i64::from(rustix::fs::fstatfs(root.fd()).ok()?.f_type);
    let found = REMOTE.iter().find(|(number, _)| *number == kind);
    found.map(|(_, name)| *name)
}

/// What keeps a session from being made.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    #[error("{0}")]
    Directory(#[from] DirectoryError),
    #[error("{0}")]
    Socket(#[from] BindError),
    #[error("cannot write a file in {path}: {source}")]
    Write { path: String, source: io::Error },
    #[error("cannot make a FIFO in {path}: {source}")]
    Fifo { path: String, source: io::Error },
}

/// Makes all that a session makes in a directory of its own, and takes it away again.
fn try_out(root: &PrivateDirectory) -> Result<(), Hindrance> {
    // Not a session's name: nobody lists it.
    let name = format!("examination-{}", uuid::Uuid::from_u128(random()));
    let trial = root.create_dir(&name)?;
    let tried = fill(&trial);
    let removed = trial.remove_tree();
    tried?;
    Ok(removed?)
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    // A name that is taken only makes the trial fail with words.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u128::from_ne_bytes(bytes)
}

fn fill(trial: &PrivateDirectory) -> Result<(), Hindrance> {
    let path = || trial.path().display().to_string();
    let _lock = Lock::try_acquire(trial, "lock")?;
    bind(trial, "sock")?;
    let fifo = trial.path().join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).map_err(|errno| Hindrance::Fifo {
        path: path(),
        source: errno.into(),
    })?;
    let written = std::fs::write(trial.path().join("file"), vec![b'.'; TRIAL]);
    written.map_err(|source| Hindrance::Write {
        path: path(),
        source,
    })
}

fn remedy(error: &Hindrance) -> String {
    let kind = match error {
        Hindrance::Write { source, .. } | Hindrance::Fifo { source, .. } => Some(source.kind()),
        Hindrance::Directory(error) => error.io().map(io::Error::kind),
        Hindrance::Socket(_) => None,
    };
    match kind {
        Some(io::ErrorKind::StorageFull) => "free some space on that file system".to_owned(),
        Some(io::ErrorKind::QuotaExceeded) => {
            "your disk quota is used up: free some space, or have it raised".to_owned()
        }
        Some(io::ErrorKind::ReadOnlyFilesystem) => {
            format!(
                "set {SESSION_DIRECTORY} to a directory on a file system that can be written to"
            )
        }
        _ => format!("set {SESSION_DIRECTORY} on the remote end to another directory"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_sound_directory_is_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("sessions")).unwrap();
        let finding = judge(&registry);
        assert!(!finding.text.contains("no session"), "{finding:?}");
        assert_eq!(registry.root().names().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(120));
        let registry = Registry::at(long).unwrap();
        let finding = judge(&registry);
        // A socket is bound through the descriptor where its path is too long.
        assert_ne!(finding.verdict, Verdict::Bad, "{finding:?}");
    }

    #[test]
    fn the_remedy_fits_what_is_wrong() {
        let full = Hindrance::Write {
            path: "/x".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert!(remedy(&full).contains("free some space"));
        let read_only = Hindrance::Fifo {
            path: "/x".into(),
            source: io::ErrorKind::ReadOnlyFilesystem.into(),
        };
        assert!(remedy(&read_only).contains(SESSION_DIRECTORY));
    }

    #[test]
    fn what_others_can_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Registry::at(&open).is_err());
    }
}
