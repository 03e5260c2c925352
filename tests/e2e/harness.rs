//! The harness itself, tried with plain OpenSSH: a test of Outlast can be no better than this.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use outlast_tests::proxy::{End, Way};
use outlast_tests::sshd::NOISE;
use outlast_tests::stream::{assert_stream, binary, numbered, numbered_script_with_pause};
use outlast_tests::{
    ClientMachine, Gate, Output, Proxy, Running, Sshd, Subsystem, file_event, leftovers, process,
    pty,
};

fn plain_sshd() -> Sshd {
    Sshd::builder().subsystem(Subsystem::Absent).start()
}

#[track_caller]
fn ssh(machine: &ClientMachine, args: &[&str]) -> Output {
    let mut running = Running::start(&mut machine.ssh(args));
    running.close_stdin();
    running.wait()
}

#[test]
fn session_is_noisy_and_has_a_home_of_its_own() {
    let sshd = plain_sshd();
    let machine = ClientMachine::knowing("server", &sshd);
    let home = std::env::var("HOME").unwrap();
    let probe = "outlast-harness-probe";
    let script = format!("echo $OUTLAST_SESSION_DIR; touch ~/{probe}");

    let output = ssh(&machine, &["server", &script]);

    let expected = format!("{NOISE}\n{}\n", sshd.session_dir().display());
    output.success().stdout_is(&expected).stderr_has(NOISE);
    assert!(sshd.home().join(probe).exists(), "~ is the temporary home");
    assert!(
        !Path::new(&home).join(probe).exists(),
        "the real home is untouched"
    );
}

#[test]
fn mounted_home_hides_the_real_one() {
    let sshd = plain_sshd();
    if !sshd.hides_real_home() {
        eprintln!("skipped: no mount namespaces here");
        return;
    }
    let machine = ClientMachine::knowing("server", &sshd);
    ssh(&machine, &["server", "ls -A | sort"]).stdout_has(".bashrc\n.zshenv\n");
    ssh(
        &machine,
        &["server", "[ \"$PWD\" = ~ ] && [ ~ = \"$HOME\" ]"],
    )
    .success();
}

#[test]
fn home_without_mounts_is_noisy_too() {
    let sshd = Sshd::builder()
        .subsystem(Subsystem::Absent)
        .without_mounts()
        .start();
    let machine = ClientMachine::knowing("server", &sshd);
    assert!(!sshd.hides_real_home());
    let expected = format!("{NOISE}\n{}\n", sshd.home().display());
    ssh(&machine, &["server", "echo ~"])
        .success()
        .stdout_is(&expected);
}

#[test]
fn built_subsystem_is_reachable_by_name_and_by_path() {
    let found = |sshd: &Sshd, script: &str| {
        let machine = ClientMachine::knowing("server", sshd);
        ssh(&machine, &["server", script])
    };
    let by_name = "command -v outlast-subsystem && [ -s \"$(command -v outlast-subsystem)\" ]";
    found(
        &Sshd::builder().subsystem(Subsystem::OnlyInPath).start(),
        by_name,
    )
    .success();
    let without = Sshd::builder()
        .subsystem(Subsystem::OnlyInPath)
        .without_mounts()
        .start();
    found(&without, by_name).success();
    found(&plain_sshd(), by_name).code(1);
}

#[test]
fn detached_processes_of_a_session_end_with_the_server() {
    let sshd = plain_sshd();
    let machine = ClientMachine::knowing("server", &sshd);
    let script = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo pid $!";
    let output = ssh(&machine, &["server", script]);
    let text = output.success().stdout_text();
    let pid: u32 = text.trim_end().rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(process::is_alive(pid));
    drop(sshd);
    process::wait_gone(pid);
}

#[test]
fn processes_of_a_client_machine_end_with_it() {
    let machine = ClientMachine::new();
    let mut sleep = machine
        .command(Path::new("sleep"), &["1000"])
        .spawn()
        .unwrap();
    assert_eq!(machine.processes().len(), 1);
    drop(machine);
    assert_eq!(sleep.wait().unwrap().signal(), Some(9));
}

