//! Losing things in the middle of a job: nothing is lost, nothing comes twice, and whoever waits
//! hears about it and goes on by itself.

use outlast_tests::stream::{binary, numbered, numbered_script};
use outlast_tests::{Gate, Running, process};

use crate::stage::{Job, Stage, get, instance, one_error, run};

/// More bytes than any test moves: calls a cut off that has not come.
const NEVER: u64 = 1 << 60;

/// Breaks something while a job is paused and its command line waits: the command line says so
/// and, once the job goes on, has every line once.
#[track_caller]
fn survives(break_it: impl Fn(&Stage), mend_it: impl Fn(&Stage)) {
    for produced_meanwhile in [false, true] {
        let stage = Stage::set();
        stage.new_session("job");
        let job = Job::new();
        let waiting = job.start(&stage.machine, "job", &[]);

        break_it(&stage);
        if produced_meanwhile {
            job.gate.open();
        }
        waiting.wait_stderr("interrupted");
        mend_it(&stage);
        if !produced_meanwhile {
            waiting.wait_stderr("resumed");
            job.gate.open();
        }

        let output = waiting.wait();
        output.no_panic().success().stdout_is_stream(&job.expected);
        output.stderr_has("reconnect");
        // The same shell, and the same for the next command.
        run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $i"])
            .success()
            .stdout_is("10000\n");
        stage.strike(Vec::new());
    }
}

#[test]
fn job_survives_the_connections_process() {
    survives(|stage| stage.sshd.kill_connections(), |_| {});
}

#[test]
fn job_survives_the_relay() {
    survives(|stage| stage.sshd.kill_relays(), |_| {});
}

#[test]
fn job_survives_the_mux() {
    survives(
        |stage| {
            let mux = stage.machine.mux_pid();
            process::kill9(mux);
            process::wait_gone(mux);
        },
        |_| {},
    );
}

#[test]
fn job_survives_a_reset_connection() {
    survives(|stage| stage.proxy.cut(), |_| {});
}

#[test]
fn job_survives_a_network_that_is_away_for_a_while() {
    survives(
        |stage| {
            stage.proxy.refuse();
            stage.proxy.cut();
        },
        |stage| stage.proxy.resume(),
    );
}

#[test]
fn job_survives_a_network_that_goes_silent() {
    survives(|stage| stage.proxy.stall(), |stage| stage.proxy.resume());
}

/// The next mux is there at once, and finds no network.
#[test]
fn job_survives_the_mux_and_the_network() {
    survives(
        |stage| {
            stage.proxy.refuse();
            stage.proxy.cut();
            let mux = stage.machine.mux_pid();
            process::kill9(mux);
            process::wait_gone(mux);
            stage.proxy.wait_refused(2);
        },
        |stage| stage.proxy.resume(),
    );
}

#[test]
fn job_survives_everything_at_once() {
    survives(
        |stage| {
            let mux = stage.machine.mux_pid();
            process::kill9(mux);
            stage.sshd.kill_connections();
            stage.sshd.kill_relays();
        },
        |_| {},
    );
}

/// The cut falls wherever it falls: in the greeting, in a frame's header, in its payload. Each in
/// a session of its own: the pauses before a reconnect grow while cuts come quickly.
#[test]
fn stream_is_exact_wherever_the_connection_is_cut() {
    let stage = Stage::set();
    let expected = numbered(2000);
    let mut interrupted = 0;
    for bytes in [1, 36, 37, 100, 1000, 4099, 10_007, 20_011] {
        let session = format!("cut{bytes}");
        stage.new_session(&session);
        stage.proxy.cut_after(bytes);
        let output = stage.invoke(&session, &numbered_script(2000)).wait();
        output.no_panic().success().stdout_is_stream(&expected);
        interrupted += usize::from(output.stderr_text().contains("interrupted"));
    }
    stage.proxy.cut_after(NEVER);
    // The very first bytes may belong to another session's traffic on the same connection.
    assert!(interrupted >= 4, "only {interrupted} of 8 were cut");
    stage.strike(Vec::new());
}

