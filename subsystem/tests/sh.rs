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
use outlast_subsystem::runspace::{Command, StartSpec};
use runspace::visitor::Visitor;
use runspace::{Bench, Home, PROGRAMS};

const OPENING: Duration = Duration::from_secs(20);
/// The programs that may be called `sh`.
const SHELLS: [&str; 2] = ["dash", "busybox"];

async fn open(program: &str) -> Bench {
    let home = Home::new();
    home.write(".profile", "PS1='prompt> ' PS2='more> '\n");
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

    async fn what_is_lent_is_given_back() {
        for shell in SHELLS {
            let mut bench = open(shell).await;
            bench.run("export E=mine; plain='a b'; readonly r=1").await;
            let start = StartSpec {
                number: bench.next_number(),
                command: Command::Script(b"sh -c 'echo $E $plain $new'".to_vec()),
                stdin: false,
                environment: vec![
                    (b"E".to_vec(), b"it's".to_vec()), (b"plain".to_vec(), b"lent".to_vec()), (b"new".to_vec(), b"3".to_vec()),
                ],
            };
            let ran = bench.run_spec(&start).await;
            assert_eq!((ran.out(), ran.err()), ("it's lent 3\n", ""), "{shell}");
            let ran = bench.run("echo $plain ${new-unset}; sh -c 'echo $E ${plain-unset}'").await;
            assert_eq!(ran.out(), "a b unset\nmine unset\n", "{shell}");
            let start = StartSpec {
                number: bench.next_number(), environment: vec![(b"r".to_vec(), b"2".to_vec())], ..start
            };
            let ran = bench.run_spec(&start).await;
            assert_eq!((ran.err(), ran.status), ("sh: cannot set the read-only variable r\n", Code(1)), "{shell}");
            assert_eq!(bench.run("echo $r").await.out(), "1\n");
            bench.close().await;
        }
    }

    async fn a_visitor_types_lines_that_the_same_shell_runs() {
        for shell in SHELLS {
            let mut bench = open(shell).await;
            bench.run("x=5; f() { echo f$x; }").await;
            let mut visitor = Visitor::at(bench);
            visitor.visit();
            assert_eq!(visitor.sees("prompt> ").await, "", "{shell}");
            visitor.types("f; y=typed; cd /usr\r").await;
            assert_eq!(visitor.sees("prompt> ").await, "f; y=typed; cd /usr\r\nf5\r\n", "{shell}");
            visitor.types("for i in 1 2; do\r").await;
            visitor.sees("more> ").await;
            visitor.types("echo \"<$i\r").await;
            visitor.sees("more> ").await;
            visitor.types(">\"; done; tty -s && echo 1; false\r").await;
            let shown = visitor.sees("prompt> ").await;
            assert!(shown.ends_with("<1\r\n>\r\n<2\r\n>\r\n1\r\n"), "{shell}: {shown:?}");
            visitor.types("echo $?; cat <<E\r").await;
            visitor.sees("more> ").await;
            visitor.types("here\rE\r").await;
            assert!(visitor.sees("prompt> ").await.ends_with("1\r\nhere\r\n"), "{shell}");
            visitor.types("exit 4\r").await;
            assert_eq!(visitor.is_gone().await, Code(4), "{shell}");
            let ran = visitor.bench.run("echo $x $y; pwd; echo $i").await;
            assert_eq!(ran.out(), "5 typed\n/usr\n2\n", "{shell}");
            visitor.visit();
            visitor.sees("prompt> ").await;
            visitor.types("dropped\x03").await;
            visitor.sees("prompt> ").await;
            visitor.types("\x04").await;
            assert_eq!(visitor.is_gone().await, Code(0), "{shell}");
            visitor.bench.close().await;
        }
    }

    async fn a_half_typed_line_waits_in_the_terminal() {
        for shell in SHELLS {
            let mut visitor = Visitor::at(open(shell).await);
            visitor.visit();
            visitor.sees("prompt> ").await;
            visitor.types("if true; then\r").await;
            visitor.sees("more> ").await;
            visitor.types("echo half").await;
            visitor.sees("echo half").await;
            visitor.away().await;
            assert_eq!(visitor.bench.run("z=between; echo work").await.out(), "work\n", "{shell}");
            visitor.visit();
            visitor.sees("more> ").await;
            visitor.types(" $z; fi\r").await;
            assert!(visitor.sees("prompt> ").await.contains("half between\r\n"), "{shell}");
            visitor.types("\x04").await;
            assert_eq!(visitor.is_gone().await, Code(0), "{shell}");
            visitor.bench.close().await;
        }
    }
}
