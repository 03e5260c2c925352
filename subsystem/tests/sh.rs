//! The engine for dash and busybox ash: what is peculiar to it. The rest is in `conformance/`.

// What is allowed in a test function is not in what it calls, unless one says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout
)]

#[allow(dead_code, reason = "shared with the tests of other engines")]
mod runspace;

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus::Code;
use outlast_subsystem::runspace::Runspace;
use runspace::{Bench, Home, PROGRAMS};

const OPENING: Duration = Duration::from_secs(20);
const SHELLS: [&str; 2] = ["dash", "busybox"];

async fn open(program: &str) -> Bench {
    let home = Home::new();
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path)
        .map(|it| it.join(program))
        .find(|it| it.is_file());
    std::fs::create_dir(home.path().join(PROGRAMS)).unwrap();
    std::os::unix::fs::symlink(found.unwrap(), home.path().join(PROGRAMS).join("sh")).unwrap();
    let opened = Bench::open_as("sh", home, OPENING).await;
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
    async fn a_shell_that_ends_itself_again_and_again_goes_on() {
        let mut bench = open("dash").await;
        let pid = bench.runspace.pid();
        bench.run("f() { echo f $x; }; cd /usr; umask 027; trap 'echo usr1' USR1").await;
        for round in 1..20 {
            let ran = bench.run(&format!("x={round}; set -e; (exit {round}); echo no")).await;
            assert_eq!((ran.out(), ran.status), ("", Code(round)));
            let ran = bench.run("set +e; f; pwd; umask; echo $$").await;
            assert_eq!(ran.out(), format!("f {round}\n/usr\n0027\n{pid}\n"));
            assert_eq!(bench.interrupted("echo go; sleep 1000", false).await.status, Code(130));
            assert_eq!(bench.interrupted("echo go; while :; do :; done", false).await.status, Code(130));
            assert_eq!(bench.run("exit 3").await.status, Code(3));
        }
        assert_eq!(bench.run("trap").await.out(), "trap -- 'echo usr1' USR1\n");
        let mut started = bench.start("trap '' INT TERM; echo go; while :; do sleep 1000; done", false);
        bench.read_until(&mut started, "go\n").await;
        bench.runspace.kill();
        assert_eq!(bench.completion().await, Ok(Code(137)));
        assert_eq!(bench.run("f").await.out(), "f 19\n");
        assert_eq!(bench.run("exec sh -c 'exit 8'").await.exited, Some(Code(8)));
    }

    async fn busybox_falls_back_to_where_it_first_ended_itself() {
        let mut bench = open("busybox").await;
        bench.run("f() { echo f $x; }; x=1").await;
        assert_eq!(bench.run("set -e; false").await.status, Code(1));
        bench.run("set +e; x=2").await;
        assert_eq!(bench.run("exit 3").await.status, Code(3));
        assert_eq!(bench.run("f").await.out(), "f 2\n");
        assert_eq!(bench.run("set -e; (exit 4)").await.status, Code(4));
        assert_eq!(bench.run("set +e; f").await.out(), "f 1\n");
        assert_eq!(bench.run("\\exit 5").await.status, Code(5));
        assert_eq!(bench.run("f").await.out(), "f 1\n");
        bench.close().await;
    }

    async fn an_error_in_a_subshell_ends_the_subshell_alone() {
        for shell in SHELLS {
            let mut bench = open(shell).await;
            bench.run("readonly r=9; x=5").await;
            for error in ["r=1", ": ${nope:?bad}", "set -u; echo $nope", ". /nonexistent", "eval ')'"] {
                for (form, out) in [
                    ("(ERROR); echo $?", "2\n"), ("y=$(ERROR); echo $?", "2\n"),
                    ("(ERROR) | cat; echo next", "next\n"), ("{ ERROR; } | cat; echo next", "next\n"),
                ] {
                    let script = form.replace("ERROR", error);
                    let ran = bench.run(&script).await;
                    assert_eq!((ran.out(), ran.status), (out, Code(0)), "{shell}: {script}: {}", ran.err());
                }
            }
            assert_eq!(bench.run("echo $x").await.out(), "5\n", "{shell}");
            bench.close().await;
        }
    }

    async fn a_subshell_that_spins_in_a_copy_of_busybox_can_be_stopped() {
        let mut bench = open("busybox").await;
        bench.run("readonly r=9; x=5; set -e; false").await;
        bench.run("set +e").await;
        for (stop, status) in [(Runspace::interrupt as fn(&mut Runspace), 130), (Runspace::kill, 137)] {
            for error in ["(r=1)", "y=$(: ${nope:?bad})", "{ r=1; } | cat"] {
                let mut started = bench.start(&format!("echo go; {error}; echo no"), false);
                bench.read_until(&mut started, "go\n").await;
                started.read_error_until("\n").await;
                stop(&mut bench.runspace);
                assert_eq!(bench.completion().await, Ok(Code(status)), "{error}");
                bench.read_to_end(&mut started).await;
                assert_eq!(bench.run("echo $x").await.out(), "5\n", "{error}");
            }
        }
        bench.close().await;
    }
}
