//! The home directory that sessions see.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{Builder, Sudoer};
use crate::account::{Account, is_root};

/// What every shell of a session prints before anything else.
pub const NOISE: &str = "-- noise from the rc file, before everything --";

/// sshd takes the home from the password database. As root we give it a mount namespace in which
/// a temporary directory lies over that path: `~`, `$HOME` and the database agree, and the real
/// home cannot even be seen. Where that is impossible (not root, or a container without
/// CAP_SYS_ADMIN) sshd's `SetEnv HOME=` moves `$HOME` alone: rc files and `~` come from the
/// temporary directory, but sessions *start* in the real home.
pub struct Home {
    path: PathBuf,
    bin: PathBuf,
    mounted_over: Option<PathBuf>,
    /// Further files, and what they lie over.
    covers: Vec<(PathBuf, PathBuf)>,
}

impl Home {
    pub(super) fn create(directory: &Path, settings: &Builder) -> Self {
        let real = Account::current().home;
        assert!(
            !directory.starts_with(&real),
            "the temporary directory {} is inside the home that is about to be covered: \
             set TMPDIR to a place outside of {}",
            directory.display(),
            real.display()
        );
        let mut home = Self {
            path: directory.join("home"),
            bin: directory.join("bin"),
            mounted_over: (settings.may_mount && can_mount()).then_some(real),
            covers: match (settings.sudoer, &settings.login) {
                (true, None) => Sudoer::files(directory),
                (false, Some(login)) => login.files(directory),
                (false, None) => Vec::new(),
                (true, Some(_)) => panic!("both lie over /etc/shadow"),
            },
        };
        home.covers.extend(settings.covers.iter().cloned());
        fs::create_dir(&home.path).unwrap();
        fs::create_dir(&home.bin).unwrap();
        make_private(&home.path);
        let noise = format!("echo '{NOISE}'\necho '{NOISE}' >&2\n");
        let bashrc = settings.bashrc.as_ref().unwrap_or(&noise);
        fs::write(home.path.join(".bashrc"), bashrc).unwrap();
        fs::write(home.path.join(".zshenv"), &noise).unwrap();
        home
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_mounted(&self) -> bool {
        self.mounted_over.is_some()
    }

    /// Where sessions find the remote end.
    pub fn subsystem(&self) -> PathBuf {
        self.bin.join("outlast-subsystem")
    }

    /// A command that runs its arguments with this home. `binary` is brought along by a mount of
    /// its own, since a checkout below the real home is out of sight in there.
    pub(super) fn command(&self, binary: Option<&Path>) -> Command {
        if is_root() {
            // sshd refuses to start without it; packages make it, containers forget it.
            let _ = fs::create_dir_all("/run/sshd");
        }
        let Some(real) = &self.mounted_over else {
            if let Some(binary) = binary {
                let _ = symlink(binary, self.subsystem());
            }
            return Command::new("env");
        };
        if binary.is_some() {
            fs::write(self.subsystem(), "").unwrap();
        }
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-ec",
                ENTER,
                "sh",
            ])
            .args([&self.path, real])
            .arg(binary.unwrap_or(Path::new("")))
            .arg(self.subsystem());
        for (file, place) in &self.covers {
            command.args([file, place]);
        }
        command.arg("--");
        command
    }
}

/// `exec`, so that the process the harness started is sshd.
const ENTER: &str = r#"
[ -z "$3" ] || mount --bind "$3" "$4"
mount --bind "$1" "$2"
shift 4
while [ "$1" != -- ]; do
  mount --bind "$1" "$2"
  shift 2
done
shift
exec "$@"
"#;

fn can_mount() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let tried = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "true"])
            .stderr(Stdio::null())
            .status();
        let can = is_root() && tried.is_ok_and(|status| status.success());
        if !can {
            eprintln!("note: no mount namespace here; sessions get their home by SetEnv HOME=");
        }
        can
    })
}

pub(super) fn make_private(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
}
