//! The one loss that takes the shell with it: the host process dies. What reached the log can
//! still be read, everybody who waits is told the truth, and nothing is left running unnamed.

use std::fs;
use std::path::{Path, PathBuf};

use outlast_protocol::record::{RecordKind, Stream};
use outlast_rendezvous::PrivateDirectory;
use outlast_subsystem::log::{From, Log, MAX_PAYLOAD};
use outlast_tests::{ClientMachine, Gate, Output, process};
use serde_json::Value;

use crate::stage::{Job, Stage, get, instance, one_error, only, run, text};

/// kill -9, and nothing else.
#[track_caller]
pub(crate) fn kill_host(stage: &Stage) -> u32 {
    let hosts = stage.sshd.hosts();
    assert_eq!(hosts.len(), 1, "{hosts:#?}");
    process::kill9(hosts[0].pid);
    process::wait_gone(hosts[0].pid);
    hosts[0].pid
}

pub(crate) fn directory(stage: &Stage, instance: &str) -> PathBuf {
    stage.sshd.session_dir().join(instance)
}

/// What one stream of the session has in the files, by the library's own recovery.
fn logged(directory: &Path, wanted: Stream) -> Vec<u8> {
    let directory = PrivateDirectory::open(directory).unwrap();
    let (mut log, _) = Log::recover(&directory).unwrap();
    let mut cursor = log.cursor(From::Start);
    let mut bytes = Vec::new();
    while let Some(record) = log.read(&mut cursor, MAX_PAYLOAD).unwrap() {
        if record.kind == RecordKind::Output(wanted) {
            bytes.extend_from_slice(&record.bytes);
        }
    }
    bytes
}

/// The session as its computer describes it to somebody who asks there.
#[track_caller]
pub(crate) fn there(machine: &ClientMachine) -> Value {
    only(
        &run(machine, &["get", "server", "--output", "json"])
            .success()
            .json(),
    )
}

#[track_caller]
pub(crate) fn assert_broken(session: &Value, says: &[&str]) {
    assert_eq!(session["state"], "Broken", "{session:#}");
    assert_eq!(session["availability"], "None", "{session:#}");
    let note = text(session, "note");
    for word in says {
        assert!(note.contains(word), "{word:?} in {note:?}");
    }
}

/// 255 and an error of one sentence, after whatever was printed.
#[track_caller]
pub(crate) fn assert_lost<'a>(output: &'a Output, says: &[&str]) -> &'a Output {
    output.no_panic().code(255);
    let stderr = output.stderr_text();
    let errors: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "one error line\n{output}");
    for word in says {
        assert!(errors[0].contains(word), "{word:?} in the error\n{output}");
    }
    output.stderr_has("hint: ")
}

/// Nobody stays to read out a session that nobody reads.
#[track_caller]
pub(crate) fn assert_nobody_stays(stage: &Stage) {
    for host in stage.sshd.hosts() {
        process::wait_gone(host.pid);
    }
}

#[test]
fn output_of_a_killed_idle_host_is_read_again_and_again() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    for script in ["echo out; echo err >&2", "printf 'no newline'"] {
        run(&stage.machine, &["invoke", "-n", "-s", "job", script]).success();
    }
    let before = snapshot(&directory(&stage, &session));
    let pid = kill_host(&stage).to_string();

    let expected = ["killed", pid.as_str()];
    assert_broken(&there(&stage.second_client()), &expected);
    assert_broken(&there(&stage.machine), &expected);
    let args = ["receive", "--from", "start", "job"];
    for _ in 0..3 {
        let read = run(&stage.machine, &args);
        assert_lost(&read, &["job", "broken", "killed", &pid]);
        read.stdout_is("out\nno newline").stderr_has("err\n");
        assert_broken(&get(&stage.machine, "job"), &expected);
    }
    let last = run(&stage.machine, &["receive", "--from", "-2", "job"]);
    assert_lost(&last, &["broken"]).stdout_is("no newline");
    // Everything was received by the command itself.
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    assert_lost(&rest, &["broken"]).stdout_is("");
    assert_nobody_stays(&stage);
    assert_eq!(before, snapshot(&directory(&stage, &session)), "untouched");

    for args in [
        &["invoke", "-n", "-s", "job", "true"][..],
        &["connect", "job"],
        &["disconnect", "job", "--idle-timeout", "2h"],
    ] {
        let refused = run(&stage.machine, args);
        one_error(&refused, 255, &["broken", "killed"], "outlast remove");
    }
    assert_nobody_stays(&stage);
    run(&stage.machine, &["remove", "job"]).success();
    stage.strike(Vec::new());
}

/// What recovery must not change: what the session was, and what it said.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![directory.join("meta"), directory.join("host.log")];
    let spool = fs::read_dir(directory.join("spool")).unwrap();
    files.extend(spool.map(|entry| entry.unwrap().path()));
    files.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(&path).unwrap());
    files.into_iter().map(read).collect()
}

