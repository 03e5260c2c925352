//! Two clients, one session.

use std::io::Write;

use outlast_tests::{Gate, process};

use crate::stage::{Job, Stage, get, instance, one_error, run};

#[test]
fn held_session_is_refused_with_who_holds_it_and_how_to_take_it() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for args in [
        &["connect", "-c", "server", session.as_str()][..],
        &["receive", "-c", "server", &session[..8]],
        &["invoke", "-n", "-s", "job", "true"],
    ] {
        let output = run(&second, args);
        one_error(&output, 255, &["job", "held by", host.trim()], "--steal");
    }
    // Looking is not taking.
    let listed = run(&second, &["get", "server", "--output", "json"]);
    let listed = crate::stage::only(&listed.success().json());
    assert_eq!(listed["state"], "Disconnected", "{listed:#}");
    assert_eq!(listed["availability"], "Busy", "{listed:#}");
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Opened", "{own:#}");
    assert_eq!(own["availability"], "Available", "{own:#}");
    stage.strike(vec![second]);
}

#[test]
fn session_is_stolen_from_a_live_client_which_is_told() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let loser = job.start(&stage.machine, "job", &[]);

    run(&second, &["connect", "-c", "server", &session, "--steal"])
        .success()
        .stdout_has("Opened");

    let lost = loser.wait();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    lost.no_panic().code(255);
    for word in ["taken over", host.trim(), "hint: ", "--steal"] {
        lost.stderr_has(word);
    }
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Disconnected", "{own:#}");
    assert_eq!(own["availability"], "Busy", "{own:#}");

    job.gate.open();
    run(&second, &["receive", "job", "--follow"])
        .success()
        .stdout_is_stream(&job.expected);

    // And back, which needs no receiving of what was received before.
    run(&stage.machine, &["connect", "job", "--steal"]).success();
    let rest = run(&stage.machine, &["receive", "job"]);
    let all = [lost.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(vec![second]);
}

#[test]
fn session_is_stolen_from_a_frozen_client_at_once() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let loser = job.start(&stage.machine, "job", &[]);
    let mux = stage.machine.mux_pid();
    process::send(mux, rustix::process::Signal::STOP);
    loser.freeze();

    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    job.gate.open();
    run(&second, &["receive", "job", "--follow"])
        .success()
        .stdout_is_stream(&job.expected);

    process::send(mux, rustix::process::Signal::CONT);
    loser.thaw();
    let lost = loser.wait();
    lost.no_panic().code(255).stderr_has("taken over");
    // It does not take the session back by reconnecting.
    run(&second, &["invoke", "-n", "-s", "job", "echo $i"])
        .success()
        .stdout_is("10000\n");
    stage.strike(vec![second]);
}

/// What a client said before it lost the session and the host reads after it has: nothing of it
/// is done.
#[test]
fn command_of_a_client_behind_a_dead_network_does_not_run_after_the_theft() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "n=0"]).success();
    stage.proxy.stall();
    let late = stage.invoke("job", "n=1; echo ran");
    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    stage.proxy.resume();
    late.wait().no_panic().code(255).stdout_is("");
    run(&second, &["invoke", "-n", "-s", "job", "echo $n"])
        .success()
        .stdout_is("0\n");
    stage.strike(vec![second]);
}

#[test]
fn busy_session_queues_and_refuses_only_when_asked_to() {
    let stage = Stage::set();
    stage.new_session("job");
    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}; echo first", gate.word());
    let running = stage.invoke("job", &script);
    running.wait_line("up");
    let own = get(&stage.machine, "job");
    assert_eq!(own["availability"], "Busy", "{own:#}");
    let refused = run(
        &stage.machine,
        &["invoke", "-n", "--no-wait", "-s", "job", "echo never"],
    );
    one_error(&refused, 255, &["running"], "");
    let queued = stage.invoke("job", "echo second");
    queued.wait_stderr("waiting");
    gate.open();
    running.wait().success().stdout_is("up\nfirst\n");
    queued.wait().success().stdout_is("second\n");
    stage.strike(Vec::new());
}