#[test]
fn command_runs_once_wherever_the_connection_is_cut() {
    let stage = Stage::set();
    for bytes in 1..=12 {
        let session = format!("cut{bytes}");
        stage.new_session(&session);
        run(&stage.machine, &["invoke", "-n", "-s", &session, "n=0"]).success();
        stage.proxy.cut_after(bytes * 13);
        let script = "n=$((n+1)); echo $n";
        run(&stage.machine, &["invoke", "-n", "-s", &session, script])
            .success()
            .stdout_is("1\n");
    }
    stage.proxy.cut_after(NEVER);
    stage.strike(Vec::new());
}

#[test]
fn killed_command_line_is_picked_up_from_the_same_client() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let killed = job.start(&stage.machine, "job", &[]).kill9();
    killed.signal(9).stdout_is_stream(numbered(Job::PAUSE));

    let following = stage.machine.spawn(&["receive", "job", "--follow"]);
    job.gate.open();
    let rest = following.wait();
    rest.no_panic().success();

    let all = [killed.stdout, rest.stdout].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    run(&stage.machine, &["receive", "job"])
        .success()
        .stdout_is("");
    stage.strike(Vec::new());
}

/// What a command line reads that comes behind a killed one is received, whether or not the job
/// goes on behind it.
#[test]
fn every_line_behind_a_killed_command_line_comes_once() {
    let stage = Stage::set();
    stage.new_session("job");
    let (two, three) = (Gate::new(), Gate::new());
    let script = format!(
        "echo one; read -r _ <{}; echo two; read -r _ <{}; echo three",
        two.word(),
        three.word()
    );
    let killed = stage.invoke("job", &script);
    killed.wait_line("one");
    let mut all = killed.kill9().stdout;
    two.open();
    while !all.ends_with(b"two\n") {
        let part = run(&stage.machine, &["receive", "job"]);
        let bytes = &part.success().stdout;
        // The killed one may have printed this and not said so.
        all.extend(bytes.strip_prefix(b"one\n").unwrap_or(bytes));
        assert!(b"one\ntwo\n".starts_with(&all), "{part}");
    }
    three.open();
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    rest.success().stdout_is("three\n");
    stage.strike(Vec::new());
}

/// A command line that is told that its session is lost has had what came before it.
#[test]
fn nothing_comes_again_after_a_command_line_that_lost_its_session() {
    let stage = Stage::set();
    stage.new_session("job");
    let (go_on, more) = (Gate::new(), Gate::new());
    let script = format!(
        "echo up; read -r _ <{}; {}; echo more >{}; read -r _ <{}; echo end",
        go_on.word(),
        numbered_script(2000),
        more.word(),
        go_on.word()
    );
    let frozen = stage.invoke("job", &script);
    frozen.wait_line("up");
    frozen.freeze();
    go_on.open();
    assert_eq!(more.wait(), "more");
    // The lines and the news wait for it together.
    run(&stage.machine, &["disconnect", "job"]).success();
    frozen.thaw();
    let left = frozen.wait();
    left.no_panic().code(255).stderr_has("disconnected");
    go_on.open();
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    let all = [left.stdout, rest.success().stdout.clone()].concat();
    let expected = format!("up\n{}end\n", numbered(2000));
    outlast_tests::stream::assert_stream(&all, expected.as_bytes());
    stage.strike(Vec::new());
}

/// Output that was read in the foreground stays out of a reading that lost its mux before it came
/// there.
#[test]
fn reading_that_lost_its_mux_goes_on_without_what_others_have_had() {
    let stage = Stage::set();
    stage.new_session("job");
    let gate = Gate::new();
    let first = "seq -f 'line %.0f' 1000000";
    let last = format!("read -r _ <{}; echo three", gate.word());
    run(&stage.machine, &["invoke", "-d", "-s", "job", first]).success();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo two"])
        .success()
        .stdout_is("two\n");
    run(&stage.machine, &["invoke", "-d", "-s", "job", &last]).success();
    let following = stage.machine.spawn(&["receive", "job", "--follow"]);
    following.wait_line("line 1");
    following.freeze();
    process::kill9(stage.machine.mux_pid());
    following.thaw();
    following.wait_stderr("resumed");
    gate.open();
    let expected = format!("{}three\n", numbered(1_000_000));
    following.wait().success().stdout_is_stream(expected);
    stage.strike(Vec::new());
}