#[test]
fn waiting_invoke_gets_all_that_reached_the_log_and_then_the_truth() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    let pid = kill_host(&stage).to_string();
    let output = waiting.wait();
    assert_lost(&output, &["job", "broken", "killed", &pid]);
    let text = output.stdout_text();
    assert!(text.ends_with(&format!("line {}\n", Job::PAUSE)));
    output.stdout_is_stream(logged(&directory(&stage, &session), Stream::Stdout));
    // It was received, and is not received twice.
    let rest = run(&stage.machine, &["receive", "job"]);
    assert_lost(&rest, &["broken"]).stdout_is("");
    // As an object too.
    let object = run(
        &stage.machine,
        &["receive", "--from", "start", "job", "--output", "json"],
    );
    let object = only(&object.code(255).json());
    assert_eq!(object["outcome"], "session_lost", "{object:#}");
    assert_eq!(object["stdout"], text, "{object:#}");
    stage.strike(Vec::new());
}

/// Killed in full flow: there is no telling which byte is the last, but both ends agree on it.
#[test]
fn every_byte_that_reached_the_log_arrives_while_output_flows() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let script = "i=0; while :; do echo line $((++i)); echo err $i >&2; done";
    let waiting = stage.invoke("job", script);
    waiting.wait_line("line 2000");
    kill_host(&stage);
    let output = waiting.wait();
    assert_lost(&output, &["broken"]);
    let files = directory(&stage, &session);
    output.stdout_is_stream(logged(&files, Stream::Stdout));
    let errors: String = output
        .stderr_text()
        .lines()
        .filter(|line| line.starts_with("err "))
        .map(|line| format!("{line}\n"))
        .collect();
    outlast_tests::stream::assert_stream(errors.as_bytes(), &logged(&files, Stream::Stderr));
    // The next reader gets the same, end included.
    let second = stage.second_client();
    let mut args = vec![
        "receive",
        "-c",
        "server",
        "--from",
        "start",
        session.as_str(),
    ];
    args.extend(["--output", "ndjson"]);
    let last = run(&second, &args).code(255).ndjson().pop().unwrap();
    assert_eq!(last["type"], "completed", "{last:#}");
    assert_eq!(last["outcome"], "session_lost", "{last:#}");
    stage.strike(vec![second]);
}

#[test]
fn queued_command_is_told_that_it_did_not_begin() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let running = job.start(&stage.machine, "job", &[]);
    let queued = stage.invoke("job", "echo never");
    queued.wait_stderr("waiting");
    let pid = kill_host(&stage).to_string();
    let output = queued.wait();
    assert_lost(&output, &["killed", &pid])
        .stdout_is("")
        .stderr_has("had not begun");
    assert_lost(&running.wait(), &["killed", &pid]);
    stage.strike(Vec::new());
}

#[test]
fn follower_is_given_the_rest_and_let_go() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let job = Job::new();
    run(&stage.machine, &["invoke", "-d", "-s", "job", &job.script]).success();
    let follower = stage.machine.spawn(&["receive", "--follow", "job"]);
    follower.wait_line(&format!("line {}", Job::PAUSE));
    kill_host(&stage);
    let output = follower.wait();
    assert_lost(&output, &["broken", "killed"])
        .stderr_has("the session ended")
        .stdout_is_stream(logged(&directory(&stage, &session), Stream::Stdout));
    stage.strike(Vec::new());
}

/// A client that was away while the host died.
#[test]
fn disconnected_client_receives_what_it_missed() {
    let stage = Stage::set();
    stage.new_session("job");
    let gate = Gate::new();
    let script = format!("echo early; echo up >{}; sleep 1000", gate.word());
    run(&stage.machine, &["invoke", "-d", "-s", "job", &script]).success();
    gate.wait();
    kill_host(&stage);
    let output = run(&stage.machine, &["receive", "job"]);
    assert_lost(&output, &["broken"])
        .stdout_is("early\n")
        .stderr_has("the session ended: its host process");
    stage.strike(Vec::new());
}

#[test]
fn many_readers_at_once_all_get_everything() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let lines = outlast_tests::stream::numbered_script(20_000);
    run(&stage.machine, &["invoke", "-n", "-s", "job", &lines]).success();
    kill_host(&stage);
    let others: Vec<_> = (0..4).map(|_| stage.second_client()).collect();
    let args = [
        "receive",
        "-c",
        "server",
        "--from",
        "start",
        session.as_str(),
    ];
    let readers: Vec<_> = others
        .iter()
        .flat_map(|machine| [machine.spawn(&args), machine.spawn(&args)])
        .collect();
    for reader in readers {
        let output = reader.wait();
        assert_lost(&output, &["broken", "killed"])
            .stdout_is_stream(outlast_tests::stream::numbered(20_000));
    }
    assert_nobody_stays(&stage);
    stage.strike(others);
}

