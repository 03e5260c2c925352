//! What a visit promises, with every kind of shell.

use std::os::unix::fs::symlink;

use outlast_tests::pty::OnPty;
use outlast_tests::{Gate, Sshd, process};
use rustix::process::Signal;

use super::{at_prompt, enter, is_at_prompt, last, leave};
use crate::stage::{Stage, get, run};

/// How a kind of shell says things.
struct Shell {
    configuration: &'static str,
    /// What is found as `sh`.
    sh: &'static str,
    prompt: &'static str,
    set: &'static str,
    show: &'static str,
    /// Typed; the first part of it before leaving.
    half: [&'static str; 2],
    /// Ends the visit with 7, a variable set before.
    exit: &'static str,
    /// Writes the shell's process number to a gate.
    pid: &'static str,
    /// Ignores everything, says `deaf`, and ends when a line comes through the gate.
    deaf: &'static str,
    /// Ignores everything with a child that does, writes the number of its process to a gate, and
    /// does not end.
    endless: &'static str,
}

const POSIX: Shell = Shell {
    configuration: "sh",
    sh: "dash",
    prompt: "PS1='here> '",
    set: "from=script",
    show: "echo \"from $from\"",
    half: ["echo he", "re and \"$from\""],
    exit: "from=exit; exit 7",
    pid: "echo $$ >GATE",
    deaf: "sh -c 'trap \"\" INT QUIT TSTP TERM HUP; echo de\"\"af; read -r _ <GATE'",
    endless: "sh -c 'trap \"\" INT TERM HUP; echo $$ >GATE; while :; do sleep 1000; done'; echo no",
};

const SHELLS: [Shell; 5] = [
    Shell {
        configuration: "bash",
        ..POSIX
    },
    Shell {
        configuration: "zsh",
        ..POSIX
    },
    POSIX,
    Shell {
        sh: "busybox",
        ..POSIX
    },
    Shell {
        configuration: "python",
        prompt: "import sys, os; sys.ps1 = 'here> '",
        set: "origin = 'script'",
        show: "print('from', origin)",
        half: ["print('he' 're a", "nd', origin)"],
        exit: "origin = 'exit'; sys.exit(7)",
        pid: "print(os.getpid(), file=open('GATE', 'w'))",
        deaf: "os.system('''sh -c 'trap \"\" INT QUIT TSTP TERM HUP; echo de\"\"af; read -r _ <GATE' ''') and None",
        endless: "end = os.system('''sh -c 'trap \"\" INT TERM HUP; echo $$ >GATE; while :; do sleep 1000; done' ''')",
        ..POSIX
    },
];

impl Shell {
    fn stage(&self) -> Stage {
        // The directory is gone with the name of the shell in it when the test has ended.
        let bin = tempfile::tempdir().unwrap().keep();
        symlink(format!("/bin/{}", self.sh), bin.join("sh")).unwrap();
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            bin.display()
        );
        let stage = Stage::before(Sshd::builder().environment("PATH", &path).start());
        let new = [
            "new",
            "server",
            "-n",
            "job",
            "--configuration",
            self.configuration,
        ];
        run(&stage.machine, &new).success();
        self.invoke(&stage, self.prompt);
        std::fs::remove_dir_all(&bin).unwrap();
        stage
    }

    #[track_caller]
    fn invoke(&self, stage: &Stage, script: &str) -> String {
        let output = run(&stage.machine, &["invoke", "-n", "-s", "job", script]);
        output.success().stdout_text()
    }
}

#[track_caller]
fn says(visit: &OnPty, line: &str) {
    visit.expect_screen(&format!("{line:?} and a prompt"), |seen| {
        seen.lines.iter().any(|it| it == line) && is_at_prompt(seen)
    });
}

/// Both ways, with a line that is half typed while a script runs.
fn shares_its_state(shell: &Shell) {
    let stage = shell.stage();
    shell.invoke(&stage, shell.set);
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("{}\r", shell.show));
    says(&visit, "from script");
    let set = shell.set.replace("script", "visit");
    visit.send(&format!("{set}\r"));
    says(&visit, &format!("here> {set}"));
    visit.send(shell.half[0]);
    let half = format!("here> {}", shell.half[0]);
    visit.expect_lines("half a line", |lines| last(lines) == half);
    leave(visit, "job");
    assert_eq!(shell.invoke(&stage, shell.show), "from visit\n");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect_lines("half a line again", |lines| last(lines) == half);
    visit.send(&format!("{}\r", shell.half[1]));
    says(&visit, "here and visit");
    leave(visit, "job");
    stage.strike(vec![]);
}

fn is_left_in_every_way(shell: &Shell) {
    let stage = shell.stage();
    let mut visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("{}\r", shell.exit));
    visit.expect("the visit to session job is over");
    visit.ended().code(7);
    assert!(visit.is_cooked());
    assert_eq!(shell.invoke(&stage, shell.show), "from exit\n");
    let mut visit = enter(&stage.machine, &["job"]);
    visit.send("\x04");
    visit.expect("the visit to session job is over");
    visit.ended().code(0);
    let mut visit = enter(&stage.machine, &["job"]);
    visit.send("\r~.");
    visit.expect("left session job");
    visit.ended().code(0);
    assert_eq!(shell.invoke(&stage, shell.show), "from exit\n");
    assert_eq!(get(&stage.machine, "job")["availability"], "Available");
    stage.strike(vec![]);
}