/// ^C while the network is away is not lost with it.
#[test]
fn interrupt_reaches_a_command_across_a_lost_connection() {
    let stage = Stage::set();
    stage.new_session("job");
    let running = stage.invoke("job", "echo up; sleep 1000");
    running.wait_line("up");
    stage.proxy.refuse();
    stage.proxy.cut();
    running.wait_stderr("interrupted");
    running.sigint();
    running.wait_stderr("interrupting");
    stage.proxy.resume();
    running
        .wait()
        .code(130)
        .stdout_is("up\n")
        .stderr_has("cancelled");
    stage.strike(Vec::new());
}

/// The laptop is dropped into the sea: its command line and its mux are gone for good.
#[test]
fn second_client_has_every_line_after_the_first_is_lost() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    let relays = stage.sshd.relays();
    let mux = stage.machine.mux_pid();
    waiting.kill9().signal(9);
    process::kill9(mux);
    for relay in relays {
        process::wait_gone(relay.pid);
    }

    run(&second, &["connect", "-c", "server", &session])
        .success()
        .stdout_has("job")
        .stdout_has("Opened");
    let following = second.spawn(&["receive", "-c", "server", &session[..8], "--follow"]);
    following.wait_line("line 5000");
    job.gate.open();
    following
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected);
    run(&second, &["receive", "job"]).success().stdout_is("");
    run(&second, &["receive", "job", "--from", "start"])
        .success()
        .stdout_is_stream(&job.expected);
    stage.strike(vec![second]);
}

#[test]
fn second_client_survives_the_same_cuts_while_it_follows() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    run(&stage.machine, &["invoke", "-d", "-s", "job", &job.script]).success();
    let following = stage.machine.spawn(&["receive", "job", "--follow"]);
    following.wait_line("line 5000");
    stage.proxy.cut();
    following.wait_stderr("interrupted");
    following.wait_stderr("resumed");
    let mux = stage.machine.mux_pid();
    process::kill9(mux);
    following.wait_stderr("interrupted");
    following.wait_stderr("resumed");
    job.gate.open();
    following
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected);
    stage.strike(Vec::new());
}

/// Feeds `size` bytes; the command takes the first half, then something breaks, then it takes the
/// rest.
#[track_caller]
fn upload_survives(size: usize, break_it: impl Fn(&Stage)) {
    let stage = Stage::set();
    stage.new_session("job");
    let (reached, go_on) = (Gate::new(), Gate::new());
    let bytes = binary(size);
    let script = format!(
        "head -c {} >first; echo half >{}; read -r _ <{}; cat >second; cat first second",
        size / 2,
        reached.word(),
        go_on.word()
    );
    let mut feeding = stage.machine.spawn(&["invoke", "-s", "job", &script]);
    feeding.feed(bytes.clone());
    assert_eq!(reached.wait(), "half");
    break_it(&stage);
    feeding.wait_stderr("interrupted");
    go_on.open();
    feeding
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&bytes)
        .stderr_has("resumed");
    stage.strike(Vec::new());
}

#[test]
fn upload_of_64_kib_is_fed_once_across_a_cut() {
    upload_survives(64 * 1024, |stage| stage.proxy.cut());
}

#[test]
fn upload_of_1_mib_is_fed_once_across_a_killed_relay() {
    upload_survives(1024 * 1024 + 1, |stage| stage.sshd.kill_relays());
}

#[test]
fn upload_of_8_mib_is_fed_once_across_a_cut() {
    upload_survives(8 * 1024 * 1024, |stage| stage.proxy.cut());
}

