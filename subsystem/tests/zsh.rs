//! The zsh engine against a real zsh: what is peculiar to it. The rest is in `conformance/`.

// What is allowed in a test function is not in what it calls, unless one says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[allow(dead_code, reason = "shared with the tests of other engines")]
mod runspace;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use outlast_protocol::outcome::ExitStatus::Code;
use outlast_subsystem::runspace::{Configuration, OpenFailure, Runspace, RunspaceSpec};
use runspace::{Bench, End, Home};

const OPENING: Duration = Duration::from_secs(20);

async fn open(home: Home) -> Bench {
    let opened = Bench::open_as("zsh", home, OPENING).await;
    opened.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&error.terminal)))
}

macro_rules! tests {
    ($($(#[$meta:meta])* async fn $name:ident() $body:block)*) => {
        $(#[tokio::test(flavor = "current_thread")] $(#[$meta])*
        async fn $name() {
            let test = async $body;
            tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
        })*
    };
}

tests! {
    async fn the_users_files_are_read_in_their_order_as_at_a_login() {
        let home = Home::new();
        for (name, letter) in [(".zshenv", "e"), (".zprofile", "p"), (".zshrc", "r"), (".zlogin", "l")] {
            home.write(name, &format!("order+={letter}; typeset -A map; map[{letter}]=1\n"));
        }
        let mut bench = open(home).await;
        let ran = bench.run("echo $order ${#map} $options[login] $options[interactive] $ZSH_NAME ${ZDOTDIR-none}; env | grep -c ZDOTDIR").await;
        assert_eq!(ran.out(), "eprl 4 on on zsh none\n0\n");
        bench.close().await;
    }

    async fn another_place_for_the_files_is_respected() {
        let home = Home::new();
        std::fs::create_dir(home.path().join("elsewhere")).unwrap();
        home.write(".zshenv", "export ZDOTDIR=~/elsewhere\n");
        home.write("elsewhere/.zshrc", "x=there\n");
        home.write(".zshrc", "x=no\n");
        let mut bench = open(home).await;
        let ran = bench.run("echo $x ${ZDOTDIR:t}").await;
        assert_eq!(ran.out(), "there elsewhere\n");
        bench.close().await;
    }

    async fn options_of_other_languages_do_not_break_the_driver() {
        let mut bench = open(Home::new()).await;
        for options in [
            "ksharrays", "shwordsplit", "xtrace", "nounset", "errexit", "errreturn", "noclobber", "noglob", "globsubst",
            "extendedglob", "warncreateglobal", "localoptions", "localtraps", "posixbuiltins", "posixtraps", "allexport",
            "kshglob", "nullglob", "cshnullcmd", "shnullcmd", "rcquotes", "rcexpandparam", "printexitvalue", "verbose",
            "nomultios", "ignorebraces", "cshjunkieloops", "nofunctionargzero", "evallineno", "nohup", "nomonitor", "autocd", "pathdirs", "posixidentifiers",
        ] {
            let ran = bench.run(&format!("setopt {options}")).await;
            assert_eq!(ran.status, Code(0), "{options}: {}", ran.err());
            assert_eq!(bench.run("exit 3").await.status, Code(3), "{options}");
            assert_eq!(bench.run("(exit 4)").await.status, Code(4), "{options}");
            assert_eq!(bench.argv(&[b"printf", b"%s|", b"a'b", b"", b"''"]).await.out(), "a'b||''|", "{options}");
            assert_eq!(bench.interrupted("echo go; sleep 1000", false).await.status, Code(130), "{options}");
            let off = options.strip_prefix("no").map_or(format!("unsetopt {options}"), |it| format!("setopt {it}"));
            let ran = bench.run(&format!("{off}; [[ $options[{options}] == off ]] && echo $$")).await;
            assert_eq!(ran.out().trim(), bench.runspace.pid().to_string(), "{options}: {}", ran.err());
        }
        bench.close().await;
    }

    async fn emulations_do_not_break_the_driver() {
        let mut bench = open(Home::new()).await;
        for emulation in ["sh", "ksh", "csh", "zsh"] {
            bench.run(&format!("emulate {emulation}")).await;
            assert_eq!(bench.run("echo out; exit 3").await.out(), "out\n", "{emulation}");
            assert_eq!(bench.interrupted("echo go; sleep 1000", false).await.status, Code(130), "{emulation}");
        }
        bench.close().await;
    }

    async fn hooks_that_are_replaced_do_not_unseat_the_driver() {
        let home = Home::new();
        home.write(".zshrc", "precmd_functions=(); zle-line-init() { :; }; zle -N zle-line-init; zshexit_functions=()\n");
        let mut bench = open(home).await;
        for script in [
            "precmd_functions=()", "unset precmd_functions", "precmd() { echo precmd; }", "zle -D zle-line-init",
            "unfunction precmd; zle-line-init() { zle redisplay }; zle -N zle-line-init", "sched -1; sched +0 'echo sched'",
            "trap - ZERR; trap - INT", "TRAPZERR() { : }", "unfunction TRAPZERR",
        ] {
            bench.run(script).await;
            assert_eq!(bench.interrupted("echo go; sleep 1000", false).await.status, Code(130), "{script}");
            assert_eq!(bench.run("echo ok; exit 3").await.out(), "ok\n", "{script}");
        }
        bench.close().await;
    }

    async fn an_error_status_is_told_from_a_program_that_cannot_be_run() {
        let mut bench = open(Home::new()).await;
        assert_eq!(bench.run(": ${nope:?bad}").await.status, Code(1));
        assert_eq!(bench.run("echo >file; ./file").await.status, Code(126));
        assert_eq!(bench.run("exit 126").await.status, Code(126));
        bench.close().await;
    }

    async fn an_interrupt_right_after_the_start_is_enough() {
        let mut bench = open(Home::new()).await;
        for round in 0..20 {
            for script in ["sleep 1000", "while :; do :; done", "while :; do /bin/true; done", "cat", "(sleep 1000)", "x=$(sleep 1000)", "read -r x"] {
                let mut started = bench.start(script, true);
                for _ in 0..round % 4 * 500 {
                    tokio::task::yield_now().await;
                }
                bench.runspace.interrupt();
                assert_eq!(bench.completion().await, Ok(Code(130)), "{script}");
                bench.read_to_end(&mut started).await;
            }
        }
        bench.close().await;
    }

    async fn an_interrupt_right_before_a_fifo_is_opened_is_enough() {
        let home = Home::new();
        home.write("dwell.c", include_str!("runspace/dwell.c"));
        let built = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-o", "dwell.so", "dwell.c", "-ldl"]).current_dir(home.path()).status().unwrap();
        assert!(built.success());
        let program = home.path().join(runspace::PROGRAMS).join("zsh");
        home.write(".programs/zsh", "#!/bin/sh\nPATH=${PATH#*:} LD_PRELOAD=$HOME/dwell.so exec zsh \"$@\"\n");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut bench = open(home).await;
        bench.run("unset LD_PRELOAD; mkfifo fifo").await;
        let ran = bench.interrupted("read -r x <fifo; echo no", false).await;
        assert_eq!((ran.status, ran.out()), (Code(130), "go\n"));
        bench.close().await;
    }

    async fn an_interrupt_near_the_end_is_not_the_next_ones() {
        let mut bench = open(Home::new()).await;
        for round in 0..200 {
            let mut started = bench.start("echo go", false);
            started.read_until("go\n").await;
            for _ in 0..round * 3 {
                tokio::task::yield_now().await;
            }
            bench.runspace.interrupt();
            let status = bench.completion().await.unwrap();
            assert!(status == Code(130) || status == Code(0), "{status:?}");
            let ran = bench.run("echo ok").await;
            assert_eq!((ran.out(), ran.status), ("ok\n", Code(0)));
        }
        bench.close().await;
    }

    async fn a_signal_from_elsewhere_while_it_waits_does_nothing() {
        let mut bench = open(Home::new()).await;
        let pid = rustix::process::Pid::from_raw(i32::try_from(bench.runspace.pid()).unwrap()).unwrap();
        for _ in 0..50 {
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        }
        bench.run("trap 'echo mine' INT").await;
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(bench.run("echo ok").await.out().replace("mine\n", ""), "ok\n");
        bench.close().await;
    }

    async fn close_leaves_nothing_behind() {
        let mut bench = open(Home::new()).await;
        let ran = bench.run("sleep 1000 >/dev/null 2>&1 & echo $!; sh -c 'trap \"\" HUP TERM; while :; do sleep 1000; done' >/dev/null 2>&1 & echo $!").await;
        let ends: Vec<_> = ran.out().lines().map(|pid| End::of(pid.parse().unwrap())).collect();
        let _running = bench.start("sleep 1000", false);
        bench.close().await;
        for end in ends {
            end.wait().await;
        }
    }

    async fn a_killed_host_takes_the_shell_and_its_job_along() {
        for script in [
            "true", "sh -c 'echo $$; exec sleep 1000'", "echo $$; read line", "echo $$; while :; do :; done",
            "(sleep 1000)", "trap '' HUP; echo $$; read line",
        ] {
            let home = tempfile::tempdir().unwrap();
            let mut host = std::process::Command::new(std::env::current_exe().unwrap());
            let host = host.args(["--exact", "host", "--ignored", "--nocapture"]).env("TMPDIR", home.path());
            let mut host = host.env("OUTLAST_TEST_SCRIPT", script).stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
            let mut lines = BufReader::new(host.stdout.take().unwrap()).lines().map(Result::unwrap);
            let line = lines.find(|line| line.contains("pids ")).unwrap();
            let pids = line.split("pids ").nth(1).unwrap().split(' ').map(|pid| End::of(pid.parse().unwrap()));
            let ends: Vec<_> = pids.collect();
            host.kill().unwrap();
            host.wait().unwrap();
            for end in ends {
                let gone = tokio::time::timeout(Duration::from_secs(10), end.wait()).await;
                assert!(gone.is_ok(), "something outlives its host: {script}");
            }
        }
    }

    #[ignore = "the host that the test above kills"]
    async fn host() {
        let Ok(script) = std::env::var("OUTLAST_TEST_SCRIPT") else { return };
        let mut bench = open(Home::new()).await;
        let shell = bench.runspace.pid();
        let mut started = bench.start(&script, true);
        let mut job = String::new();
        if script == "true" {
            bench.completion().await.unwrap();
        } else if script.contains("echo") {
            job = started.read_line().await;
        }
        println!("pids {}", format!("{shell} {job}").trim());
        bench.completion().await.unwrap();
        std::future::pending::<()>().await;
    }

    async fn a_shell_that_is_not_installed_is_named_with_its_package() {
        let home = Home::new();
        let spec = RunspaceSpec {
            configuration: Configuration::named("zsh").unwrap(),
            directory: home.path().join(".runspace"),
            environment: vec![("PATH".into(), home.path().into())],
            working_directory: home.path().to_owned(),
            open_timeout: OPENING,
            umask: 0o022,
        };
        let error = Runspace::open(spec).await.err().unwrap();
        assert!(matches!(error.failure, OpenFailure::Missing { .. }), "{error}");
        assert_eq!(error.to_string(), "the shell did not open: zsh is not installed here (package zsh)");
    }

    async fn nothing_remains_in_the_directory_between_invocations() {
        let mut bench = open(Home::new()).await;
        for script in ["true", "exit 3", "nosuchcommand"] {
            bench.run_with_stdin(script, b"").await;
        }
        let mut names: Vec<String> = std::fs::read_dir(bench.directory()).unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [".zshenv", "control", "loop", "status", "terminal"]);
        bench.close().await;
    }
}
