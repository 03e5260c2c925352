//! Other users' things in our way, and rc files that do what they should not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use outlast_tests::account::is_root;
use outlast_tests::{ClientMachine, Gate, Running, Sshd, process};

use crate::stage::{Stage, get, one_error, run};

const NOBODY: u32 = 65534;

/// What somebody put where a private directory belongs, and what the error calls it.
type Obstacle = (&'static str, fn(&Path), &'static str);

fn obstacles() -> Vec<Obstacle> {
    let mut all: Vec<Obstacle> = vec![
        (
            "symlink",
            |path| symlink("/tmp", path).unwrap(),
            "symbolic link",
        ),
        (
            "dangling symlink",
            |path| symlink("/nowhere/at/all", path).unwrap(),
            "symbolic link",
        ),
        (
            "file",
            |path| fs::write(path, "").unwrap(),
            "not a directory",
        ),
        (
            "open directory",
            |path| {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            },
            "0777",
        ),
    ];
    if is_root() {
        all.push((
            "another user's directory",
            |path| {
                fs::create_dir(path).unwrap();
                fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            },
            "belongs to uid 65534",
        ));
        all.push((
            "another user's symlink",
            |path| {
                symlink("/tmp", path).unwrap();
                std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            },
            "symbolic link",
        ));
    }
    all
}

fn clear(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

#[test]
fn obstacles_in_the_clients_place_are_named_and_not_used() {
    let sshd = Sshd::start();
    let machine = ClientMachine::knowing("server", &sshd);
    fs::create_dir_all(machine.outlast_home()).unwrap();
    let state = machine.outlast_home().join("state");
    for (what, put, says) in obstacles() {
        put(&state);
        for args in [&["get"][..], &["new", "server"], &["mux", "status"]] {
            let output = run(&machine, args);
            output.code(1).stdout_is("").stderr_has(says);
            output.stderr_has(state.to_str().unwrap());
            output.stderr_has("OUTLAST_HOME").stderr_has("error: ");
        }
        assert_eq!(machine.processes(), [], "after {what}");
        assert!(!Path::new("/tmp/mux.sock").exists(), "after {what}");
        clear(&state);
    }
    run(&machine, &["get"]).success();
}

/// Another user's process listens where our mux would: nothing is said to it.
#[test]
fn foreign_listener_at_the_mux_socket_is_not_spoken_to() {
    if !is_root() {
        eprintln!("skipped: needs root to act as another user");
        return;
    }
    let machine = ClientMachine::new();
    let home = machine.outlast_home();
    let state = home.join("state");
    fs::create_dir_all(&state).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    // Peer credentials are those of whoever called listen(2): bind as root, listen as nobody.
    let listen = r#"
        use Socket;
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die $!;
        bind($s, sockaddr_un($ARGV[0])) or die $!;
        $) = "65534 65534"; $> = 65534;
        listen($s, 5) or die $!;
        $| = 1; print "listening\n";
        accept(my $c, $s) or die $!;
        sysread($c, my $said, 1000);
        print "heard: $said\n";
        <STDIN>;
    "#;
    let mut command = Command::new("perl");
    command.args(["-e", listen]).arg(state.join("mux.sock"));
    let listener = Running::start(&mut command);
    listener.wait_line("listening");
    let output = run(&machine, &["get"]);
    output.code(1).stdout_is("").stderr_has("error: ");
    output.stderr_has("65534");
    listener.wait_line("heard:");
    assert_eq!(listener.stdout.text(), "listening\nheard: \n");
}

#[test]
fn obstacles_at_the_session_directory_are_named_and_not_used() {
    let stage = Stage::set();
    let directory = stage.sshd.session_dir();
    for (_, put, says) in obstacles() {
        clear(&directory);
        put(&directory);
        let output = run(&stage.machine, &["new", "server"]);
        let says = [says, directory.to_str().unwrap()];
        one_error(&output, 255, &says, "OUTLAST_SESSION_DIR");
        assert!(
            !output.stderr_text().contains("OUTLAST_HOME"),
            "that is the client's\n{output}"
        );
        let output = run(&stage.machine, &["get", "server"]);
        one_error(&output, 255, &says, "OUTLAST_SESSION_DIR");
        assert_eq!(stage.sshd.hosts(), []);
    }
    clear(&directory);
    stage.new_session("job");
    stage.strike(Vec::new());
}

/// Rubbish beside good sessions hides none of them.
#[test]
fn obstacles_among_the_sessions_hide_none() {
    let stage = Stage::set();
    stage.new_session("job");
    let directory = stage.sshd.session_dir();
    let mut instances = Vec::new();
    for (number, (_, put, _)) in obstacles().into_iter().enumerate() {
        let instance = format!("00000000-0000-4000-8000-00000000000{number}");
        put(&directory.join(&instance));
        instances.push(instance);
    }
    fs::write(directory.join("notes.txt"), "mine").unwrap();
    let second = stage.second_client();
    run(&second, &["get", "server"])
        .success()
        .stdout_has("job")
        .stderr_is("");
    run(&stage.machine, &["new", "server", "-n", "other"]).success();
    run(&stage.machine, &["invoke", "-n", "-s", "job,other", "true"]).success();
    for instance in instances {
        let output = run(&second, &["connect", "-c", "server", &instance]);
        output.stderr_has("error: ");
        clear(&directory.join(&instance));
    }
    fs::remove_file(directory.join("notes.txt")).unwrap();
    stage.strike(vec![second]);
}