#[test]
fn subsystem_command_is_started_behind_the_noise() {
    let sshd = Sshd::builder()
        .subsystem(Subsystem::Command("/bin/cat".into()))
        .start();
    let machine = ClientMachine::knowing("server", &sshd);
    let mut running = Running::start(&mut machine.ssh(&["-s", "server", "outlast"]));
    running.wait_line(NOISE);
    running.send("there and back\n");
    running.wait_line("there and back");
    running.close_stdin();
    running.wait().success();
}

#[test]
fn three_addresses_are_three_hosts() {
    let machine = ClientMachine::new();
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.4"] {
        let sshd = Sshd::builder()
            .address(address)
            .subsystem(Subsystem::Absent)
            .start();
        machine.host(address, &sshd).add();
        ssh(&machine, &[address, "echo $SSH_CONNECTION"])
            .success()
            .stdout_has(address);
    }
}

#[test]
fn unknown_and_changed_host_keys_are_refused() {
    let mut sshd = plain_sshd();
    let machine = ClientMachine::new();
    machine.host("stranger", &sshd).unknown().add();
    let args = ["-oBatchMode=yes", "stranger", "true"];
    ssh(&machine, &args)
        .code(255)
        .stderr_has("Host key verification failed");
    machine.trust(&sshd.known_hosts_line(sshd.address()));
    ssh(&machine, &args).success();
    sshd.regenerate_host_key();
    ssh(&machine, &args)
        .code(255)
        .stderr_has("REMOTE HOST IDENTIFICATION HAS CHANGED");
}

#[test]
fn unauthorized_key_is_refused() {
    let sshd = plain_sshd();
    let machine = ClientMachine::new();
    machine.host("server", &sshd).unauthorized().add();
    ssh(&machine, &["server", "true"])
        .code(255)
        .stderr_has("Permission denied (publickey)");
}

#[test]
fn killing_connections_ends_them_and_only_them() {
    let sshd = plain_sshd();
    let machine = ClientMachine::knowing("server", &sshd);
    let mut running = Running::start(&mut machine.ssh(&["server", "echo up; cat"]));
    running.wait_line("up");
    assert!(!sshd.connections().is_empty());
    sshd.kill_connections();
    running.close_stdin();
    running.wait().code(255);
    ssh(&machine, &["server", "true"]).success();
}

#[test]
fn stopped_server_refuses_and_comes_back() {
    let mut sshd = plain_sshd();
    let machine = ClientMachine::knowing("server", &sshd);
    sshd.stop_listening();
    ssh(&machine, &["server", "true"])
        .code(255)
        .stderr_has("Connection refused");
    sshd.listen_again();
    ssh(&machine, &["server", "true"]).success();
}

#[test]
fn proxy_cuts_in_the_middle_of_a_stream() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    let gate = Gate::new();
    let script = numbered_script_with_pause(1000, 500, &gate);

    let running = Running::start(&mut machine.ssh(&["server", &script]));
    running.wait_line("line 500");
    assert_eq!(proxy.connections(), 1);
    proxy.cut();

    let output = running.wait();
    output.code(255);
    let received = output.stdout_text();
    let lines = received.split_once('\n').unwrap().1;
    assert_stream(lines.as_bytes(), numbered(500).as_bytes());
}

#[test]
fn proxy_cuts_after_a_number_of_bytes() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    proxy.cut_after(100_000);
    ssh(&machine, &["server", "cat /dev/zero"]).code(255);
    assert_eq!(proxy.bytes_down(), 100_000);
    ssh(&machine, &["server", "true"]).success();
}

#[test]
fn proxy_stalls_and_resumes_without_loss() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    let mut running = Running::start(&mut machine.ssh(&["server", "echo up; cat"]));
    running.wait_line("up");

    proxy.stall();
    let before = proxy.bytes_up();
    running.send("through\n");
    assert_eq!(proxy.bytes_up(), before);
    proxy.resume();

    running.wait_line("through");
    running.close_stdin();
    running.wait().success();
}