#[test]
fn disconnected_session_is_free_for_the_other_client() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    run(&stage.machine, &["disconnect", "job"]).success();
    let own = get(&stage.machine, "job");
    assert_eq!(own["state"], "Disconnected", "{own:#}");
    assert_eq!(own["availability"], "None", "{own:#}");
    run(&second, &["connect", "-c", "server", &session]).success();
    // A verb that needs a connection connects by itself only where nobody holds the session.
    let refused = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&refused, 255, &["held by"], "--steal");
    stage.strike(vec![second]);
}

/// Says how long a theft took. The claim is below a second; a starved machine gets more.
#[track_caller]
fn stolen_quickly(what: &str, thief: &outlast_tests::ClientMachine, session: &str) {
    let began = std::time::Instant::now();
    run(thief, &["connect", "-c", "server", session, "--steal"]).success();
    let took = began.elapsed();
    let _ = writeln!(
        std::io::stderr(),
        "stolen from a {what} client in {} ms",
        took.as_millis()
    );
    assert!(took < std::time::Duration::from_secs(5), "{what}: {took:?}");
}

#[test]
fn frozen_and_half_open_clients_are_no_hindrance() {
    for half_open in [false, true] {
        let stage = Stage::set();
        let session = instance(&stage.new_session("job"));
        let second = stage.second_client();
        // A thief that is there already: its connection and its mux are warm, as a user's are.
        run(&second, &["get", "server"]).success();
        let job = Job::new();
        let loser =
            stage
                .machine
                .spawn(&["invoke", "-n", "-s", "job", "--output", "json", &job.script]);
        let held = || get(&stage.machine, "job")["running"].is_string();
        let running = run(
            &second,
            &[
                "receive",
                "-c",
                "server",
                "job",
                "--read-only",
                "--from",
                "start",
            ],
        );
        running.success();
        assert!(held(), "it runs before it is stolen");
        let mux = stage.machine.mux_pid();
        if half_open {
            stage.proxy.stall();
            stolen_quickly("half-open", &second, &session);
            stage.proxy.resume();
        } else {
            process::send(mux, rustix::process::Signal::STOP);
            stolen_quickly("frozen", &second, &session);
            process::send(mux, rustix::process::Signal::CONT);
        }
        // Who, from where, and when: for people and for programs.
        let lost = loser.wait();
        lost.no_panic().code(255);
        let result = crate::stage::only(&lost.json());
        assert_eq!(result["outcome"], "session_lost", "{result:#}");
        let error = crate::stage::text(&result, "error");
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let user = outlast_tests::account::Account::current().name;
        let who = format!("{user}@{} (127.0.0.1) at 20", host.trim());
        assert!(error.contains(&who), "{who:?} in {error:?}");
        lost.stderr_has(&who);
        job.gate.open();
        stage.strike(vec![second]);
    }
}

/// Wherever a theft is cut off, the holder's command goes on over the same link.
#[test]
fn theft_that_fails_leaves_the_holder_alone() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let job = Job::new();
    let holder = job.start(&stage.machine, "job", &[]);
    let second = outlast_tests::ClientMachine::new();
    let network = outlast_tests::Proxy::to(stage.sshd.address());
    second
        .host("server", &stage.sshd)
        .via(network.address())
        .add();
    let steal = ["connect", "-c", "server", &session, "--steal"];
    // Its network breaks, or the relay that speaks for it is killed.
    for place in ["relay.greeted", "relay.hands-over"] {
        for kill in [false, true] {
            run(&second, &["get", "server"]).success();
            let point = stage.sshd.failpoint(place);
            let thief = second.spawn(&["connect", "--steal", &session]);
            let relay = point.wait();
            if kill {
                process::kill9(relay);
            } else {
                network.cut();
            }
            thief.wait().no_panic().code(255);
            drop(point);
        }
    }
    // It is killed when it has heard that it may have the session, and has not said a word yet.
    let heard = second.failpoint("mux.attached");
    let thief = second.spawn(&steal);
    heard.wait();
    thief.kill9().signal(9);
    process::kill9(second.mux_pid());
    drop(heard);
    // The thief's network breaks while the host reads what it wants.
    let promised = stage.sshd.failpoint("host.promised");
    let thief = second.spawn(&steal);
    promised.wait();
    network.cut();
    thief.wait().no_panic().code(255);
    drop(promised);

    job.gate.open();
    let output = holder.wait();
    output.no_panic().success().stdout_is_stream(&job.expected);
    output.stderr_is("");
    run(&second, &steal).success();
    stage.strike(vec![second]);
}

