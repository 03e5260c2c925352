//! What goes into a command and what comes out of it, byte for byte.

use std::io::Write;
use std::process::{Command, Stdio};

use outlast_tests::stream::{assert_stream, binary, numbered, numbered_script};
use outlast_tests::{Gate, Output};

use crate::world::World;

const LARGE: usize = 64 * 1024 * 1024;

/// `sha256sum` of some bytes, as it prints it for its standard input.
fn checksum(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum is part of coreutils");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

impl World {
    #[track_caller]
    fn feed(&self, script: &str, stdin: &[u8]) -> Output {
        self.machine
            .outlast_with_stdin(&["invoke", "-s", "work", script], stdin)
    }
}

fn streams_are_apart_and_exact(world: &World) {
    let output = world.invoke(r"printf 'out\0\377\r\n\033[1m'; printf 'err\0\376' >&2");
    output.success();
    assert_stream(&output.stdout, b"out\0\xff\r\n\x1b[1m");
    assert_stream(&output.stderr, b"err\0\xfe");
    world
        .invoke("printf x")
        .success()
        .stdout_is("x")
        .stderr_is("");
    world
        .invoke("printf x >&2")
        .success()
        .stdout_is("")
        .stderr_is("x");
    world.invoke("printf '\\n'").success().stdout_is("\n");
    world.invoke(":").success().stdout_is("").stderr_is("");
    world
        .invoke("echo 'only 1' >&2; exit 3")
        .code(3)
        .stdout_is("")
        .stderr_is("only 1\n");
}

#[test]
fn output_streams_are_apart_and_exact() {
    streams_are_apart_and_exact(&World::new().with_session());
}

#[test]
fn output_streams_are_apart_and_exact_on_this_computer() {
    let world = World::local().with_session();
    streams_are_apart_and_exact(&world);
    world.outlast(&["remove", "work"]).success();
}

fn input_passes_unchanged(world: &World) {
    for input in [
        &b""[..],
        b"\0",
        b"no newline at the end",
        b"\n",
        b"a\0b\xff\r\n\x03\x04\x1a",
    ] {
        world
            .feed("cat", input)
            .success()
            .stdout_is_stream(input)
            .stderr_is("");
    }
    let input = binary(300_001);
    world.feed("cat", &input).success().stdout_is_stream(&input);
    world.feed("wc -c", &input).success().stdout_is("300001\n");
    world.feed("cat >&2", &input).success().stdout_is("");
    // A part of it is enough for some.
    world
        .feed("head -c 3", &input)
        .success()
        .stdout_is_stream(&input[..3]);
    world.feed("true", &input).success().stdout_is("");
    world
        .feed(
            "read -r x; echo \"[$x]\"; read -r x; echo \"[$x]\"",
            b"one\ntwo\nthree\n",
        )
        .success()
        .stdout_is("[one]\n[two]\n");
}

#[test]
fn input_reaches_the_command_unchanged() {
    let world = World::new().with_session();
    input_passes_unchanged(&world);
    world.remove_and_leave_nothing();
}

#[test]
fn input_reaches_the_command_unchanged_on_this_computer() {
    let world = World::local().with_session();
    input_passes_unchanged(&world);
    world.outlast(&["remove", "work"]).success();
}

#[test]
fn program_gets_the_input_too() {
    let world = World::new().with_session();
    let args = ["invoke", "-s", "work", "--", "tr", "a-z", "A-Z"];
    world
        .machine
        .outlast_with_stdin(&args, b"shout")
        .success()
        .stdout_is("SHOUT");
}

#[test]
fn input_and_output_take_turns() {
    let world = World::new().with_session();
    let mut running = world.start("while read -r line; do echo \"<$line>\"; done; echo end");
    for word in ["one", "two", "three"] {
        running.send(format!("{word}\n"));
        assert_eq!(running.wait_line(word), format!("<{word}>"));
    }
    running.close_stdin();
    running
        .wait()
        .success()
        .stdout_is("<one>\n<two>\n<three>\nend\n")
        .stderr_is("");
}

/// The end of the command is the end, whatever the terminal or pipe on our stdin does.
#[test]
fn open_input_does_not_hold_the_command_up() {
    let world = World::new().with_session();
    let running = world.start("echo done");
    let running = {
        running.wait_line("done");
        running
    };
    running.wait().success().stdout_is("done\n").stderr_is("");
}

#[test]
fn dash_n_gives_no_input_and_takes_none() {
    let world = World::new().with_session();
    let script = r#"{ outlast invoke -n -s work 'wc -c'; cat; }"#.replace(
        "outlast",
        outlast_tests::binaries::outlast().to_str().unwrap(),
    );
    let mut command = world.machine.command("/bin/sh".as_ref(), &["-c", &script]);
    let mut running = outlast_tests::Running::start(&mut command);
    running.feed(b"left for others\n".to_vec());
    running
        .wait()
        .success()
        .stdout_is("0\nleft for others\n")
        .stderr_is("");
}

