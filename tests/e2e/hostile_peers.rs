//! Processes that connect to our sockets and mean no good, and servers that say what no server
//! should: refused in bounded time and memory, and the session goes on.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use outlast_protocol::control::to_cli::ToCli;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::to_client::ToClient;
use outlast_tests::account::is_root;
use outlast_tests::{ClientMachine, Running, Sshd, Subsystem, process};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::stage::{Stage, instance, one_error, run};

/// As many as an attacker may hold.
const CROWD: usize = 10_000;
/// What a crowd may cost its victim for good, in KiB. The allocator keeps what it once had.
const COST_KIB: u64 = 16 * 1024;

/// The sockets of a client and of a session, and who listens there.
fn sockets(stage: &Stage, session: &serde_json::Value) -> [(&'static str, PathBuf, u32); 2] {
    let host = stage
        .sshd
        .session_dir()
        .join(instance(session))
        .join("sock");
    let mux = stage.machine.outlast_home().join("state/mux.sock");
    let [only] = &stage.sshd.hosts()[..] else {
        panic!("one host");
    };
    [
        ("host", host, only.pid),
        ("mux", mux, stage.machine.mux_pid()),
    ]
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The session works, for its client and for one that comes along.
#[track_caller]
fn works(stage: &Stage, other: &ClientMachine) {
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo fine"])
        .success()
        .stdout_is("fine\n");
    run(other, &["get", "server"]).success().stdout_has("job");
    run(other, &["connect", "--steal", "-c", "server", "job"]).success();
    run(&stage.machine, &["connect", "--steal", "job"]).success();
}

/// Room for both ends of a crowd in this process; false if there is none to be had.
fn make_room() -> bool {
    let wanted = CROWD as u64 + 500;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let maximum = Some(most.max(wanted));
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum,
        },
    )
    .is_ok()
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    if !make_room() {
        eprintln!("skipped: only root may have so many files open");
        return;
    }
    let stage = Stage::set();
    let session = stage.new_session("job");
    let other = stage.second_client();
    works(&stage, &other);
    for (who, socket, pid) in sockets(&stage, &session) {
        let before = (descriptors(pid), process::proportional_memory_kib(pid));
        let mut crowd: Vec<UnixStream> = (0..CROWD)
            .map(|_| UnixStream::connect(&socket).unwrap())
            .collect();
        works(&stage, &other);
        let during = (descriptors(pid), process::proportional_memory_kib(pid));
        println!("{who}: descriptors and KiB before {before:?}, during {during:?}");
        assert!(during.0 < before.0 + 300, "{who} keeps them all");
        let grown = during.1.unwrap().saturating_sub(before.1.unwrap());
        assert!(grown < COST_KIB, "{who} has grown by {grown} KiB");
        // All but the newest were sent away, and see it.
        for stream in &mut crowd[..CROWD - 300] {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }
        drop(crowd);
        works(&stage, &other);
    }
    stage.strike(vec![other]);
}

/// Even where an administrator's `chmod` opens the directories, another user is not listened to.
#[test]
fn another_user_at_a_socket_is_not_heard() {
    if !is_root() {
        eprintln!("skipped: needs root to act as another user");
        return;
    }
    let connect = r#"
        use Socket;
        $) = "65534 65534"; $> = 65534;
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die $!;
        $| = 1;
        connect($s, sockaddr_un($ARGV[0])) or do { print "refused: $!\n"; exit };
        $SIG{PIPE} = "IGNORE";
        syswrite($s, "\0\0\0\1\1\1" x 100);
        my $got = sysread($s, my $said, 1000) // 0;
        print "heard $got bytes\n";
    "#;
    let nobody = |socket: &Path| {
        let mut command = Command::new("perl");
        command.args(["-e", connect]).arg(socket);
        Running::start(&mut command).wait()
    };
    let stage = Stage::set();
    let session = stage.new_session("job");
    for (who, socket, pid) in sockets(&stage, &session) {
        nobody(&socket)
            .success()
            .stdout_is("refused: Permission denied\n");
        let opened: Vec<(PathBuf, Permissions)> = socket
            .ancestors()
            .filter(|path| path.parent().is_some() && *path != Path::new("/tmp"))
            .map(|path| (path.to_owned(), fs::metadata(path).unwrap().permissions()))
            .collect();
        for (path, _) in &opened {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        let before = descriptors(pid);
        for _ in 0..50 {
            nobody(&socket).success().stdout_is("heard 0 bytes\n");
        }
        for (path, mode) in opened {
            fs::set_permissions(path, mode).unwrap();
        }
        run(&stage.machine, &["invoke", "-n", "-s", "job", "echo fine"])
            .success()
            .stdout_is("fine\n");
        assert!(descriptors(pid) <= before + 2, "{who} keeps them");
    }
    stage.strike(Vec::new());
}

