//! Users who redefine what a driver might rely on.

use super::case::{Case, HISTORY, case};
use super::column::Column;
use super::step::run;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "functions and aliases named like builtins",
            [
                run("for f in printf read eval exit command declare typeset local trap set kill \
                     return unset test print cd source; do \\builtin eval \"$f() { echo hijacked $f; }\"; \
                     \\builtin alias $f=\"echo alias $f\"; done"),
                run("builtin echo ok").out("ok\n"),
                run("(builtin exit 3)").code(3),
                run("builtin echo still").out("still\n"),
            ],
        )
        .in_sh(|| {
            [
                run("for f in printf read true test print cd; do eval \"$f() { echo hijacked $f; }\"; alias $f=\"echo alias $f\"; done"),
                run("echo ok").out("ok\n"),
                run("(exit 3)").code(3),
                run("exit 4").code(4),
                run("echo still").out("still\n"),
            ]
        }),
        case(
            "set -x shows the user's commands alone and on stderr",
            [
                run("PS4='> '; set -x; true; false").code(1).err("> true\n> false\n"),
                run("echo hi").out("hi\n").err("> echo hi\n"),
                run("set +x").err("> set +x\n"),
                run("true"),
            ],
        )
        // It repeats the first letter for every level, of which the driver has some.
        .on(
            Column::Bash,
            [
                run("PS4='> '; set -x; true; false").code(1).err(">>>> true\n>>>> false\n"),
                run("echo hi").out("hi\n").err(">>>> echo hi\n"),
                run("set +x").err(">>>> set +x\n"),
                run("true"),
            ],
        ),
        case(
            "set -v shows no line of ours",
            [
                run("set -v"),
                run("echo hi").out("hi\n").any_err(),
                run("set +v 2>&1 | grep -c outlast; true").out("0\n").any_err(),
                run("set +v").any_err(),
                run("echo hi").out("hi\n"),
            ],
        ),
        case(
            "options that change the language",
            [
                run("set -u -f -C"),
                run("echo ok >made; echo no >made").code(1).any_err(),
                run("cat made; exit 3").out("ok\n").code(3),
                run("set -e"),
                run("echo ok; false").out("ok\n").code(1),
                run("echo ok").out("ok\n"),
            ],
        )
        .on(
            Column::Dash,
            [
                run("set -u -f -C"),
                run("echo ok >made; echo no >made").code(2).any_err(),
                run("cat made; exit 3").out("ok\n").code(3),
                run("set -e"),
                run("echo ok; false").out("ok\n").code(1),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "IFS and other variables that matter",
            [
                run("IFS=0123456789:; CDPATH=/; TMOUT=1; FS=; LC_ALL=C; PS1=; PS2=; x=a:b"),
                // zsh does not split it by itself.
                run("set -- $(echo \"$x\"); echo \"$#\"").out("2\n"),
                run("exit 3").code(3),
                run("echo ok").out("ok\n"),
            ],
        )
        .in_sh(|| {
            [
                run("IFS=0123456789:; CDPATH=/; TMOUT=1; FS=; LC_ALL=C; PS1=; PS2=; x=a:b"),
                run("set -- $(echo \"$x\"); echo \"$#\"").out("2\n"),
                run("exit 3").code(3),
                run("echo ok").out("ok\n"),
            ]
        }),
        case(
            "a broken PATH",
            [
                run("PATH=/nonexistent"),
                run("exit 3").code(3),
                run("PATH=/usr/bin:/bin; true"),
            ],
        ),
        case(
            "a DEBUG trap fires for the script only",
            [
                run("trap 'echo D' DEBUG; true").out("D\n"),
                run("true; true").out("D\nD\n"),
                run("exit 3").out("D\n").code(3),
                run("trap - DEBUG").out("D\n"),
                run("echo x").out("x\n"),
            ],
        )
        .not_in_sh("there is no such trap")
        // There it fires in functions, of which `exit` is one.
        .on(
            Column::Zsh,
            [
                run("trap 'echo D' DEBUG; true").out("D\n"),
                run("true; true").out("D\nD\n"),
                run("exit 3").out_has(&["D\n"]).code(3),
                run("trap - DEBUG").out("D\n"),
                run("echo x").out("x\n"),
            ],
        ),
        case(
            "an ERR trap is the user's",
            [
                run("trap 'echo E' ERR; true"),
                run("false; true").out("E\n"),
                run("(exit 4); :").out("E\n"),
                run("trap - ERR; false").code(1),
            ],
        )
        .not_in_sh("there is no such trap, or it fires for the driver"),
        case(
            "the history is left alone",
            [
                run("echo secret").out("secret\n"),
                run("fc -l 2>/dev/null | grep -c -e secret -e outlast; true").out("0\n"),
                run("exit 3").code(3),
            ],
        )
        .startup("[ -z \"$ZSH_VERSION\" ] || { HISTFILE=~/.zhistory; HISTSIZE=5000; SAVEHIST=5000; }\n")
        .file(HISTORY, "echo 1\n".repeat(2000))
        .leaves(HISTORY, "echo 1\n".repeat(2000)),
        case(
            "nothing of ours is exported",
            [run("env | grep -i -c -e __outlast -e ^PROMPT_COMMAND= -e ^HISTFILE= -e ^ZDOTDIR=; true")
                .out("0\n")],
        ),
    ]
}