#[test]
fn of_two_thieves_at_once_one_has_it_and_the_other_is_told() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let (second, third) = (stage.second_client(), stage.second_client());
    for thief in [&second, &third] {
        run(thief, &["get", "server"]).success();
    }
    for _ in 0..5 {
        run(&stage.machine, &["connect", "--steal", "job"]).success();
        let steal = ["connect", "--steal", &session];
        let thieves = [second.spawn(&steal), third.spawn(&steal)];
        for thief in thieves {
            let output = thief.wait();
            output.no_panic();
            if !output.status.success() {
                output.code(255).stderr_has("taken over");
            }
        }
        let tries =
            [&second, &third].map(|thief| run(thief, &["invoke", "-n", "-s", "job", "echo mine"]));
        let winners = tries.iter().filter(|tried| tried.status.success());
        assert_eq!(winners.count(), 1, "{}\n{}", tries[0], tries[1]);
        let loser = tries.iter().find(|tried| !tried.status.success()).unwrap();
        let told = loser.code(255).stderr_text();
        assert!(
            told.contains("taken over") || told.contains("held by"),
            "{told}"
        );
        let refused = run(&stage.machine, &["invoke", "-n", "-s", "job", "true"]);
        one_error(&refused, 255, &["held by"], "--steal");
    }
    stage.strike(vec![second, third]);
}

/// While its own link is down another client takes the session: stealing it back works at once.
#[test]
fn session_stolen_behind_a_dead_network_is_stolen_back() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}", gate.word());
    let waiting = stage.invoke("job", &script);
    waiting.wait_line("up");
    stage.proxy.refuse();
    stage.proxy.cut();
    waiting.wait_stderr("interrupted");
    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    stage.proxy.resume();
    let back = run(&stage.machine, &["connect", "--steal", "job"]);
    back.success().stdout_has("Opened");
    gate.open();
    drop(waiting);
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo mine"])
        .success()
        .stdout_is("mine\n");
    let refused = run(&second, &["invoke", "-n", "-s", "job", "true"]);
    one_error(&refused, 255, &["held by"], "--steal");
    stage.strike(vec![second]);
}

/// The mux is killed, and the session is stolen before the next one comes for it: what the command
/// line has printed is known to its client all the same.
#[test]
fn theft_behind_a_killed_mux_repeats_nothing() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let second = stage.second_client();
    let job = Job::new();
    let robbed = job.start(&stage.machine, "job", &[]);
    robbed.freeze();
    process::kill9(stage.machine.mux_pid());
    run(&second, &["connect", "-c", "server", &session, "--steal"]).success();
    robbed.thaw();
    let robbed = robbed.wait();
    robbed.no_panic().code(255).stderr_has("held by");

    run(&stage.machine, &["connect", "job", "--steal"]).success();
    job.gate.open();
    let rest = run(&stage.machine, &["receive", "--follow", "job"]);
    let all = [robbed.stdout, rest.success().stdout.clone()].concat();
    outlast_tests::stream::assert_stream(&all, job.expected.as_bytes());
    stage.strike(vec![second]);
}
