//! What happens in the sandbox, before the script and after it: the first process of new
//! namespaces makes a root of its own, gives up every capability, and runs one command.
//!
//! The root is a file system in memory. The system's own directories lie over it as they are, and
//! what is written to them goes into memory; of devices there are a few harmless ones, of the
//! kernel's settings none can be written, of other processes none can be seen, and there is no
//! network. Homes, `/run` and everything else of the machine's is not there at all.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::mount::{MountFlags, UnmountFlags};
use rustix::process::{Resource, Rlimit};

/// Where the script finds an empty home.
pub(crate) const HOME: &str = "/tmp/home";
/// Where the sessions of the sandbox are.
pub(crate) const SESSIONS: &str = "/run/sessions";
/// Where the programs under test are.
pub(crate) const PROGRAMS: &str = "/programs";

/// Laid under what is written.
const SYSTEM: [&str; 5] = ["etc", "opt", "srv", "usr", "var"];
/// Links into `usr`, or else directories.
const MERGED: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"];
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "fd/2"),
    ("stdin", "fd/0"),
    ("stdout", "fd/1"),
];
/// What of the kernel belongs to the whole machine.
const KERNEL: [&str; 11] = [
    "acpi",
    "asound",
    "bus",
    "driver",
    "dynamic_debug",
    "fs",
    "irq",
    "mtrr",
    "scsi",
    "sys",
    "sysrq-trigger",
];
const FILES: u64 = 256 << 20;
const PROCESSES: u64 = 1000;

/// `BASE FIRST-PID PROGRAMS SUITE|- DIRECTORY COMMAND…`, as [`super::sandbox`] says it.
pub(crate) fn inside(words: &[&str]) -> ExitCode {
    let [base, first, programs, suite, directory, command @ ..] = words else {
        eprintln!("this is run by `cargo xtask sample`");
        return ExitCode::from(2);
    };
    let suite = Some(Path::new(suite)).filter(|suite| suite.as_os_str() != "-");
    let made = make(Path::new(base), first, Path::new(programs), suite);
    match made.and_then(|()| run(Path::new(directory), command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", super::sandbox::BROKEN);
            ExitCode::from(super::sandbox::BROKEN_CODE)
        }
    }
}

fn make(base: &Path, first: &str, programs: &Path, suite: Option<&Path>) -> io::Result<()> {
    memory(base, "size=512m,mode=755")?;
    for directory in [
        "layers", "old", "proc", "sys", "tmp", "run", "dev", "root", "home", "mnt",
    ] {
        std::fs::create_dir(base.join(directory))?;
    }
    for name in SYSTEM {
        overlay(base, name, &Path::new("/").join(name))?;
    }
    for name in MERGED {
        let original = Path::new("/").join(name);
        if original.is_symlink() {
            symlink(std::fs::read_link(&original)?, base.join(name))?;
        } else if original.is_dir() {
            overlay(base, name, &original)?;
        }
    }
    for name in ["tmp", "var/tmp", "run"] {
        memory(&base.join(name), "size=64m,mode=1777")?;
    }
    bind(
        programs,
        &base.join(PROGRAMS.trim_start_matches('/')),
        MountFlags::RDONLY,
    )?;
    if let Some(suite) = suite {
        overlay(base, "suite", suite)?;
    }
    devices(&base.join("dev"))?;
    kernel(&base.join("proc"), first)?;
    memory_with(&base.join("sys"), MountFlags::RDONLY, "mode=755")?;
    for name in [HOME, SESSIONS, "/run/outlast"] {
        let path = base.join(name.trim_start_matches('/'));
        std::fs::create_dir_all(&path)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    }
    if suite.is_some() {
        std::fs::write(base.join("tmp/home/.bash_profile"), PROFILE)?;
    }
    rustix::process::pivot_root(base, base.join("old"))?;
    std::env::set_current_dir("/")?;
    rustix::mount::unmount("old", UnmountFlags::DETACH)?;
    Ok(())
}