#[test]
fn upload_of_8_mib_is_fed_once_across_a_killed_mux() {
    upload_survives(8 * 1024 * 1024, |stage| {
        process::kill9(stage.machine.mux_pid());
    });
}

/// While bytes are flowing in both directions, not while the command waits.
#[test]
fn echoed_upload_is_exact_across_cuts_in_full_flow() {
    let stage = Stage::set();
    stage.new_session("job");
    let bytes = binary(8 * 1024 * 1024);
    let before = stage.proxy.bytes_down();
    let mut feeding = stage.machine.spawn(&["invoke", "-s", "job", "cat"]);
    feeding.feed(bytes.clone());
    for mebibytes in [1, 3, 6] {
        stage
            .proxy
            .wait_bytes_down(before + mebibytes * 1024 * 1024);
        stage.proxy.cut();
        feeding.wait_stderr("interrupted");
    }
    feeding.wait().no_panic().success().stdout_is_stream(&bytes);
    stage.strike(Vec::new());
}

/// The command in the last hint, as a user would copy it.
#[track_caller]
fn suggested(stderr: &str) -> Vec<String> {
    let quoted = stderr.split('`').skip(1).step_by(2);
    let command = quoted
        .filter(|text| text.starts_with("outlast receive"))
        .last()
        .unwrap_or_else(|| panic!("no `outlast receive …` in {stderr}"));
    command.split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn patience_ends_with_the_command_that_gets_the_rest() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &["--reconnect-for", "1s"]);
    stage.proxy.refuse();
    stage.proxy.cut();
    let first = waiting.wait();
    first
        .no_panic()
        .code(255)
        .stderr_has("interrupted")
        .stderr_has("error: ");

    stage.proxy.resume();
    job.gate.open();
    let command = suggested(&first.stderr_text());
    let rest = stage.machine.outlast(&command);
    rest.no_panic().success();
    let all = [first.stdout, rest.stdout].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(Vec::new());
}

/// Losing one host says nothing about another.
#[test]
fn sessions_of_other_hosts_notice_nothing() {
    let stage = Stage::set();
    let other = outlast_tests::Sshd::start();
    stage.machine.host("other", &other).add();
    stage.new_session("job");
    crate::stage::new_session(&stage.machine, "other", "calm");
    let job = Job::new();
    let calm = job.start(&stage.machine, "calm", &[]);
    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}", gate.word());
    let disturbed: Running = stage.invoke("job", &script);
    disturbed.wait_line("up");

    stage.sshd.kill_connections();
    stage.sshd.kill_relays();
    disturbed.wait_stderr("interrupted");
    job.gate.open();
    calm.wait()
        .success()
        .stdout_is_stream(&job.expected)
        .stderr_is("");
    gate.open();
    disturbed.wait().success().stdout_is("up\n");
}

/// Lines of several sessions stay whole and in order, each behind its computer's name.
#[test]
fn several_sessions_survive_together() {
    let stage = Stage::set();
    let other = outlast_tests::Sshd::start();
    stage.machine.host("other", &other).add();
    stage.new_session("a");
    crate::stage::new_session(&stage.machine, "other", "b");
    let gates = [Gate::new(), Gate::new()];
    let script = |gate: &Gate| outlast_tests::stream::numbered_script_with_pause(2000, 1000, gate);
    let script = format!(
        "if [ -e here ]; then {}; else {}; fi",
        script(&gates[0]),
        script(&gates[1])
    );
    std::fs::write(stage.sshd.home().join("here"), "").unwrap();
    let running = stage.machine.spawn(&["invoke", "-n", "-s", "a,b", &script]);
    running.stdout.wait_line("server| line 1000");
    stage.proxy.cut();
    running.wait_stderr("server: the connection is interrupted");
    for gate in &gates {
        gate.open();
    }
    let output = running.wait();
    output.no_panic().success();
    assert!(!output.stderr_text().contains("other: "), "{output}");
    let text = output.stdout_text();
    for computer in ["server| ", "other| "] {
        let lines = text.lines().filter_map(|line| line.strip_prefix(computer));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        outlast_tests::stream::assert_stream(lines.as_bytes(), numbered(2000).as_bytes());
    }
}