/// Whoever comes while the last reader's process is on its way out starts another.
#[test]
fn reader_that_comes_as_the_last_one_leaves_is_served() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo out"]).success();
    // Nobody but the test is to be read out to.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    let leaving = stage.sshd.failpoint("recovered.leaves");
    let args = [
        "receive",
        "-c",
        "server",
        "--from",
        "start",
        session.as_str(),
    ];
    let first = run(&stage.machine, &args);
    assert_lost(&first, &["broken"]).stdout_is("out\n");
    let leaver = leaving.wait();
    let connected = stage.sshd.failpoint("relay.connected");
    let second = stage.second_client();
    let reader = second.spawn(&args);
    connected.wait();
    drop(leaving);
    process::wait_gone(leaver);
    // Only now does the relay say what it wants: to nobody.
    drop(connected);
    let output = reader.wait();
    assert_lost(&output, &["broken"]).stdout_is("out\n");
    assert_nobody_stays(&stage);
    stage.strike(vec![second]);
}

/// The link to a recovered session breaks like any other, and comes back like any other.
#[test]
fn cut_while_the_rest_is_read_costs_nothing() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let lines = outlast_tests::stream::numbered_script(200_000);
    run(&stage.machine, &["invoke", "-n", "-s", "job", &lines]).success();
    kill_host(&stage);
    let reader = stage.machine.spawn(&["receive", "--from", "start", "job"]);
    reader.wait_line("line 20000");
    stage.proxy.cut();
    let output = reader.wait();
    assert_lost(&output, &["broken"]);
    output.stdout_is_stream(logged(&directory(&stage, &session), Stream::Stdout));
    stage.strike(Vec::new());
}

#[test]
fn process_that_reads_out_may_die_too() {
    let stage = Stage::set();
    stage.new_session("job");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo out"]).success();
    // Nobody but the test is to be read out to.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    let listens = stage.sshd.failpoint("recovered.listens");
    let reader = stage.machine.spawn(&["receive", "--from", "start", "job"]);
    listens.kill();
    drop(listens);
    let output = reader.wait();
    output.no_panic().code(255);
    let again = run(&stage.machine, &["receive", "--from", "start", "job"]);
    assert_lost(&again, &["broken", "killed"]).stdout_is("out\n");
    stage.strike(Vec::new());
}

#[test]
fn torn_end_of_the_log_is_cut_and_told() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let script = "printf 'first\\n'; read -r _ <GATE; printf 'second\\n'";
    let gate = Gate::new();
    let script = script.replace("GATE", gate.word());
    let waiting = stage.invoke("job", &script);
    waiting.wait_line("first");
    kill_host(&stage);
    let files = directory(&stage, &session);
    let segment = snapshot(&files)
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| path.extension().is_some_and(|it| it == "seg"))
        .unwrap();
    // Half a record more, as of a host that died while it wrote.
    let mut bytes = fs::read(&segment).unwrap();
    let half = bytes[40..70].to_vec();
    bytes.extend(half);
    fs::write(&segment, bytes).unwrap();
    waiting.wait().no_panic().code(255);
    let output = run(&stage.machine, &["receive", "--from", "start", "job"]);
    assert_lost(&output, &["broken", "30 bytes of its log are damaged"]).stdout_is("first\n");
    stage.strike(Vec::new());
}

/// Nothing of it is on disk, by the user's own wish: that is said.
#[test]
fn output_that_was_kept_in_memory_only_is_gone_with_its_host() {
    let stage = Stage::set();
    let args = ["new", "server", "-n", "job", "--buffering", "drop"];
    run(&stage.machine, &args).success();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo out"]).success();
    kill_host(&stage);
    let output = run(&stage.machine, &["receive", "--from", "start", "job"]);
    assert_lost(&output, &["killed", "kept in memory only"]).stdout_is("");
    stage.strike(Vec::new());
}

#[test]
fn name_is_free_again_even_while_the_dead_session_is_read() {
    let stage = Stage::set();
    stage.new_session("job");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo out"]).success();
    // Nobody but the test is to be read out to.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    let leaving = stage.sshd.failpoint("recovered.leaves");
    run(&stage.machine, &["receive", "--from", "start", "job"]).code(255);
    let reading = leaving.wait();
    let second = stage.second_client();
    run(&second, &["new", "server", "-n", "job"]).success();
    assert!(process::is_alive(reading), "it stood there all the while");
    let listed = run(&second, &["get", "server", "--output", "json"]);
    let mut states: Vec<_> = listed
        .success()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|session| text(session, "state"))
        .collect();
    states.sort();
    assert_eq!(states, ["Broken", "Opened"]);
    drop(leaving);
    stage.strike(vec![second]);
}
