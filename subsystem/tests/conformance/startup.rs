//! The user's own files, which may do anything.

use outlast_protocol::outcome::ExitStatus::Code;

use super::case::{Case, case};
use super::column::Column;
use super::step::{Failure, fails_to_open, interrupt, run, run_with_stdin};

/// A file that moves descriptors; what a visitor sees then is in `visits::startup`.
fn moved(name: &'static str, text: &'static str) -> Case {
    let steps = [
        run("echo ok; echo err >&2").out("ok\n").err("err\n"),
        run_with_stdin("read -r line; echo \"got $line\"", "it\n").out("got it\n"),
        run("exit 3").code(3),
        interrupt("echo go; sleep 1000"),
        run("echo ok").out("ok\n"),
    ];
    case(name, steps).startup(text)
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "they are read at top level and their noise is not output",
            [run("ll; f; echo $x ${l[@]:0:1}").out("al\nf\n1 a\n")],
        )
        .not_in_sh("the file has arrays; see the row for POSIX shells")
        .startup("echo noise; echo more >&2; alias ll='echo al'; f() { echo f; }; x=1; declare -a l; l=(a b)\nprintf x\n"),
        case("a file that fails", [run("echo $x").out("1\n")]).startup("x=1\nfalse\nnosuchcommand\nreturn 3\n"),
        case("a file that is thrown back", [run("echo $x").out("1\n")])
            .startup("x=1\n: ${nope:?missing}\n"),
        case("a file with a syntax error", [run("echo ok").out("ok\n")]).startup("echo )\n"),
        case(
            "a file that sets options",
            [
                run("false").code(1),
                run("echo ok; exit 3").out("ok\n").code(3),
                run("echo ok").out("ok\n"),
                interrupt("echo go; sleep 1000"),
                run("echo ok").out("ok\n"),
            ],
        )
        .not(Column::Dash, "the file has pipefail; see the row for POSIX shells")
        .startup("set -eu -o pipefail -o noclobber; readonly TMOUT=1\n"),
        case(
            "a file that exits",
            [fails_to_open(Failure::Ended(Code(6)), "going")],
        )
        .startup("echo going; exit 6\n"),
        case(
            "a file that runs another program for ever",
            [fails_to_open(Failure::TimedOut, "there")],
        )
        .startup("exec sh -c 'echo there; exec sleep 1000'\n"),
        case(
            "a file that hangs",
            [fails_to_open(Failure::TimedOut, "round")],
        )
        .startup("echo round; trap '' INT TERM HUP; while :; do sh -c :; done\n"),
        case(
            "a file that becomes another program, which ends",
            [fails_to_open(Failure::Ended(Code(5)), "there")],
        )
        .startup("exec sh -c 'echo there; exit 5'\n"),
        case(
            "a file that becomes nothing that there is",
            // As it is the end of a login with that file.
            [fails_to_open(Failure::Ended(Code(127)), "/nonexistent/program")],
        )
        .startup("exec /nonexistent/program\n"),
        case(
            "a file that closes and moves descriptors",
            [
                run("echo ok; echo err >&2").out("ok\n").err("err\n"),
                run("exit 3").code(3),
                interrupt("echo go; sleep 1000"),
            ],
        )
        .startup("exec 3>&1 4>&2 >\"$HOME/log\" 2>&1\n"),
        moved("a file that takes standard input away", "exec </dev/null\n"),
        moved("a file that closes standard input", "exec 0<&-\n"),
        moved("a file that takes standard output away", "exec >/dev/null\n"),
        moved("a file that takes standard error away", "exec 2>/dev/null\n"),
        moved("a file that takes the terminal away", "exec </dev/null >/dev/null 2>&1\n"),
        moved("a file that closes the terminal", "exec <&- >&- 2>&-\n"),
        case(
            "a file that leaves something running",
            [
                run("kill -0 $job && echo alive; kill $job").out("alive\n").any_err(),
            ],
        )
        .startup("sleep 1000 & job=$!\n"),
        case(
            "a file that asks",
            [fails_to_open(Failure::TimedOut, "who are you")],
        )
        .startup("echo 'who are you'; read -r answer\n"),
        case(
            "a file that sets prompts",
            [
                run("echo ok").out("ok\n"),
                interrupt("echo go; sleep 1000"),
                run("echo ok").out("ok\n"),
            ],
        )
        .startup("PS1='$(echo prompt) '; PROMPT_COMMAND='echo prompt'; precmd() { echo precmd; }; trap 'echo D' DEBUG; trap - DEBUG\n"),
        case(
            "a POSIX shell's file is read at top level and its noise is not output",
            [
                run("ll; f; echo $x").out("al\nf\n1\n"),
                run("false").code(1),
                run("echo ok; exit 3").out("ok\n").code(3),
            ],
        )
        .startup("echo noise; echo more >&2; alias ll='echo al'; f() { echo f; }; x=1\nset -eu -o noclobber\nprintf x\n"),
    ]
}