#[test]
fn several_sessions_get_the_same_input() {
    let world = World::new().with_session();
    world.outlast(&["new", "server", "-n", "other"]).success();
    let input = binary(3_000_000);
    let args = [
        "invoke",
        "-s",
        "work,other",
        "--hide-computer-name",
        "sha256sum",
    ];
    let output = world.machine.outlast_with_stdin(&args, &input);
    output.success().stdout_is(&checksum(&input).repeat(2));
}

#[test]
fn lines_come_as_they_are_printed() {
    let world = World::new().with_session();
    let gate = Gate::new();
    let script = format!(
        "printf 'no newline'; read -r _ <{}; echo; echo end",
        gate.word()
    );
    let running = world.start(&script);
    running.stdout.wait_text("no newline");
    gate.open();
    running.wait().success().stdout_is("no newline\nend\n");
}

#[test]
fn many_lines_come_once_and_in_order() {
    let world = World::new().with_session();
    let script = format!(
        "{}; {} >&2",
        numbered_script(20_000),
        numbered_script(20_000)
    );
    let output = world.invoke(&script);
    output.success();
    assert_stream(&output.stdout, numbered(20_000).as_bytes());
    assert_stream(&output.stderr, numbered(20_000).as_bytes());
}

/// A failure shows where the streams part, and not the streams.
#[track_caller]
fn assert_large(mut output: Output, stdout: &[u8], stderr: &str) {
    let received = std::mem::take(&mut output.stdout);
    output.success().stderr_is(stderr);
    assert_stream(&received, stdout);
}

fn with_session(world: World) -> World {
    world.outlast(&["new", world.host, "-n", "work"]).success();
    world
}

/// 64 MiB up, with a checksum made there; and 64 MiB down, with the bytes compared here.
fn large_streams_pass(world: &World) {
    let bytes = binary(LARGE);
    let expected = checksum(&bytes);
    world
        .feed("tee /var/tmp/outlast-large.$$ | sha256sum", &bytes)
        .success()
        .stdout_is(&expected)
        .stderr_is("");
    let output = world.invoke(
        "cat /var/tmp/outlast-large.$$; sha256sum </var/tmp/outlast-large.$$ >&2; rm /var/tmp/outlast-large.$$",
    );
    assert_large(output, &bytes, &expected);
}

#[test]
fn large_streams_pass_unchanged() {
    let world = with_session(World::new());
    large_streams_pass(&world);
    world.remove_and_leave_nothing();
}

/// Three times a session's quota, faster than the client takes it: the command waits for a client
/// that gets on, and nothing is lost.
#[test]
fn output_beyond_the_quota_waits_for_a_client_that_reads() {
    let world = with_session(World::new());
    let bytes = binary(LARGE);
    world
        .feed("cat >/var/tmp/outlast-large.$$", &bytes)
        .success();
    let output = world.invoke(
        "for i in 1 2 3; do cat /var/tmp/outlast-large.$$; done; rm /var/tmp/outlast-large.$$",
    );
    assert_large(output, &bytes.repeat(3), "");
    world.remove_and_leave_nothing();
}

#[test]
fn large_streams_pass_unchanged_on_this_computer() {
    let world = with_session(World::local());
    large_streams_pass(&world);
    world.outlast(&["remove", "work"]).success();
}

/// Both directions full at the same time.
#[test]
fn large_stream_there_and_back_at_once() {
    let world = with_session(World::new());
    let bytes = binary(LARGE);
    let output = world.feed("tee >(sha256sum >&2); wait $!", &bytes);
    assert_large(output, &bytes, &checksum(&bytes));
    world.remove_and_leave_nothing();
}

#[test]
fn temporary_session_gets_the_input_too() {
    let world = World::new();
    let input = binary(200_000);
    world
        .machine
        .outlast_with_stdin(&["invoke", "-c", "server", "cat; exit 3"], &input)
        .code(3)
        .stdout_is_stream(&input)
        .stderr_is("");
    world.sshd().wait_nothing_left();
}

/// The input is there before the session is: it has to be connected first.
#[test]
fn input_waits_for_the_connection() {
    let world = World::new().with_session();
    let input = binary(3_000_000);
    for _ in 0..3 {
        world.outlast(&["disconnect", "work"]).success();
        world.feed("cat", &input).success().stdout_is_stream(&input);
    }
}

/// `outlast … | head -n 1`: the reader leaves, the command goes on, nothing is lost.
#[test]
fn reader_that_leaves_does_not_stop_the_command() {
    let world = World::new().with_session();
    let (gate, done) = (Gate::new(), Gate::new());
    let script = format!(
        "echo first; read -r _ <{}; {}; echo >{}",
        gate.word(),
        numbered_script(5000),
        done.word()
    );
    let pipe = format!(
        "{{ {} invoke -n -s work '{script}'; echo $? >&2; }} | {{ head -n 1; exec <&-; echo >{}; }}",
        outlast_tests::binaries::outlast().display(),
        gate.word(),
    );
    let mut command = world.machine.command("/bin/sh".as_ref(), &["-c", &pipe]);
    let output = outlast_tests::Running::start(&mut command).wait();
    output
        .success()
        .stdout_is("first\n")
        .stderr_has("141")
        .no_panic();
    done.wait();
    let rest = world.outlast(&["receive", "--follow", "work"]);
    rest.success();
    assert_stream(&rest.stdout, numbered(5000).as_bytes());
}
