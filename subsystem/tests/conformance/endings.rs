//! The ways in which an invocation ends, and a session that goes on.

use super::case::{Case, case};
use super::column::Column;
use super::step::{file, run};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = exit();
    cases.extend(errexit());
    cases.extend(refusals());
    cases.extend(ends());
    cases
}

fn exit() -> Vec<Case> {
    vec![
        case(
            "exit ends the invocation with its status",
            [
                run("x=1; exit 7; echo no").code(7),
                run("echo $x $$").out("1 {pid}\n"),
                run("exit 8").code(8),
                run("exit 9").code(9),
                run("echo $x $$").out("1 {pid}\n"),
            ],
        ),
        case(
            "exit in functions and loops and eval",
            [
                run("f() { local l=1; exit 9; }\neval 'for i in 1; do f; echo no; done'; echo no")
                    .code(9),
                run("echo ${l-unset} $$").out("unset {pid}\n"),
            ],
        ),
        case(
            "exit in a sourced file",
            [
                run("echo 'echo in; exit 6; echo no' >part; . ./part; echo no")
                    .out("in\n")
                    .code(6),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "exit in a script file",
            [
                file("deploy.sh", "echo $1\nexit 5\necho no\n", &["arg"])
                    .out("arg\n")
                    .code(5),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "exit without a number is that of the last command",
            [
                run("exit"),
                run("false; exit").code(1),
                run("(exit 4); exit").code(4),
                run("exit 256"),
                run("exit -1").code(255),
            ],
        )
        .in_sh(|| {
            [
                run("exit"),
                run("false; exit").code(1),
                run("(exit 4); exit").code(4),
                run("exit 256"),
                run("exit -1").code(2).err("sh: exit: Illegal number: -1\n"),
            ]
        }),
        case(
            "exit keeps background jobs",
            [
                run("sleep 1000 >/dev/null 2>&1 & job=$!; exit 3").code(3),
                run("kill -0 $job && kill $job; wait $job; echo $?").out("143\n").any_err(),
            ],
        ),
        case(
            "exit in subshells is ordinary",
            [run("(exit 3); echo $?; x=$(exit 4); echo $?; exit 5 | cat; (set -e; false; echo no); echo $?")
                .out("3\n4\n1\n")],
        ),
        case(
            "exit with a command in a pipe",
            [
                run("yes | head -n 1; exit 2").out("y\n").code(2),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "exit while reading from a here document and a file",
            [
                run("echo line >in; while read -r l; do echo \"$l\"; exit 3; done <in")
                    .out("line\n")
                    .code(3),
                run("cat; echo ok").out("ok\n"),
            ],
        ),
        case(
            "exit in a trap",
            [
                run("trap 'exit 12' USR1; kill -USR1 $$; while :; do :; done").code(12),
                run("trap - USR1; echo $$").out("{pid}\n"),
            ],
        ),
    ]
}

fn errexit() -> Vec<Case> {
    vec![
        case(
            "set -e ends the invocation",
            [
                run("x=5; set -e\nfalse\necho no").code(1),
                run("f() { (exit 6); echo no; }; f; echo no").code(6),
                run("set +e; false; echo $x $$").out("5 {pid}\n"),
            ],
        ),
        case(
            "set -e stays on",
            [
                run("set -e"),
                run("false; echo no").code(1),
                run("false; echo no").code(1),
                run("case $- in *e*) echo on ;; esac").out("on\n"),
                run("set +e"),
                run("false; echo yes").out("yes\n"),
            ],
        ),
        case(
            "set -e spares what is tested",
            [run("set -e; if false; then :; fi; false || true; ! true; while false; do :; done; false && true; echo end")
                .out("end\n")],
        ),
        case(
            "set -e with an ERR trap of the user's",
            [
                run("x=5; trap 'echo E $?' ERR"),
                run("set -e; (exit 6); echo no").out("E 6\n").code(6),
                run("set +e; (exit 7); echo $x $$").out("E 7\n5 {pid}\n"),
            ],
        )
        .not_in_sh("POSIX knows no ERR trap"),
        case(
            "set -e and an ERR trap of the user's in one script",
            [
                run("x=5; trap 'echo E $?' ERR; set -e; (exit 6); echo no").out("E 6\n").code(6),
                run("set +e; trap - ERR; echo $x $$").out("5 {pid}\n"),
            ],
        )
        .not_in_sh("POSIX knows no ERR trap")
        // As with `builtin exit`: the trap took the place of ours, and nothing else runs in time.
        .on(
            Column::Zsh,
            [run("trap 'echo E $?' ERR; set -e; (exit 6); echo no")
                .out("E 6\n")
                .code(6)
                .ends_the_session()],
        ),
        case(
            "an error in a subshell",
            [
                run("(: ${nope:?bad}; echo no); echo $?").out("1\n").err_has(&["nope: bad"]),
                run("y=$(: ${nope:?bad}); echo $?; { set -u; echo $nope; } | cat; echo next")
                    .out("1\nnext\n")
                    .err_has(&["nope: bad"]),
            ],
        )
        .in_sh(|| {
            [
                run("(: ${nope:?bad}; echo no); echo $?").out("2\n").err_has(&["nope: bad"]),
                run("y=$(: ${nope:?bad}); echo $?; { set -u; echo $nope; } | cat; echo next")
                    .out("2\nnext\n")
                    .err_has(&["nope: bad"]),
            ]
        }),
        case(
            "set -e in a subshell",
            [run("(set -e; false; echo no); echo $?").out("1\n")],
        ),
        case(
            "set -e keeps background jobs",
            [
                run("sleep 1000 >/dev/null 2>&1 & job=$!; set -e; false").code(1),
                run("set +e; kill -0 $job && kill $job; wait $job; echo $?").out("143\n").any_err(),
            ],
        )
        .in_sh(|| {
            [
                // They live on, but the copy of the shell that goes on is not their parent.
                run("sleep 1000 >/dev/null 2>&1 & job=$!; set -e; false").code(1),
                run("set +e; kill -0 $job && kill $job; wait $job; echo $?").out("127\n").any_err(),
            ]
        }),
        case(
            "set -o pipefail",
            [
                run("set -o pipefail; (exit 3) | true").code(3),
                run("set -e; (exit 4) | true; echo no").code(4),
                run("set +e +o pipefail; false | true"),
            ],
        )
        .not(Column::Dash, "there is no such option"),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case(
            "set -u ends the invocation",
            [
                run("set -u\necho $nope\necho no")
                    .code(1)
                    .err_has(&["nope"]),
                run("echo ${nope:-default}").out("default\n"),
                run("f() { echo $nope; echo no; }; f; echo no")
                    .code(1)
                    .err_has(&["nope"]),
                run("set +u; echo \"[$nope]\"").out("[]\n"),
            ],
        )
        .in_sh(|| {
            [
                run("set -u\necho $nope\necho no")
                    .code(2)
                    .err_has(&["nope"]),
                run("echo ${nope:-default}").out("default\n"),
                run("f() { echo $nope; echo no; }; f; echo no")
                    .code(2)
                    .err_has(&["nope"]),
                run("set +u; echo \"[$nope]\"").out("[]\n"),
            ]
        }),
        case(
            "${x:?} ends the invocation",
            [
                run(": ${x:?bad}\necho no").code(1).err_has(&["x: bad"]),
                run("echo ok").out("ok\n"),
            ],
        )
        .in_sh(|| {
            [
                run(": ${x:?bad}\necho no").code(2).err_has(&["x: bad"]),
                run("echo ok").out("ok\n"),
            ]
        }),
        case(
            "a syntax error is status 2",
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(2)
                    .err_has(&["syntax error"]),
                run("if").code(2).any_err(),
                run("echo 'open").code(2).any_err(),
                run("echo ok").out("ok\n"),
            ],
        )
        .in_sh(|| {
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(2)
                    .err_has(&["yntax error"]),
                run("if").code(2).any_err(),
                run("echo 'open").code(2).any_err(),
                run("echo ok").out("ok\n"),
            ]
        })
        // It runs what it has read so far, as it does with any script.
        .on(
            Column::Zsh,
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(1)
                    .err_has(&["parse error near"]),
                run("if").code(1).any_err(),
                run("echo 'open").code(1).any_err(),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "return ends the invocation",
            [
                run("return 4\necho no").code(4),
                run("set -e; return 5").code(5),
                run("set +e; f() { return 3; }; f; echo $?").out("3\n"),
            ],
        ),
        case(
            "return in a script file",
            [
                file("part.sh", "echo a\nreturn 6\necho no\n", &[])
                    .out("a\n")
                    .code(6),
                run("echo ok").out("ok\n"),
            ],
        ),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        case(
            "exec ends the session with its status",
            [run("exec sh -c 'echo there; exit 5'")
                .out("there\n")
                .code(5)
                .ends_the_session()],
        ),
        case(
            "an exec that fails",
            [
                run("x=5; exec /nonexistent/program; echo no")
                    .code(127)
                    .err_has(&["/nonexistent/program"]),
                run("echo $x $$").out("5 {pid}\n"),
                run("exec /etc/passwd; echo no")
                    .code(126)
                    .err_has(&["/etc/passwd"]),
                run("echo $x $$").out("5 {pid}\n"),
                run("(exec /nonexistent/program; echo no) 2>/dev/null; echo $?").out("127\n"),
            ],
        )
        // By then the shell has taken everything down that could have kept it.
        .on(
            Column::Bash,
            [
                run("(exec /nonexistent/program; echo no) 2>/dev/null; echo $?").out("127\n"),
                run("exec /nonexistent/program; echo no")
                    .code(127)
                    .err_has(&["/nonexistent/program"])
                    .ends_the_session(),
            ],
        )
        .on(
            Column::Zsh,
            [
                run("(exec /nonexistent/program; echo no) 2>/dev/null; echo $?").out("127\n"),
                run("exec /nonexistent/program; echo no")
                    .code(127)
                    .err_has(&["/nonexistent/program"])
                    .ends_the_session(),
            ],
        ),
        case(
            "a killed shell is told by its signal",
            [run("kill -9 $$").signal(9).ends_the_session()],
        ),
        case(
            "an EXIT trap of the user's fires once and at the end",
            [
                run("trap 'echo bye >>log' EXIT; exit 3").code(3),
                run("exit 5").code(5),
                run("set -e; false").code(1),
                run("set +e; cat log 2>/dev/null; echo none").out("none\n"),
            ],
        )
        .leaves("log", "bye\n"),
        case(
            "an EXIT trap in a subshell fires there",
            [run("(trap 'echo bye; echo err >&2' EXIT; exit 3); echo $?")
                .out("bye\n3\n")
                .err("err\n")],
        ),
        case(
            "the way out that a function cannot catch",
            [
                run("x=5; f() { echo f; }; export E=1; cd /usr; umask 027").code(0),
                run("echo before; builtin exit 7; echo no")
                    .out("before\n")
                    .code(7),
                run("echo $x $E $$; f; pwd; umask").out("5 1 {pid}\nf\n/usr\n0027\n"),
            ],
        )
        .in_sh(|| {
            [
                run("x=1; f() { echo f; }"),
                run("echo before; \\exit 7; echo no")
                    .out("before\n")
                    .code(7),
                run("echo $x $$; f").out("1 {pid}\nf\n"),
                run("command exit 8").code(8),
                run("echo $x $$; f").out("1 {pid}\nf\n"),
            ]
        })
        // Nothing of zsh's runs in time to keep the process: the session has ended.
        .on(
            Column::Zsh,
            [run("echo before; builtin exit 7; echo no")
                .out("before\n")
                .code(7)
                .ends_the_session()],
        ),
    ]
}
