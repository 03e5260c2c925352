//! Peers that break the protocol on purpose, and what somebody put in our way: each is refused in
//! bounded time with an error that names it, and the session goes on.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and says what it skips"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::id::{ClientId, InstanceId, SessionName};
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::AttachMode;
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{Attach, Create, List, Ping, Remove, ToHost};
use outlast_protocol::session::{Buffering, IdleTimeout};
use uuid::Uuid;

const NOBODY: u32 = 65534;

/// A relay, spoken to in plain bytes.
struct Raw {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    decoder: FrameDecoder,
}

impl Raw {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut magic = [0; MAGIC.len()];
        output.read_exact(&mut magic).unwrap();
        assert_eq!(magic, *MAGIC);
        let mut raw = Self {
            input: child.stdin.take(),
            child,
            output,
            decoder: FrameDecoder::new(MAX_FRAME),
        };
        assert!(matches!(raw.hear(), Some(ToClient::Hello(_))));
        raw
    }

    fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn say(&mut self, message: impl Into<ToHost>) {
        let bytes = message.into().head(0).unwrap();
        self.write(&bytes);
    }

    /// The next message; none at the end of the link.
    fn hear(&mut self) -> Option<ToClient> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(ToClient::decode(&frame).unwrap().0);
            }
            let mut chunk = [0; 4096];
            let count = self.output.read(&mut chunk).unwrap();
            if count == 0 {
                return None;
            }
            self.decoder.push(&chunk[..count]);
        }
    }

    /// What it was refused with, be it before or after other messages.
    fn refusal(&mut self) -> (RefusalCode, String) {
        while let Some(message) = self.hear() {
            if let ToClient::Refused(refused) = message {
                return (refused.code, refused.message);
            }
        }
        panic!("the link ended without a refusal");
    }

    fn attached(&mut self) {
        match self.hear() {
            Some(ToClient::Attached(_)) => {}
            other => panic!("not attached: {other:?}"),
        }
    }

    /// The session answers.
    fn lives(&mut self, number: u64) {
        self.say(Ping { number });
        loop {
            match self.hear() {
                Some(ToClient::Pong(pong)) if pong.number == number => return,
                Some(_) => {}
                None => panic!("the link is gone"),
            }
        }
    }

    fn ends(mut self) {
        while self.hear().is_some() {}
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

struct Places {
    root: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(places.home()).unwrap();
        places
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn sessions(&self) -> PathBuf {
        self.root.path().join("sessions")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outlast-subsystem"));
        command
            .env("OUTLAST_SESSION_DIR", self.sessions())
            .env("HOME", self.home());
        command
    }

    fn relay(&self) -> Raw {
        Raw::start(&mut self.command())
    }

    /// A relay that has heard our greeting.
    fn greeted(&self) -> Raw {
        let mut raw = self.relay();
        raw.say(ToHost::Hello(hello("test", "me", "here")));
        raw
    }

    fn session(&self, number: u128) -> Raw {
        let mut raw = self.greeted();
        raw.say(create(number));
        raw.attached();
        raw
    }

    fn attach(&self, number: u128, client: u128, mode: AttachMode) -> Raw {
        let mut raw = self.greeted();
        raw.say(Attach {
            instance: instance(number),
            client: ClientId(Uuid::from_u128(client)),
            mode,
            extensions: Vec::new(),
        });
        raw
    }

    fn remove(&self, number: u128) {
        let mut raw = self.greeted();
        raw.say(Remove {
            instance: instance(number),
            extensions: Vec::new(),
        });
        assert!(matches!(raw.hear(), Some(ToClient::Removed(_))));
    }
}

fn instance(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn create(number: u128) -> Create {
    Create {
        instance: instance(number),
        client: ClientId(Uuid::from_u128(1)),
        name: SessionName::new(&format!("job{number}")).unwrap(),
        configuration: String::new(),
        idle_timeout: IdleTimeout::Never,
        buffering: Buffering::Spool,
        environment: Vec::new(),
        open_timeout_ms: 20_000,
        extensions: Vec::new(),
    }
}

fn header(length: u32, number: u8) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [a, b, c, d, number]
}

/// Before a session is attached, at the greeting and at the request.
#[test]
fn a_length_beyond_the_limit_is_refused_before_an_attach() {
    let places = Places::new();
    let mut holder = places.session(1);
    for length in [u32::MAX, MAX_FRAME_BEFORE_ATTACH + 1] {
        for mut raw in [places.relay(), places.greeted()] {
            raw.write(&header(length, 0x03));
            let (code, message) = raw.refusal();
            assert_eq!(code, RefusalCode::BAD_REQUEST);
            let announced = format!("announces {length} bytes");
            assert!(message.contains(&announced), "{message}");
            raw.ends();
            holder.lives(length.into());
        }
    }
    drop(holder);
    places.remove(1);
}

/// After it, on the link that holds the session and on one that only watches: the link ends, and
/// the session is there for the next.
#[test]
fn a_length_beyond_the_limit_ends_the_link_and_not_the_session() {
    let places = Places::new();
    let mut holder = places.session(1);
    for length in [u32::MAX, MAX_FRAME + 1] {
        let mut watcher = places.attach(1, 2, AttachMode::ReadOnly);
        watcher.attached();
        for mut raw in [watcher, holder] {
            raw.write(&header(length, 0x11));
            let (code, message) = raw.refusal();
            assert_eq!(code, RefusalCode::BAD_REQUEST);
            let announced = format!("announces {length} bytes");
            assert!(message.contains(&announced), "{message}");
            raw.ends();
        }
        holder = places.attach(1, 1, AttachMode::Connect);
        holder.attached();
        holder.lives(1);
    }
    drop(holder);
    places.remove(1);
}

/// The deadline is for all of the handshake: a byte now and then does not extend it.
#[test]
fn who_trickles_a_handshake_is_turned_away_in_time() {
    let places = Places::new();
    let mut raw = places.greeted();
    let child = rustix::process::Pid::from_child(&raw.child);
    let end = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty()).unwrap();
    let began = Instant::now();
    raw.write(&header(1000, 0x03));
    loop {
        // The event is its end; the pause is the trickle.
        let pause = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 300_000_000,
        };
        let flags = rustix::event::PollFlags::IN;
        let mut ended = [rustix::event::PollFd::new(&end, flags)];
        if rustix::event::poll(&mut ended, Some(&pause)).unwrap() > 0 {
            break;
        }
        let _ = raw.input.as_mut().unwrap().write(&[0]);
        assert!(began.elapsed() < 3 * HANDSHAKE_TIME, "it goes on and on");
    }
    assert!(began.elapsed() >= HANDSHAKE_TIME - Duration::from_secs(1));
}