/// A reader that stands still holds nobody up, and has everything when it moves again.
#[test]
fn frozen_command_line_does_not_hold_up_the_job() {
    let stage = Stage::set();
    stage.new_session("job");
    let (up, go_on, done) = (Gate::new(), Gate::new(), Gate::new());
    let script = format!(
        "echo up >{}; read -r _ <{}; seq -f 'line %.0f' 2000000; echo done >{}",
        up.word(),
        go_on.word(),
        done.word()
    );
    let frozen = stage.invoke("job", &script);
    assert_eq!(up.wait(), "up");
    frozen.freeze();
    go_on.open();
    assert_eq!(done.wait(), "done");
    // Also across a lost connection.
    stage.proxy.cut();
    frozen.thaw();
    frozen
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(numbered(2_000_000));
    stage.strike(Vec::new());
}

/// The session is ended by somebody else while a command line waits.
#[test]
fn removal_and_disconnection_under_a_waiting_command_line_are_told() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    run(&stage.machine, &["disconnect", "job"]).success();
    let left = waiting.wait();
    left.no_panic().code(255);
    left.stderr_has("disconnected")
        .stderr_has("outlast receive");
    let waiting = stage.machine.spawn(&["receive", "job", "--follow"]);
    job.gate.open();
    let rest = waiting.wait();
    let all = [left.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());

    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}", gate.word());
    let waiting = stage.invoke("job", &script);
    waiting.wait_line("up");
    let second = stage.second_client();
    run(&second, &["remove", "-c", "server", &session]).success();
    let ended = waiting.wait();
    ended.no_panic().code(255).stderr_has("removed");
    stage.strike(vec![second]);
}

/// An impostor takes the server's place while the link is down: nothing is sent to it, and the
/// command line is told.
#[test]
fn changed_host_key_ends_the_reconnecting() {
    let mut stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    stage.sshd.regenerate_host_key();
    stage.proxy.cut();
    let output = waiting.wait();
    output.no_panic().code(255);
    output.stderr_has("CHANGED").stderr_has("hint: ");
    assert_eq!(get(&stage.machine, "job")["state"], "Disconnected");
    // The session itself is as it was.
    stage
        .machine
        .trust(&stage.sshd.known_hosts_line(stage.proxy.address()));
    let known = stage.machine.home().join(".ssh/known_hosts");
    let lines = std::fs::read_to_string(&known).unwrap();
    std::fs::write(&known, lines.lines().last().unwrap().to_owned() + "\n").unwrap();
    job.gate.open();
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    let all = [output.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(Vec::new());
}

/// The host process itself is the one thing that cannot be replaced: an honest word, at once.
#[test]
fn killed_host_is_reported_and_not_waited_for() {
    let stage = Stage::set();
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    for host in stage.sshd.hosts() {
        process::kill9(host.pid);
    }
    let output = waiting.wait();
    output.no_panic().code(255).stderr_has("error: ");
    assert_eq!(get(&stage.machine, "job")["state"], "Broken");
    let refused = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&refused, 255, &[], "");
    run(&stage.machine, &["remove", "job"]).success();
}

#[test]
fn a_command_whose_submission_was_not_answered_runs_once() {
    let stage = Stage::set();
    stage.new_session("job");
    let ran = stage.sshd.home().join("ran");
    // The host has the command, and the mux dies with the answer on its lips: the command line
    // asks a new mux for the same invocation.
    let unanswered = stage.machine.failpoint("mux.submitted");
    let running = stage.invoke("job", "echo once >>~/ran; echo done");
    unanswered.kill();
    drop(unanswered);
    running.wait().no_panic().success().stdout_is("done\n");
    assert_eq!(std::fs::read_to_string(ran).unwrap(), "once\n");
    stage.strike(Vec::new());
}