/// By a program that ignores everything, and by the shell itself while it is stopped.
fn hangs_and_is_left(shell: &Shell) {
    let stage = shell.stage();
    let gate = Gate::new();
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("{}\r", shell.deaf.replace("GATE", gate.word())));
    let is_deaf = |lines: &[String]| lines.iter().any(|line| line == "deaf");
    visit.expect_lines("deaf", is_deaf);
    visit.send("keys\x03\x1a");
    leave(visit, "job");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect_lines("deaf", is_deaf);
    gate.open();
    visit.expect_screen("a prompt", |seen| seen.last().contains("here>"));
    leave(visit, "job");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect_screen("a prompt", |seen| seen.last().contains("here>"));
    visit.send("\x03");
    at_prompt(&visit);
    visit.send(&format!("{}\r", shell.pid.replace("GATE", gate.word())));
    let pid: u32 = gate.wait().parse().unwrap();
    at_prompt(&visit);
    process::send(pid, Signal::STOP);
    visit.send("\r");
    leave(visit, "job");
    let visit = stage.machine.on_pty(&["enter", "job"]);
    visit.expect_screen("what was there", |seen| seen.has("here>"));
    process::send(pid, Signal::CONT);
    at_prompt(&visit);
    leave(visit, "job");
    stage.strike(vec![]);
}

fn outlives_its_link_and_is_looked_at_and_stolen(shell: &Shell) {
    let stage = shell.stage();
    let second = stage.second_client();
    shell.invoke(&stage, shell.set);
    let mut visit = enter(&stage.machine, &["job"]);
    stage.proxy.refuse();
    stage.proxy.cut();
    visit.expect_lines("the last line", |lines| {
        last(lines).starts_with("[outlast: connection lost: ")
    });
    visit.send(&format!("{}\r", shell.show));
    stage.proxy.resume();
    says(&visit, "from script");
    let seen = visit.expect_screen("a prompt", is_at_prompt);
    let count = seen.lines.iter().filter(|it| *it == "from script").count();
    assert_eq!(count, 1, "{seen:#?}");

    let mut refused = second.on_pty(&["enter", "-c", "server", "job"]);
    refused.expect("held by");
    refused.ended().code(255);
    let watcher = second.on_pty(&["enter", "-c", "server", "job", "--read-only"]);
    at_prompt(&watcher);
    watcher.send("never typed\r");
    let set = shell.set.replace("script", "watched");
    visit.send(&format!("{set}\r"));
    watcher.expect_lines("what is typed", |lines| {
        lines.iter().any(|line| line.ends_with(&set)) && last(lines) == "here>"
    });
    watcher.send("~.");
    let thief = second.on_pty(&["enter", "job", "--steal"]);
    at_prompt(&thief);
    visit.expect("was taken over by");
    visit.ended().code(255);
    thief.send(&format!("{}\r", shell.show));
    says(&thief, "from watched");
    assert!(!thief.expect_screen("it", |_| true).has("never"));
    leave(thief, "job");
    stage.strike(vec![second]);
}

/// By the host alone: the command line and its background process are killed before the time is up.
fn stops_in_time_what_nobody_waits_for(shell: &Shell) {
    let stage = shell.stage();
    let gate = Gate::new();
    shell.invoke(&stage, shell.set);
    let script = shell.endless.replace("GATE", gate.word());
    let invoke = ["invoke", "-n", "-s", "job", "--timeout", "5s"];
    let words = [&invoke[..], &["--kill-after", "1s", &script]].concat();
    let running = stage.machine.spawn(&words);
    let endless: u32 = gate.wait().parse().unwrap();
    process::send(running.pid(), Signal::STOP);
    process::kill9(stage.machine.mux_pid());
    running.kill9();
    // Also an ssh that would hold the connection for the next one.
    for process in stage.machine.processes() {
        process::kill9(process.pid);
        process::wait_gone(process.pid);
    }
    assert!(process::is_alive(endless), "the time is not up yet");
    process::wait_gone(endless);
    let received = run(&stage.machine, &["receive", "--follow", "job"]);
    received.code(124).stdout_is("");
    assert_eq!(shell.invoke(&stage, shell.show), "from script\n");
    stage.strike(vec![]);
}

/// One test of each for every kind of shell.
macro_rules! with_every_shell {
    ($($shell:ident = $index:literal),+) => {$(
        mod $shell {
            use super::SHELLS;

            #[test]
            fn shares_its_state() {
                super::shares_its_state(&SHELLS[$index]);
            }

            #[test]
            fn is_left_in_every_way() {
                super::is_left_in_every_way(&SHELLS[$index]);
            }

            #[test]
            fn hangs_and_is_left() {
                super::hangs_and_is_left(&SHELLS[$index]);
            }

            #[test]
            fn outlives_its_link_and_is_looked_at_and_stolen() {
                super::outlives_its_link_and_is_looked_at_and_stolen(&SHELLS[$index]);
            }

            #[test]
            fn stops_in_time_what_nobody_waits_for() {
                super::stops_in_time_what_nobody_waits_for(&SHELLS[$index]);
            }
        }
    )+};
}

with_every_shell!(bash = 0, zsh = 1, dash = 2, busybox = 3, python = 4);