/// What bash's tests want to be there.
const PROFILE: &str = "\
export THIS_SH=$BASH BUILD_DIR=/suite TMPDIR=/tmp BASH_TSTOUT=/tmp/tstout
export PATH=/suite/bin:.:$PATH
cd /suite/tests
";

fn memory(at: &Path, options: &str) -> io::Result<()> {
    memory_with(at, MountFlags::empty(), options)
}

fn memory_with(at: &Path, flags: MountFlags, options: &str) -> io::Result<()> {
    let options = CString::new(options)?;
    let flags = flags | MountFlags::NOSUID;
    rustix::mount::mount("tmpfs", at, "tmpfs", flags, options.as_c_str())?;
    Ok(())
}

/// A directory whose changes stay in memory.
fn overlay(base: &Path, name: &str, original: &Path) -> io::Result<()> {
    if !original.is_dir() {
        return Ok(());
    }
    let (upper, work) = (
        base.join("layers").join(name),
        base.join("layers").join(format!("{name}.work")),
    );
    let at = base.join(name);
    for directory in [&upper, &work, &at] {
        std::fs::create_dir(directory)?;
    }
    let mut options = OsString::from("userxattr,lowerdir=");
    for (word, path) in [("", original), (",upperdir=", &upper), (",workdir=", &work)] {
        options.push(word);
        options.push(path);
    }
    let options = CString::new(options.into_encoded_bytes())?;
    rustix::mount::mount(
        "overlay",
        &at,
        "overlay",
        MountFlags::NOSUID,
        options.as_c_str(),
    )?;
    Ok(())
}

fn bind(original: &Path, at: &Path, flags: MountFlags) -> io::Result<()> {
    match original.is_dir() {
        true => std::fs::create_dir_all(at)?,
        false if at.exists() => {}
        false => drop(std::fs::File::create(at)?),
    }
    rustix::mount::mount_bind(original, at)?;
    rustix::mount::mount_remount(at, MountFlags::BIND | MountFlags::NOSUID | flags, "")?;
    Ok(())
}

fn devices(at: &Path) -> io::Result<()> {
    memory(at, "size=64m,mode=755")?;
    for name in DEVICES {
        // Written to they may be, but not changed.
        bind(
            &Path::new("/dev").join(name),
            &at.join(name),
            MountFlags::RDONLY,
        )?;
    }
    for name in ["pts", "shm"] {
        std::fs::create_dir(at.join(name))?;
    }
    let options = c"newinstance,ptmxmode=0666,mode=620";
    rustix::mount::mount(
        "devpts",
        at.join("pts"),
        "devpts",
        MountFlags::NOSUID,
        options,
    )?;
    for (name, target) in LINKS {
        symlink(target, at.join(name))?;
    }
    Ok(())
}

fn kernel(at: &Path, first: &str) -> io::Result<()> {
    rustix::mount::mount("proc", at, "proc", MountFlags::NOSUID, None)?;
    // Not the same numbers every time: what depends on them is found out.
    std::fs::write(at.join("sys/kernel/ns_last_pid"), first)?;
    for name in KERNEL {
        let path = at.join(name);
        if path.exists() {
            bind(&path, &path, MountFlags::RDONLY)?;
        }
    }
    Ok(())
}

/// Runs the command with no rights beyond those of an ordinary user's, in a session of its own.
fn run(directory: &Path, command: &[&str]) -> io::Result<ExitCode> {
    rustix::process::setsid()?;
    for (resource, most) in [
        (Resource::Fsize, FILES),
        (Resource::Nproc, PROCESSES),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    let mut setpriv = Command::new("setpriv");
    setpriv.args([
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--no-new-privs",
    ]);
    let directory = if directory.is_dir() {
        directory.to_owned()
    } else {
        PathBuf::from("/")
    };
    let status = setpriv
        .args(command)
        .current_dir(directory)
        .stdin(Stdio::null())
        .status()?;
    let code = status.code().or_else(|| {
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        signal.map(|signal| 128_i32.saturating_add(signal))
    });
    Ok(ExitCode::from(
        u8::try_from(code.unwrap_or(255)).unwrap_or(255),
    ))
}