/// A name, how it is put, and what the error calls it.
type Obstacle = (&'static str, Box<dyn Fn(&Path)>, &'static str);

/// What somebody put where a session's directory, or the registry's, belongs.
fn obstacles(outside: &Path) -> Vec<Obstacle> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let outside = outside.to_owned();
    let private = |path: &Path, mode| {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let mut all: Vec<Obstacle> = vec![
        (
            "link",
            Box::new(move |path| symlink(&outside, path).unwrap()),
            "symbolic link",
        ),
        (
            "fifo",
            Box::new(|path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap()),
            "not a directory",
        ),
        (
            "socket",
            Box::new(|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
            "not a directory",
        ),
        (
            "open directory",
            Box::new(move |path| private(path, 0o755)),
            "mode 0755",
        ),
    ];
    if rustix::process::geteuid().is_root() {
        all.push((
            "another user's directory",
            Box::new(move |path| {
                private(path, 0o700);
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }),
            "belongs to uid 65534",
        ));
    }
    all
}

fn clear(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

#[test]
fn what_is_in_the_registrys_place_is_named_and_not_used() {
    let places = Places::new();
    let outside = places.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for (what, put, says) in obstacles(&outside) {
        put(&places.sessions());
        let mut requests = [places.greeted(), places.greeted()];
        requests[0].say(create(1));
        requests[1].say(List {
            extensions: Vec::new(),
        });
        for raw in &mut requests {
            let (code, message) = raw.refusal();
            assert_eq!(code, RefusalCode::STORAGE, "{what}");
            assert!(message.contains(says), "{what}: {message}");
            let place = places.sessions().display().to_string();
            assert!(message.contains(&place), "{what}: {message}");
        }
        clear(&places.sessions());
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn what_is_in_a_new_sessions_place_is_named_and_not_used() {
    let places = Places::new();
    let mut holder = places.session(1);
    let outside = places.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let place = places.sessions().join(instance(2).to_string());
    for (what, put, says) in obstacles(&outside) {
        put(&place);
        let mut raw = places.greeted();
        raw.say(create(2));
        let (code, message) = raw.refusal();
        assert_eq!(code, RefusalCode::STORAGE, "{what}");
        assert!(message.contains(says), "{what}: {message}");
        holder.lives(1);
        clear(&place);
    }
    // A directory that is ours and was never a session's is cleared away; no link is followed.
    let begin = |name: &str| {
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&outside, place.join(name)).unwrap();
        let mut raw = places.greeted();
        raw.say(create(2));
        raw
    };
    for name in ["spool", "sock", "lock", "host.log", "runspace"] {
        let mut raw = begin(name);
        raw.attached();
        raw.lives(1);
        drop(raw);
        places.remove(2);
        holder.lives(2);
    }
    // What may be a session's, and cannot be read, is the user's to look at.
    let (code, message) = begin("meta").refusal();
    assert_eq!(code, RefusalCode::STORAGE);
    let meta = place.join("meta").display().to_string();
    assert!(message.contains(&meta), "{message}");
    holder.lives(3);
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    drop(holder);
    places.remove(1);
}

/// Where the home directory cannot be used, anybody may have made the directory in `/var/tmp`
/// before us, and ours within it.
#[test]
fn another_users_fallback_directory_is_named_and_not_used() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can mount, and act as another user");
        return;
    }
    let places = Places::new();
    let machine = outlast_rendezvous::machine::machine_id();
    let relay = |set_up: &str| {
        let script = format!(
            "mount -t tmpfs tmpfs /var/tmp && chmod 1777 /var/tmp && {set_up} && exec \"$0\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &script])
            .arg(env!("CARGO_BIN_EXE_outlast-subsystem"))
            .env_remove("OUTLAST_SESSION_DIR")
            .env_remove("XDG_STATE_HOME")
            .env("HOME", "/proc/nobody-s-home")
            .current_dir(places.home());
        let mut raw = Raw::start(&mut command);
        raw.say(ToHost::Hello(hello("test", "me", "here")));
        raw.say(List {
            extensions: Vec::new(),
        });
        raw
    };
    let shared = "/var/tmp/outlast-0";
    let ours = format!("{shared}/{machine}");
    for (set_up, path, says) in [
        (
            format!("mkdir -m 0777 {shared} && chown {NOBODY} {shared}"),
            shared,
            "belongs to uid 65534",
        ),
        // What is in it may be as it should: it can be exchanged at any time.
        (
            format!("mkdir -m 0700 -p {ours} && chown {NOBODY} {shared}"),
            shared,
            "belongs to uid 65534",
        ),
        (format!("mkdir -m 0777 {shared}"), shared, "mode 0777"),
        (format!("ln -s /tmp {shared}"), shared, "symbolic link"),
        (format!("mkfifo {shared}"), shared, "not a directory"),
        (
            format!("mkdir -m 0700 {shared} && ln -s /tmp {ours}"),
            &ours,
            "symbolic link",
        ),
        (
            format!("mkdir -m 0700 -p {ours} && chmod 700 {shared} && chown {NOBODY} {ours}"),
            &ours,
            "belongs to uid 65534",
        ),
    ] {
        let (code, message) = relay(&set_up).refusal();
        assert_eq!(code, RefusalCode::STORAGE, "{set_up}: {message}");
        assert!(message.contains(says), "{set_up}: {message}");
        assert!(message.contains(path), "{set_up}: {message}");
    }
    // Nothing in the way, or our own.
    for set_up in ["true", &format!("mkdir -m 0700 {shared}")] {
        let answer = relay(set_up).hear();
        assert!(matches!(answer, Some(ToClient::Listed(_))), "{answer:?}");
    }
}
