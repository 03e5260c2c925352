//! The bash engine against a real bash: one test per trap, each named by the behaviour.

// What is allowed in a test function is not in what it calls, unless one says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "bash/late_signal.rs"]
mod late_signal;
#[path = "bash/like_a_file.rs"]
mod like_a_file;
#[allow(dead_code, reason = "shared with the tests of other engines")]
mod runspace;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use outlast_protocol::outcome::ExitStatus::{Code, Signal};
use outlast_subsystem::runspace::{Command, OpenFailure, StartError, StartSpec};
use runspace::{Bench, Home};

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
    async fn output_and_status_come_apart() {
        let mut bench = Bench::open().await;
        let ran = bench.run("echo out; echo err >&2; (exit 3)").await;
        assert_eq!((ran.out(), ran.err(), ran.status), ("out\n", "err\n", Code(3)));
        bench.close().await;
    }

    async fn children_see_three_descriptors_only() {
        let mut bench = Bench::open().await;
        let ran = bench.run("ls /proc/self/fd").await;
        // 3 is the directory that ls itself is reading.
        assert_eq!(ran.out(), "0\n1\n2\n3\n");
        assert_eq!(bench.run("ls /proc/self/fd & wait").await.out(), "0\n1\n2\n3\n");
        bench.close().await;
    }

    async fn stdin_is_dev_null_unless_asked_for() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run("readlink /proc/self/fd/0; cat").await.out(), "/dev/null\n");
        bench.close().await;
    }

    async fn stdin_is_read_to_its_end() {
        let mut bench = Bench::open().await;
        let ran = bench.run_with_stdin("read -r a; echo \"[$a]\"; cat", b"one\ntwo\nthree").await;
        assert_eq!(ran.out(), "[one]\ntwo\nthree");
        bench.close().await;
    }

    async fn a_closed_stdin_is_noticed_by_the_writer() {
        let mut bench = Bench::open().await;
        let ran = bench.run_with_stdin("head -c 1 >/dev/null", &vec![b'x'; 8 << 20]).await;
        assert_eq!((ran.status, ran.stdin_closed), (Code(0), true));
        bench.close().await;
    }

    async fn an_empty_stdin_ends_at_once() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run_with_stdin("cat; echo end", b"").await.out(), "end\n");
        bench.close().await;
    }

    async fn big_binary_output_is_exact() {
        let mut bench = Bench::open().await;
        let ran = bench.run("head -c 67108864 /dev/zero | tr '\\0' '\\377'; printf '\\0end'").await;
        assert_eq!(ran.stdout.len(), (64 << 20) + 4);
        assert!(ran.stdout[..64 << 20].iter().all(|byte| *byte == 0xff));
        assert_eq!(&ran.stdout[64 << 20..], b"\0end");
        bench.close().await;
    }

    async fn declare_is_global() {
        let mut bench = Bench::open().await;
        bench.run("declare -A map=([a]=1); declare -i n=4; x=plain").await;
        assert_eq!(bench.run("n+=1; echo ${map[a]} $n $x").await.out(), "1 5 plain\n");
        bench.close().await;
    }

    async fn return_ends_the_invocation() {
        let mut bench = Bench::open().await;
        let ran = bench.run("return 4\necho no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(4)));
        assert_eq!(bench.run("set -e; return 5").await.status, Code(5));
        assert_eq!(bench.run("echo $-").await.status, Code(0));
        bench.close().await;
    }

    async fn an_unset_variable_ends_the_invocation() {
        let mut bench = Bench::open().await;
        let ran = bench.run("set -u\necho $nope\necho no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)));
        assert!(ran.err().contains("nope: unbound variable"), "{}", ran.err());
        let ran = bench.run("set +u\n: ${x:?bad}\necho no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)));
        assert!(ran.err().contains("x: bad"), "{}", ran.err());
        bench.close().await;
    }

    async fn an_exit_in_a_subshell_is_ordinary() {
        let mut bench = Bench::open().await;
        let ran = bench.run("(exit 3); echo $?; echo $(exit 4) $?; (set -e; false; echo no); echo $?").await;
        assert_eq!(ran.out(), "3\n4\n1\n");
        bench.close().await;
    }

    async fn exit_ends_the_invocation_and_keeps_everything() {
        let mut bench = Bench::open().await;
        let pid = bench.runspace.pid();
        bench.run("sleep 1000 >/dev/null 2>&1 & job=$!; export E=1; f() { local l=1; exit 9; }").await;
        let ran = bench.run("eval 'for i in 1; do f; echo no; done'; echo no").await;
        assert_eq!((ran.out(), ran.err(), ran.status), ("", "", Code(9)));
        let ran = bench.run("echo $$ $E ${l-unset} $job; jobs; kill %1; wait $job; echo $?").await;
        assert!(ran.out().starts_with(&format!("{pid} 1 unset ")), "{}", ran.out());
        assert!(ran.out().contains("Running"), "{}", ran.out());
        assert!(ran.out().ends_with("143\n"), "{}", ran.out());
        bench.close().await;
    }

    async fn exit_takes_the_arguments_that_bash_takes() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run("exit").await.status, Code(0));
        assert_eq!(bench.run("false; exit").await.status, Code(1));
        assert_eq!(bench.run("exit 256").await.status, Code(0));
        assert_eq!(bench.run("exit -1").await.status, Code(255));
        let ran = bench.run("exit abc; echo no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(2)));
        assert!(ran.err().contains("numeric argument required"), "{}", ran.err());
        assert_eq!(bench.run("exit 1 2; echo still").await.out(), "still\n");
        bench.close().await;
    }

    async fn set_e_ends_the_invocation_and_keeps_everything() {
        let mut bench = Bench::open().await;
        let pid = bench.runspace.pid();
        bench.run("sleep 1000 >/dev/null 2>&1 & x=5").await;
        let ran = bench.run("set -e\nfalse\necho no").await;
        assert_eq!((ran.out(), ran.err(), ran.status), ("", "", Code(1)));
        let ran = bench.run("f() { (exit 6); echo no; }; f; echo no").await;
        assert_eq!((ran.out(), ran.err(), ran.status), ("", "", Code(6)));
        let ran = bench.run("set +e; false; echo $$ $x; jobs -r | wc -l; kill %1").await;
        assert_eq!(ran.out(), format!("{pid} 5\n1\n"));
        bench.close().await;
    }

    async fn builtin_exit_is_rescued_with_the_state() {
        let mut bench = Bench::open().await;
        let pid = bench.runspace.pid();
        bench.run(
            "sleep 1000 >/dev/null 2>&1 & job=$!; s=\"a'b\nc\"; export E=1; declare -i n=4; readonly r=9\n\
             declare -A map=(['k y']=v); list=(1 '2 3'); declare -n ref=s\n\
             f() { echo in f; }; alias ll='echo al'; shopt -s nullglob; set -o pipefail\n\
             cd /usr; umask 027; set -- p 'q r'; trap 'echo usr1' USR1",
        ).await;
        let ran = bench.run("echo before; builtin exit 7; echo no").await;
        assert_eq!((ran.out(), ran.status), ("before\n", Code(7)), "{}", ran.err());
        let ran = bench.run(
            "echo \"$$ $s $E $n $r ${map[k y]} ${list[1]} $ref\"; n+=1; echo $n; f; ll\n\
             shopt -q nullglob && [[ -o pipefail ]] && pwd; umask; echo \"$# $2\"; kill -USR1 $$\n\
             kill -0 $job && echo alive; (r=1) 2>/dev/null || echo readonly; kill $job\n\
             env | grep -c -e ^PROMPT_COMMAND= -e ^HISTFILE=; declare -p options 2>/dev/null",
        ).await;
        let expected = format!(
            "{pid} a'b\nc 1 4 9 v 2 3 a'b\nc\n5\nin f\nal\n/usr\n0027\n2 q r\nusr1\nalive\nreadonly\n0\n"
        );
        assert_eq!(ran.out(), expected, "{}", ran.err());
        let ran = bench.run("builtin exit 8").await;
        assert_eq!(ran.status, Code(8));
        assert_eq!(bench.run("exit 9").await.status, Code(9));
        assert_eq!(bench.run("ls /proc/self/fd").await.out(), "0\n1\n2\n3\n");
        bench.close().await;
    }

    async fn set_e_with_a_users_err_trap_is_rescued() {
        let mut bench = Bench::open().await;
        bench.run("x=5; trap 'echo mine' ERR").await;
        let ran = bench.run("set -e; false; echo no").await;
        assert_eq!((ran.out(), ran.status), ("mine\n", Code(1)), "{}", ran.err());
        let ran = bench.run("set +e; echo $x; false; true").await;
        assert_eq!((ran.out(), ran.status), ("5\nmine\n", Code(0)), "{}", ran.err());
        // Without -E of the user's own, functions do not inherit it.
        assert_eq!(bench.run("f() { false; true; }; f").await.out(), "");
        bench.close().await;
    }

    async fn a_persistent_set_e_survives_the_rescue() {
        let mut bench = Bench::open().await;
        bench.run("set -eu").await;
        assert_eq!(bench.run("builtin exit 3").await.status, Code(3));
        assert_eq!(bench.run("false; echo no").await.status, Code(1));
        assert_eq!(bench.run("[[ $- == *e* && $- == *u* ]] && echo both").await.out(), "both\n");
        bench.close().await;
    }

    async fn exec_replaces_the_shell() {
        let mut bench = Bench::open().await;
        let ran = bench.run("exec sh -c 'echo there; exit 5'").await;
        assert_eq!((ran.out(), ran.exited), ("there\n", Some(Code(5))));
        let pipes = bench.runspace.start(&StartSpec { number: 99, command: Command::Script(b"".to_vec()), stdin: false, environment: Vec::new() });
        assert!(matches!(pipes, Err(StartError::Ended)));
        bench.close().await;
    }

    async fn a_killed_shell_is_told_by_its_signal() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run("kill -9 $$").await.exited, Some(Signal(9)));
        bench.close().await;
    }

    async fn scripts_may_end_in_anything() {
        let mut bench = Bench::open().await;
        for (script, out) in [
            ("", ""), ("\n\n", ""), ("# only a comment", ""), ("echo a # b", "a\n"),
            ("cat <<E\nhi\nE", "hi\n"), ("echo a\\", "a\\\n"), ("echo a\\\\", "a\\\n"),
            ("echo a;", "a\n"), ("true &", ""), ("echo a\n\n\n", "a\n"),
        ] {
            let ran = bench.run(script).await;
            assert_eq!((ran.out(), ran.status), (out, Code(0)), "{script:?}: {}", ran.err());
        }
        bench.close().await;
    }

    async fn a_syntax_error_is_status_2_at_the_users_own_line() {
        let mut bench = Bench::open().await;
        let ran = bench.run("echo a\necho )\n").await;
        assert_eq!((ran.out(), ran.status), ("a\n", Code(2)));
        assert!(ran.err().contains("line 2: syntax error"), "{}", ran.err());
        assert_eq!(bench.run("if").await.status, Code(2));
        assert_eq!(bench.run("echo 'open").await.status, Code(2));
        bench.close().await;
    }

    async fn line_numbers_are_the_users() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run("echo $LINENO\n\necho $LINENO").await.out(), "1\n3\n");
        let ran = bench.run("nosuchcommand").await;
        assert_eq!((ran.err(), ran.status), ("bash: nosuchcommand: command not found\n", Code(127)));
        bench.close().await;
    }

    async fn redefined_builtins_do_not_break_the_driver() {
        let mut bench = Bench::open().await;
        bench.run(
            "for f in printf read eval exit command declare local trap set shopt kill return unset; do \
             \\builtin eval \"$f() { echo hijacked $f; }; alias $f='echo alias $f'\"; done; .() { echo dot; }",
        ).await;
        assert_eq!(bench.run("builtin echo ok; (builtin exit 3)").await.status, Code(3));
        let ran = bench.run("builtin exit 4").await;
        assert_eq!(ran.status, Code(4), "{} {}", ran.out(), ran.err());
        assert_eq!(bench.run("builtin echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn aliases_work_in_the_next_script() {
        let mut bench = Bench::open().await;
        bench.run("alias greet='echo hello'").await;
        assert_eq!(bench.run("greet you").await.out(), "hello you\n");
        bench.close().await;
    }

    async fn jobs_live_on_from_one_invocation_to_the_next() {
        let mut bench = Bench::open().await;
        let ran = bench.run("sleep 1000 >/dev/null 2>&1 & pid=$!; (exit 5) & five=$!").await;
        assert_eq!((ran.out(), ran.err()), ("", ""));
        let ran = bench.run("wait $five; echo $?; jobs -r; kill %1; wait $pid; echo $?").await;
        assert_eq!(ran.out(), "5\n[1]+  Running                 sleep 1000 > /dev/null 2>&1 &\n143\n", "{}", ran.err());
        bench.close().await;
    }

    async fn a_job_that_ends_at_rest_is_told_to_who_asks_or_visits() {
        let mut bench = Bench::open().await;
        let gate = bench.home.path().join("gate");
        bench.run("mkfifo gate; PS1='prompt> '").await;
        let job = "sh -c 'read x <gate; exit 5' >/dev/null 2>&1 & echo $!";
        let ended = async |bench: &mut Bench| {
            let end = runspace::End::of(bench.run(job).await.out().trim().parse().unwrap());
            std::fs::write(&gate, "x\n").unwrap();
            end.wait().await;
        };
        ended(&mut bench).await;
        let ran = bench.run("(:); /bin/true").await;
        assert_eq!((ran.out(), ran.err()), ("", ""));
        ended(&mut bench).await;
        let ran = bench.run("jobs").await;
        assert!(ran.out().contains("Exit 5"), "{ran:?}");
        ended(&mut bench).await;
        assert_eq!(bench.run("wait -n; echo $?").await.out(), "5\n");
        ended(&mut bench).await;
        let mut visitor = runspace::visitor::Visitor::at(bench);
        visitor.visit();
        visitor.sees("Exit 5").await;
        visitor.prompt().await;
        visitor.bench.close().await;
    }

    async fn completion_does_not_wait_for_background_children() {
        let mut bench = Bench::open().await;
        let mut started = bench.start("mkfifo gate; { read <gate; echo late; } & echo soon", false);
        assert_eq!(bench.completion().await, Ok(Code(0)));
        let other = bench.run("echo other; echo >gate; wait").await;
        assert_eq!(other.out(), "other\n");
        assert_eq!(bench.read_to_end(&mut started).await.0, b"soon\nlate\n");
        bench.close().await;
    }

    async fn argv_is_literal() {
        let mut bench = Bench::open().await;
        let words: [&[u8]; 12] = [
            b"printf", b"[%s]", b"", b"a b", b"'\"", b"new\nline", b"$HOME `id` *", b"\xff\x80\x01\x7f", b"-n", b"~", b"a=b", b"\\",
        ];
        let ran = bench.argv(&words).await;
        assert_eq!(ran.stdout, b"[][a b]['\"][new\nline][$HOME `id` *][\xff\x80\x01\x7f][-n][~][a=b][\\]");
        bench.run("f() { echo \"f got $#\"; }; alias g=nope; g() { echo function; }").await;
        assert_eq!(bench.argv(&[b"f", b"", b"x"]).await.out(), "f got 2\n");
        assert_eq!(bench.argv(&[b"if"]).await.status, Code(127));
        assert_eq!(bench.argv(&[b"sh", b"-c", b"kill -9 $$"]).await.status, Signal(9));
        assert_eq!(bench.run("sh -c 'kill -9 $$'").await.status, Code(137));
        assert_eq!(bench.argv(&[b"sh", b"-c", b"exit 9"]).await.status, Code(9));
        bench.close().await;
    }

    async fn argv_refuses_what_no_program_can_get() {
        let mut bench = Bench::open().await;
        let start = |words: Vec<Vec<u8>>| StartSpec { number: 50, command: Command::Argv(words), stdin: false, environment: Vec::new() };
        assert!(matches!(bench.runspace.start(&start(vec![])), Err(StartError::NoCommand)));
        assert!(matches!(bench.runspace.start(&start(vec![b"a\0".to_vec()])), Err(StartError::Nul)));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn a_file_has_a_name_and_arguments() {
        let mut bench = Bench::open().await;
        bench.run("set -- session").await;
        let script = b"[[ $0 == \"${BASH_SOURCE[0]}\" ]] && echo \"main $# $2 ${0##*-}\"; x=kept".to_vec();
        let command = Command::File { script, args: vec![b"a".to_vec(), b"b c".to_vec()], name: b"/tmp/deploy.sh".to_vec() };
        assert_eq!(bench.run_command(command, None).await.out(), "main 2 b c deploy.sh\n");
        assert_eq!(bench.run("echo $0 $1 $x").await.out(), "bash session kept\n");
        bench.close().await;
    }

    async fn interrupt_ends_what_runs_with_130() {
        let mut bench = Bench::open().await;
        bench.run("x=5; sleep 1000 >/dev/null 2>&1 &").await;
        for script in [
            "echo go; sleep 1000", "echo go; while :; do :; done", "echo go; read x <>fifo; echo no",
            "f() { for i in 1 2 3; do sleep 1000; done; echo no; }; echo go; f; echo no",
            "echo go; cat | cat; echo no", "echo go; wait; echo no", "echo go; (sleep 1000); echo no",
        ] {
            let ran = bench.interrupted(&format!("[[ -p fifo ]] || mkfifo fifo; {script}"), script.contains("cat")).await;
            assert_eq!((ran.out(), ran.status), ("go\n", Code(130)), "{script}: {}", ran.err());
        }
        let ran = bench.run("echo $x; jobs -r | wc -l").await;
        assert_eq!(ran.out(), "5\n1\n");
        bench.close().await;
    }

    async fn interrupt_ends_a_read_of_stdin() {
        let mut bench = Bench::open().await;
        let ran = bench.interrupted("echo go; read line; echo no", true).await;
        assert_eq!((ran.out(), ran.status), ("go\n", Code(130)));
        bench.close().await;
    }

    async fn an_int_trap_of_the_users_is_theirs() {
        let mut bench = Bench::open().await;
        let ran = bench.interrupted("sleep 1000 >/dev/null 2>&1 & trap 'echo caught; stop=1' INT; echo go; until [[ $stop ]]; do :; done; echo after; trap 'echo caught' INT", false).await;
        assert_eq!((ran.out(), ran.status), ("go\ncaught\nafter\n", Code(0)));
        assert_eq!(bench.run("kill %1; exit 3").await.status, Code(3));
        assert_eq!(bench.run("trap -p INT").await.out(), "trap -- 'echo caught' SIGINT\n");
        bench.close().await;
    }

    async fn what_an_int_trap_runs_is_not_interrupted_too() {
        let mut bench = Bench::open().await;
        for _ in 0..30 {
            let ran = bench.interrupted("trap 'sleep 0.1; echo two; trap - INT; exit 3' INT; echo go; sleep 1000", false).await;
            assert_eq!((ran.out(), ran.status), ("go\ntwo\n", Code(3)));
        }
        bench.close().await;
    }

    async fn an_interrupt_at_rest_does_nothing() {
        let mut bench = Bench::open().await;
        bench.runspace.interrupt();
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn terminate_and_kill_leave_the_shell_and_older_jobs() {
        let mut bench = Bench::open().await;
        bench.run("sleep 1000 >/dev/null 2>&1 & old=$!").await;
        let mut started = bench.start("echo go; sleep 1000; echo next $?; sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 1000; done'; echo last $?", false);
        bench.read_until(&mut started, "go\n").await;
        bench.runspace.terminate();
        bench.read_until(&mut started, "deaf\n").await;
        bench.runspace.kill();
        assert_eq!(bench.completion().await, Ok(Code(137)));
        assert_eq!(bench.read_to_end(&mut started).await.0, b"go\nnext 143\ndeaf\n");
        assert_eq!(bench.run("kill -0 $old && echo alive").await.out(), "alive\n");
        bench.close().await;
    }

    async fn an_interrupt_right_after_the_start_is_enough() {
        let mut bench = Bench::open().await;
        for round in 0..20 {
            for script in ["sleep 1000", "while :; do :; done", "while :; do /bin/true; done", "cat", "(sleep 1000)", "x=$(sleep 1000)"] {
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

    async fn a_copy_that_an_interrupt_has_caught_in_its_handler_does_not_hold_the_invocation() {
        let mut bench = Bench::open_in(late_signal::home()).await.unwrap();
        late_signal::stop(&mut bench, "x=$(sleep 1000); echo no").await;
        late_signal::stop(&mut bench, "(sleep 1000; echo no); echo no").await;
        let ran = bench.run("unset LATE_SIGNAL; echo ok").await;
        assert_eq!(ran.out(), "ok\n", "{}", ran.err());
        bench.close().await;
    }

    async fn an_interrupt_near_the_end_is_not_the_next_ones() {
        let mut bench = Bench::open().await;
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

    async fn kill_ends_what_ignores_everything() {
        let mut bench = Bench::open().await;
        let pid = bench.runspace.pid();
        bench.run("sleep 1000 >/dev/null 2>&1 & old=$!; x=5").await;
        for script in [
            "trap '' INT TERM HUP; echo go; while :; do :; done", "f() { while :; do sleep 1000; done; }; echo go; f",
            "trap 'echo no' INT; echo go; read x <>fifo", "trap '' INT; echo go; wait", "sh -c 'trap \"\" INT TERM; while :; do :; done' & echo go; wait $!",
            "trap '' INT; echo go; (trap '' TERM; while :; do :; done); echo no", "echo go; y=$(trap '' INT; while :; do :; done); echo no",
        ] {
            let mut started = bench.start(&format!("[[ -p fifo ]] || mkfifo fifo; {script}"), false);
            started.read_until("go\n").await;
            bench.runspace.kill();
            assert_eq!(bench.completion().await, Ok(Code(137)), "{script}");
            assert_eq!(bench.read_to_end(&mut started).await.0, b"go\n", "{script}");
            assert_eq!(bench.run("trap - INT; echo $$ $x; kill -0 $old").await.out(), format!("{pid} 5\n"), "{script}");
        }
        bench.close().await;
    }

    async fn kill_ends_the_session_if_it_must() {
        let mut bench = Bench::open().await;
        let mut started = bench.start("trap '' STKFLT INT; echo go; while :; do :; done", false);
        started.read_until("go\n").await;
        bench.runspace.kill();
        assert_eq!(bench.completion().await, Err(Signal(9)));
        bench.close().await;
    }

    async fn xtrace_shows_the_users_commands_only() {
        let mut bench = Bench::open().await;
        let ran = bench.run("PS4='> '; set -x; true; false").await;
        assert_eq!(ran.err().replace('>', ""), " true\n false\n");
        let ran = bench.run("echo hi").await;
        assert_eq!((ran.out(), ran.err().replace('>', "")), ("hi\n", " echo hi\n".to_owned()));
        assert_eq!(bench.run("[[ $- == *x* ]]; set +x").await.status, Code(0));
        assert_eq!(bench.run("true").await.err(), "");
        bench.close().await;
    }

    async fn a_debug_trap_fires_for_the_script_only() {
        let mut bench = Bench::open().await;
        let ran = bench.run("trap 'echo D' DEBUG; true").await;
        assert_eq!(ran.out(), "D\n");
        assert_eq!(bench.run("true; true").await.out(), "D\nD\n");
        assert_eq!(bench.run("exit 3").await.status, Code(3));
        assert_eq!(bench.run("trap - DEBUG").await.out(), "D\n");
        assert_eq!(bench.run("echo x").await.out(), "x\n");
        bench.close().await;
    }

    async fn an_exit_trap_fires_once_at_the_real_end() {
        let mut bench = Bench::open().await;
        bench.run("trap 'echo bye >>log' EXIT; exit 3").await;
        bench.run("builtin exit 4").await;
        bench.run("exit 5").await;
        assert_eq!(bench.run("cat log 2>/dev/null").await.out(), "");
        let home = bench.close().await;
        assert_eq!(std::fs::read_to_string(home.path().join("log")).unwrap(), "bye\n");
    }

    async fn a_prompt_command_set_by_a_script_does_not_unseat_the_driver() {
        let mut bench = Bench::open().await;
        bench.run("PROMPT_COMMAND='echo prompt'").await;
        assert_eq!(bench.interrupted("echo go; sleep 1000", false).await.status, Code(130));
        bench.run("PROMPT_COMMAND=\"echo second; $PROMPT_COMMAND\"").await;
        bench.run("unset PROMPT_COMMAND").await;
        bench.run("PROMPT_COMMAND+=('echo third')").await;
        assert_eq!(bench.run("unset PROMPT_COMMAND; exit 4").await.status, Code(4));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn a_lost_driver_is_brought_back() {
        let mut bench = Bench::open().await;
        bench.run("x=5").await;
        for script in [
            "unset PROMPT_COMMAND; echo go; sleep 1000", "PROMPT_COMMAND='echo mine'; echo go; while :; do :; done",
            "PROMPT_COMMAND=; PS1=; HISTCONTROL=; echo go; read x", "set +o emacs; unset PROMPT_COMMAND; echo go; sleep 1000",
        ] {
            let ran = bench.interrupted(script, true).await;
            assert_eq!((ran.out(), ran.status), ("go\n", Code(130)), "{script}");
            let ran = bench.run("echo $x; history | grep -c reenter").await;
            assert_eq!(ran.out(), "5\n0\n", "{script}");
        }
        let ran = bench.run("unset PROMPT_COMMAND; : ${nope:?}").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn login_files_are_read_at_top_level() {
        let home = Home::new();
        home.write(".bash_profile", "declare -A profile=([a]=1)\n. ~/.bashrc\n");
        home.write(".bashrc", "echo noise; alias ll='echo al'; f() { echo f; }; PS1='$ '; PROMPT_COMMAND='echo prompt'; trap 'echo D' DEBUG\ntrap - DEBUG\nprintf x; return 3");
        let mut bench = Bench::open_in(home).await.unwrap();
        let ran = bench.run("ll ${profile[a]}; f; shopt -q login_shell && echo login; env | grep -c PROMPT_COMMAND").await;
        assert_eq!((ran.out(), ran.err()), ("al 1\nf\nlogin\n0\n", ""));
        assert!(String::from_utf8_lossy(&bench.runspace.pty_tail()).contains("noise"));
        bench.close().await;
    }

    async fn a_login_file_that_aborts_does_not_matter() {
        let home = Home::new();
        home.write(".bash_profile", "x=1\n: ${nope:?missing}\n");
        let mut bench = Bench::open_in(home).await.unwrap();
        assert_eq!(bench.run("echo $x").await.out(), "1\n");
        bench.close().await;
    }

    async fn a_login_file_that_sets_e_and_tmout_does_not_matter() {
        let home = Home::new();
        home.write(".bash_profile", "set -eu; readonly TMOUT=1 IFS=; shopt -s failglob; set -o noclobber -o posix\n");
        let mut bench = Bench::open_in(home).await.unwrap();
        assert_eq!(bench.run("false").await.status, Code(1));
        assert_eq!(bench.run("echo ok; exit 3").await.status, Code(3));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn login_files_that_exit_exec_or_hang_are_reported() {
        let home = Home::new();
        home.write(".bash_profile", "echo going; exit 6");
        let error = Bench::open_in(home).await.err().unwrap();
        assert!(matches!(error.failure, OpenFailure::Ended(Code(6))), "{error}");
        assert!(String::from_utf8_lossy(&error.terminal).contains("going"));
        for hang in ["echo asking; read answer", "exec sh -c 'echo asking; exec sleep 1000'"] {
            let home = Home::new();
            home.write(".bash_profile", hang);
            let error = Bench::open_within(home, Duration::from_millis(500)).await.err().unwrap();
            assert!(matches!(error.failure, OpenFailure::TimedOut(_)), "{error}");
            assert!(String::from_utf8_lossy(&error.terminal).contains("asking"));
        }
    }

    async fn history_is_left_alone() {
        let home = Home::new();
        let history: String = (0..2000).map(|n| format!("echo {n}\n")).collect();
        home.write(".bash_history", &history);
        let mut bench = Bench::open_in(home).await.unwrap();
        assert_eq!(bench.run("echo secret; history | grep -c secret").await.out(), "secret\n0\n");
        bench.run("builtin exit 3").await;
        let home = bench.close().await;
        let after = std::fs::read_to_string(home.path().join(".bash_history")).unwrap();
        assert!(after == history, "{} lines are left", after.lines().count());
    }

    async fn an_unwritable_directory_fails_the_start_only() {
        let mut bench = Bench::open().await;
        let number = 70;
        std::fs::write(bench.directory().join("70.sh"), "in the way").unwrap();
        let start = StartSpec { number, command: Command::Script(b"true".to_vec()), stdin: true, environment: Vec::new() };
        assert!(matches!(bench.runspace.start(&start), Err(StartError::Directory { .. })));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn one_invocation_at_a_time() {
        let mut bench = Bench::open().await;
        let started = bench.start("read", true);
        let start = StartSpec { number: 70, command: Command::Script(b"true".to_vec()), stdin: true, environment: Vec::new() };
        assert!(matches!(bench.runspace.start(&start), Err(StartError::Busy(1))));
        drop(started);
        assert_eq!(bench.completion().await, Ok(Code(1)));
        bench.close().await;
    }

    async fn close_leaves_nothing_behind() {
        let mut bench = Bench::open().await;
        let ran = bench.run("sleep 1000 >/dev/null 2>&1 & echo $!; sh -c 'trap \"\" HUP TERM; while :; do sleep 1000; done' >/dev/null 2>&1 & echo $!").await;
        let pids: Vec<String> = ran.out().lines().map(str::to_owned).collect();
        let shell = bench.runspace.pid();
        let _running = bench.start("sleep 1000", false);
        bench.close().await;
        for pid in pids.iter().cloned().chain([shell.to_string()]) {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            assert!(state.is_empty() || state.contains(") Z "), "{pid} is alive: {state}");
        }
    }

    async fn a_bench_that_is_dropped_ends_what_it_started() {
        let mut bench = Bench::open().await;
        let ran = bench.run("sh -c 'trap \"\" HUP TERM; while :; do sleep 1000; done' >/dev/null 2>&1 & echo $!").await;
        let end = runspace::End::of(ran.out().trim().parse().unwrap());
        drop(bench);
        end.wait().await;
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
            let pids = line.split("pids ").nth(1).unwrap().split(' ').map(|pid| runspace::End::of(pid.parse().unwrap()));
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
        let mut bench = Bench::open().await;
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

    async fn nothing_remains_in_the_directory_between_invocations() {
        let mut bench = Bench::open().await;
        for script in ["true", "exit 3", "builtin exit 4"] {
            bench.run_with_stdin(script, b"").await;
        }
        let mut names: Vec<String> = std::fs::read_dir(bench.directory()).unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["control", "init", "loop", "status", "terminal"]);
        bench.close().await;
    }

    async fn umask_environment_and_directory_are_as_asked() {
        let mut bench = Bench::open().await;
        let home = bench.home.path().to_owned();
        let ran = bench.run("umask; pwd; echo $TERM; sed -n 's/Sig[BI][lg][kn]:.\\{10\\}//p' /proc/self/status; tty; ps -o tty= -p $$ >/dev/null; stty size </dev/tty").await;
        let expected = format!(
            "0022\n{}\nxterm-256color\n0000000\n0000000\nnot a tty\n24 80\n", home.display());
        assert_eq!(ran.out(), expected, "{}", ran.err());
        bench.close().await;
    }
}