/// To the mux, before and after the greeting; to the host, in place of a hand-over.
#[test]
fn a_length_of_four_gigabytes_is_refused_at_every_socket() {
    let stage = Stage::set();
    let session = stage.new_session("job");
    let greeting = outlast_protocol::control::to_mux::ToMux::from(control_hello());
    let greeting = greeting.head(0).unwrap();
    for (who, socket, pid) in sockets(&stage, &session) {
        let before = process::proportional_memory_kib(pid).unwrap();
        for prefix in [&[][..], &greeting] {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.write_all(prefix).unwrap();
            stream.write_all(&[0xff; 5]).unwrap();
            let mut said = Vec::new();
            // A reset is an answer, too.
            let _ = stream.read_to_end(&mut said);
            if who == "mux" {
                let said = String::from_utf8_lossy(&said);
                assert!(said.contains("announces 4294967295 bytes"), "{said}");
            }
        }
        let after = process::proportional_memory_kib(pid).unwrap();
        assert!(
            after < before + COST_KIB,
            "{who}: {before} KiB, then {after}"
        );
        run(&stage.machine, &["invoke", "-n", "-s", "job", "echo fine"])
            .success()
            .stdout_is("fine\n");
    }
    stage.strike(Vec::new());
}

fn control_hello() -> outlast_protocol::hello::Hello {
    use outlast_protocol::hello::CONTROL_PROTOCOL;
    outlast_protocol::hello::Hello {
        protocol: CONTROL_PROTOCOL,
        oldest: CONTROL_PROTOCOL,
        ..hello("fake", "me", "here")
    }
}

/// A process of our own in the mux's place that speaks nonsense: the command line says so and ends.
#[test]
fn a_mux_that_speaks_nonsense_is_named() {
    let hello = ToCli::from(control_hello()).head(0).unwrap();
    let long = [hello, vec![0xff; 5]].concat();
    for (says, answer) in [
        ("announces 4294967295 bytes", vec![0xff; 5]),
        ("announces 4294967295 bytes", long),
        ("0x7f", vec![0, 0, 0, 0, 0x7f]),
    ] {
        let machine = ClientMachine::new();
        let state = machine.outlast_home().join("state");
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
        let listener = UnixListener::bind(state.join("mux.sock")).unwrap();
        let asked = machine.spawn(&["get"]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&answer).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // No other one is listened to while this one is there.
        let output = asked.wait();
        output.no_panic().code(255).stdout_is("");
        output.stderr_has("error: ").stderr_has(says);
        drop(listener);
    }
}

