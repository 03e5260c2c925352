//! What a script does in a session as it does in `bash FILE`.

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus::Code;

use crate::runspace::Bench;

macro_rules! tests {
    ($(async fn $name:ident() $body:block)*) => {
        $(#[tokio::test(flavor = "current_thread")]
        async fn $name() {
            let test = async $body;
            tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
        })*
    };
}

tests! {
    async fn it_is_read_command_by_command() {
        let mut bench = Bench::open().await;
        let ran = bench.run("shopt -s extglob\ncase ab in @(ab|c)) echo yes ;; esac").await;
        assert_eq!((ran.out(), ran.status), ("yes\n", Code(0)), "{}", ran.err());
        let ran = bench.run("shopt -u extglob; alias hi='echo hello'\nhi you").await;
        assert_eq!((ran.out(), ran.status), ("hello you\n", Code(0)), "{}", ran.err());
        bench.close().await;
    }

    async fn one_that_has_to_be_one_command_still_has_its_patterns() {
        let mut bench = Bench::open().await;
        let ran = bench.run("set -u\nshopt -s extglob\ncase ab in @(ab|c)) echo yes ;; esac\necho $nope\necho no").await;
        assert_eq!((ran.out(), ran.status), ("yes\n", Code(1)), "{}", ran.err());
        bench.close().await;
    }

    async fn an_error_that_ends_no_script_ends_none() {
        let mut bench = Bench::open().await;
        let ran = bench.run("readonly r=1\nr=2\necho $((1/0))\necho on $r").await;
        assert_eq!((ran.out(), ran.status), ("on 1\n", Code(0)), "{}", ran.err());
        bench.close().await;
    }

    async fn a_demand_of_an_earlier_function_ends_it() {
        let mut bench = Bench::open().await;
        bench.run("need() { : ${1:?is missing}; }").await;
        let ran = bench.run("need\necho no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)), "{}", ran.err());
        bench.close().await;
    }

    async fn an_unset_variable_ends_it_wherever_the_option_came_from() {
        let mut bench = Bench::open().await;
        bench.run("o=u; set -${o}").await;
        let ran = bench.run("echo $nope\necho no").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)), "{}", ran.err());
        bench.close().await;
    }

    async fn a_strict_one_with_an_exit_trap_leaves_the_session() {
        let mut bench = Bench::open().await;
        let pid = bench.runspace.pid();
        bench.run("x=5").await;
        let ran = bench.run("set -eu; trap 'echo bye >>log' EXIT\necho $nope\necho no").await;
        assert_eq!((ran.out(), ran.status, ran.exited), ("", Code(1), None), "{}", ran.err());
        assert_eq!(bench.run("set +eu; echo $$ $x").await.out(), format!("{pid} 5\n"));
        let home = bench.close().await;
        assert_eq!(std::fs::read_to_string(home.path().join("log")).unwrap(), "bye\n");
    }

    async fn an_err_trap_fires_once() {
        let mut bench = Bench::open().await;
        let ran = bench.run("trap 'echo E $?' ERR; (exit 3)").await;
        assert_eq!((ran.out(), ran.status), ("E 3\n", Code(3)), "{}", ran.err());
        let ran = bench.run("f() { false; true; }; f; (exit 4)").await;
        assert_eq!((ran.out(), ran.status), ("E 4\n", Code(4)), "{}", ran.err());
        assert_eq!(bench.run("trap - ERR; false").await.out(), "");
        // Not by way of the driver: it is seen to when it has been set.
        bench.run("\\builtin \\trap 'echo B' ERR").await;
        assert_eq!(bench.run("false").await.out(), "B\n");
        bench.close().await;
    }

    async fn traps_are_listed_as_they_were_set() {
        let mut bench = Bench::open().await;
        assert_eq!(bench.run("trap").await.out(), "");
        let exit = r"trap -- 'a '\''b'\''' EXIT";
        let ran = bench.run("trap \"a 'b'\" EXIT; trap c USR1; trap d ERR; trap; saved=$(trap -p EXIT); trap - EXIT ERR USR1; trap; echo \"$saved\"").await;
        assert_eq!(ran.out(), format!("{exit}\ntrap -- 'c' SIGUSR1\ntrap -- 'd' ERR\n{exit}\n"), "{}", ran.err());
        bench.close().await;
    }

    async fn a_trace_shows_the_command_and_not_the_driver() {
        let mut bench = Bench::open().await;
        let ran = bench.run("PS4=; set -x; trap c USR1; set +x; trap - USR1; declare -F trap").await;
        assert_eq!((ran.err(), ran.out()), ("trap c USR1\nset +x\n", "trap\n"));
        assert_eq!(bench.run("declare -F trap").await.out(), "trap\n");
        assert_eq!(bench.run("declare -F tra''p").await.status, Code(1));
        bench.close().await;
    }

    async fn clearing_all_functions_leaves_the_session() {
        let mut bench = Bench::open().await;
        bench.run("f() { echo f; }; unset -f $(compgen -A function)").await;
        assert_eq!(bench.run("f").await.status, Code(127));
        assert_eq!(bench.run("echo ok; exit 3").await.status, Code(3));
        assert_eq!(bench.run("echo ok").await.out(), "ok\n");
        bench.close().await;
    }

    async fn a_shell_that_restricts_itself_ends() {
        let mut bench = Bench::open().await;
        let ran = bench.run("echo before; set -r; cd /; (exit 4)").await;
        // With which status is lost: it could not be told.
        assert_eq!((ran.out(), ran.exited.is_some()), ("before\n", true), "{}", ran.err());
    }
}