/// The remote login shell runs `.bashrc` before the subsystem: what it does there ends or delays
/// the link itself. (What it says on stderr goes to sshd's log, as for every subsystem.)
#[test]
fn rc_file_that_ends_the_login_shell_is_quoted() {
    for (rc, says) in [
        ("echo 'rc: goodbye'; exit 3\n", "rc: goodbye"),
        ("echo 'rc: not that way'; exec true\n", "rc: not that way"),
        ("echo 'rc: killed'; kill -9 $$\n", "rc: killed"),
    ] {
        let sshd = Sshd::builder().bashrc(rc).start();
        let machine = ClientMachine::knowing("server", &sshd);
        let output = run(&machine, &["new", "server"]);
        one_error(&output, 255, &["server", says], "");
        sshd.wait_nothing_left();
        for relay in sshd.relays() {
            process::wait_gone(relay.pid);
        }
    }
}

#[test]
fn rc_file_that_hangs_the_login_shell_is_quoted_in_time() {
    let gate = Gate::new();
    let rc = format!("echo 'rc: waiting for Godot'; read -r _ <{}\n", gate.word());
    let sshd = Sshd::builder().bashrc(&rc).start();
    let machine = ClientMachine::knowing("server", &sshd);
    let output = run(&machine, &["new", "server"]);
    one_error(&output, 255, &["server", "rc: waiting for Godot"], "");
    assert_eq!(sshd.hosts(), []);
    // sshd leaves the login shell to itself. When it goes on, it finds nobody there.
    gate.open();
    sshd.wait_nothing_left();
}

/// Only the session's own, interactive login shell reads this one: the link is up.
#[test]
fn rc_file_that_spoils_the_runspace_is_quoted() {
    let gate = Gate::new();
    let hang = format!("read -r _ <{}", gate.word());
    for (does, says) in [
        (hang.as_str(), "did not finish within 2 s"),
        ("exit 7", "ended with"),
        ("exec true", "ended with"),
        ("exec cat", "did not finish within 2 s"),
    ] {
        let stage = Stage::set();
        let profile = stage.sshd.home().join(".bash_profile");
        fs::write(&profile, format!("echo 'rc: words of wisdom'\n{does}\n")).unwrap();
        let args = ["new", "server", "-n", "job", "--open-timeout", "2s"];
        let output = run(&stage.machine, &args);
        one_error(&output, 255, &[says, "rc: words of wisdom"], ".bashrc");
        stage.sshd.wait_nothing_left();
        assert_eq!(stage.sshd.hosts(), []);
        // The name is free again, and a mended file is all it takes.
        fs::write(&profile, "").unwrap();
        run(&stage.machine, &args).success();
        assert_eq!(get(&stage.machine, "job")["state"], "Opened");
        stage.strike(Vec::new());
    }
}

/// What cannot be read is the user's to look at: starting an empty list over it would lose it.
#[test]
fn damaged_list_of_sessions_is_told_and_not_overwritten() {
    let stage = Stage::set();
    stage.new_session("job");
    let mux = stage.machine.mux_pid();
    run(&stage.machine, &["mux", "stop"]).success();
    process::wait_gone(mux);
    let file = stage.machine.outlast_home().join("state/sessions.json");
    let whole = fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"\xff\xfe"] {
        fs::write(&file, damaged).unwrap();
        let output = run(&stage.machine, &["get"]);
        output
            .code(1)
            .stderr_has("sessions.json")
            .stderr_has("error: ");
        assert_eq!(fs::read(&file).unwrap(), damaged);
    }
    fs::remove_file(&file).unwrap();
    run(&stage.machine, &["get", "server"])
        .success()
        .stdout_has("job");
    run(&stage.machine, &["connect", "job"]).success();
    stage.strike(Vec::new());
}

/// Whoever speaks nonsense to the mux harms nobody.
#[test]
fn nonsense_on_the_mux_socket_is_turned_away() {
    use std::io::{Read, Write};
    let stage = Stage::set();
    stage.new_session("job");
    let socket = stage.machine.outlast_home().join("state/mux.sock");
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100], &[0; 100]] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.write_all(nonsense).unwrap();
        let mut rest = Vec::new();
        // A reset is an answer, too.
        let _ = stream.read_to_end(&mut rest);
    }
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo fine"])
        .success()
        .stdout_is("fine\n");
    stage.strike(Vec::new());
}