#[test]
fn proxy_stalls_one_way_alone() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    let (heard, answer) = (Gate::new(), Gate::new());
    let script = format!(
        "echo up; read -r line; echo \"$line\" >{}; read -r line <{}; echo \"$line\"",
        heard.word(),
        answer.word()
    );
    let mut running = Running::start(&mut machine.ssh(&["server", &script]));
    running.wait_line("up");

    proxy.stall_one(Way::Down);
    running.send("up it goes\n");
    assert_eq!(heard.wait(), "up it goes");
    let before = proxy.bytes_down();
    answer.open();
    assert_eq!(proxy.bytes_down(), before);
    proxy.resume();
    running.wait_line("go");
    running.wait().success();
}

#[test]
fn proxy_leaves_a_connection_half_open() {
    for reset in [End::Client, End::Server] {
        let sshd = plain_sshd();
        let proxy = Proxy::to(sshd.address());
        let machine = ClientMachine::new();
        machine.host("server", &sshd).via(proxy.address()).add();
        let running = Running::start(&mut machine.ssh(&["server", "echo up; exec cat"]));
        running.wait_line("up");
        let of_sshd = sshd.connections();

        proxy.half_open(reset);

        match reset {
            End::Client => {
                running.wait().code(255);
                assert_eq!(sshd.connections(), of_sshd);
            }
            End::Server => {
                for process in of_sshd {
                    process::wait_gone(process.pid);
                }
                assert!(process::is_alive(running.pid()));
            }
        }
    }
}

#[test]
fn proxy_trickles_every_byte() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    proxy.trickle(256, std::time::Duration::from_millis(1));
    ssh(&machine, &["server", "seq 100 | wc -l"])
        .success()
        .stdout_has("100\n");
}

#[test]
fn refusing_proxy_resets() {
    let sshd = plain_sshd();
    let proxy = Proxy::to(sshd.address());
    let machine = ClientMachine::new();
    machine.host("server", &sshd).via(proxy.address()).add();
    proxy.refuse();
    ssh(&machine, &["server", "true"])
        .code(255)
        .stderr_has("Connection reset");
}

#[test]
fn terminal_asks_and_is_answered() {
    let sshd = plain_sshd();
    let machine = ClientMachine::new();
    machine.host("stranger", &sshd).unknown().add();
    let terminal = pty::OnPty::start(&machine.ssh(&["-t", "stranger", "tty && cat"]));
    terminal.expect("(yes/no").send("yes").send(pty::ENTER);
    terminal
        .expect("/dev/pts/")
        .send("typed")
        .send(pty::ENTER)
        .expect("typed\r\n");
    terminal.send(pty::CTRL_C);
    // ssh's answer to a remote death by signal.
    terminal.wait().code(255);
}

#[test]
fn binary_streams_pass_unchanged() {
    let sshd = Sshd::builder()
        .bashrc("")
        .subsystem(Subsystem::Absent)
        .start();
    let machine = ClientMachine::knowing("server", &sshd);
    let bytes = binary(1_000_003);
    let mut running = Running::start(&mut machine.ssh(&["server", "cat"]));
    running.feed(bytes.clone());
    running.wait().success().stdout_is_stream(&bytes);
}

#[test]
fn leftovers_are_found_and_their_end_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("made");
    let gate = Gate::new();
    let script = format!("echo ready; read -r _ <{}; : >made", gate.word());
    let mut shell = std::process::Command::new("bash");
    let running = Running::start(shell.args(["-c", &script]).current_dir(directory.path()));
    running.wait_line("ready");
    let found = process::mentioning(directory.path());
    assert!(
        found.iter().any(|process| process.pid == running.pid()),
        "{found:?}"
    );

    gate.open();
    file_event::wait_for_file(&file);
    process::wait_gone(running.pid());
    running.wait().success();
    std::fs::remove_file(&file).unwrap();
    leftovers::wait_none_below(directory.path());
}

#[test]
#[should_panic(expected = "files were left behind")]
fn forgotten_files_fail_a_test() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("forgotten"), "").unwrap();
    leftovers::wait_none_below(directory.path());
}