/// Whatever stands in the place of one of the client's own files is named, and nothing waits for
/// it or follows it.
#[test]
fn obstacles_in_the_place_of_the_clients_files_are_named() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let machine = ClientMachine::new();
    let state = machine.outlast_home().join("state");
    fs::create_dir_all(&state).unwrap();
    for directory in [&machine.outlast_home(), &state] {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    }
    let outside = machine.home().join("outside");
    type Put<'a> = &'a dyn Fn(&Path);
    let kinds: [(&str, Put<'_>); 5] = [
        ("link", &|path| symlink(&outside, path).unwrap()),
        ("dangling link", &|path| symlink("/nowhere", path).unwrap()),
        ("directory", &|path| fs::create_dir(path).unwrap()),
        ("fifo", &|path| {
            mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap()
        }),
        ("file", &|path| fs::write(path, "mine").unwrap()),
    ];
    for file in ["mux.sock", "mux.lock", "mux.log", "sessions.json"] {
        for (kind, put) in kinds {
            // A lock may be any file, a log may have been begun.
            let fits = file == "mux.lock" && ["fifo", "file"].contains(&kind)
                || file == "mux.log" && kind == "file";
            fs::write(&outside, "mine").unwrap();
            let path = state.join(file);
            put(&path);
            let output = run(&machine, &["get"]);
            if fits {
                output.success();
                run(&machine, &["mux", "stop"]).success();
                for process in machine.processes() {
                    process::wait_gone(process.pid);
                }
            } else {
                output.code(1).stdout_is("");
                output.stderr_has("error: ").stderr_has(file);
                assert_eq!(machine.processes(), [], "{kind} {file}");
            }
            assert_eq!(
                fs::read_to_string(&outside).unwrap(),
                "mine",
                "{kind} {file}"
            );
            for entry in fs::read_dir(&state).unwrap().flatten() {
                let _ = fs::remove_file(entry.path());
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// What a login shell prints before the subsystem speaks: 64 KiB of it are passed over, whatever
/// they look like.
#[test]
fn noise_before_the_greeting_is_passed_over_up_to_its_limit() {
    let beginning = octal(&MAGIC[..MAGIC.len() - 3]);
    for noise in [
        "head -c 65536 /dev/zero".to_owned(),
        "head -c 65530 /dev/urandom".to_owned(),
        format!("printf '{beginning}'"),
        format!("for i in 1 2 3 4 5; do printf '{beginning}{beginning}'; done"),
        "printf 'no line break'".to_owned(),
    ] {
        let stage = Stage::before(Sshd::builder().bashrc(&format!("{noise}\n")).start());
        stage.new_session("job");
        run(&stage.machine, &["invoke", "-n", "-s", "job", "echo fine"])
            .success()
            .stdout_is("fine\n");
        stage.strike(Vec::new());
    }
}

/// More of it, or what passes for the greeting and is none, is an error that shows it.
#[test]
fn noise_beyond_its_limit_and_false_greetings_are_named() {
    let magic = octal(MAGIC);
    let greeting = octal(
        &ToClient::from(hello("fake", "me", "there"))
            .head(0)
            .unwrap(),
    );
    for (noise, says) in [
        ("head -c 65537 /dev/zero | tr '\\0' x".to_owned(), "xxxx"),
        (
            "yes 'rc: for ever' | head -c 1000000".to_owned(),
            "rc: for ever",
        ),
        // The true greeting then looks like the beginning of a long frame.
        (
            format!("printf '{magic}'"),
            "before the greeting was complete",
        ),
        (
            format!("printf '{magic}\\377\\377\\377\\377\\001'"),
            "announces 4294967295 bytes",
        ),
        (format!("printf '{magic}\\0\\0\\0\\0\\177'"), "0x7f"),
        (format!("printf '{magic}\\0\\0\\0\\1\\201\\377'"), "Hello"),
        (
            format!("printf '{magic}{greeting}\\377\\377\\377\\377\\210'"),
            "announces 4294967295 bytes",
        ),
    ] {
        let sshd = Sshd::builder().bashrc(&format!("{noise}\n")).start();
        let machine = ClientMachine::knowing("server", &sshd);
        for args in [&["get", "server"][..], &["new", "server"]] {
            let output = run(&machine, args);
            one_error(&output, 255, &["server"], "");
            output.stderr_has(says);
        }
        sshd.wait_nothing_left();
    }
}

/// The same from a program in the subsystem's place, which then stays and says no more.
#[test]
fn a_server_that_announces_four_gigabytes_is_left() {
    let greeting = ToClient::from(hello("fake", "me", "there"))
        .head(0)
        .unwrap();
    for announced in [
        &[0xff, 0xff, 0xff, 0xff, 0x88][..],
        &[0x00, 0x10, 0x00, 0x01, 0x82],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("subsystem.sh");
        let said = octal(&[MAGIC.as_slice(), &greeting, announced].concat());
        fs::write(&program, format!("printf '{said}'\nexec cat >/dev/null\n")).unwrap();
        let command = format!("/bin/sh {}", program.display());
        let sshd = Sshd::builder()
            .bashrc("")
            .subsystem(Subsystem::Command(command))
            .start();
        let machine = ClientMachine::knowing("server", &sshd);
        for args in [&["get", "server"][..], &["new", "server"]] {
            let output = run(&machine, args);
            one_error(&output, 255, &["server", "announces"], "");
        }
    }
}

fn octal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:03o}")).collect()
}
