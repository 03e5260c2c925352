//! All of a shell's state at once, over every way in which an invocation can end.

use super::case::{Case, case};
use super::column::Column;
use super::step::{Step, file, interrupt, kill, run, run_with_stdin, terminate};

/// What every shell of the family can be in.
const SET: &str = "x='a b'; export E=1; n=2; readonly r=9; f() { echo \"f $1\"; }; alias hi='echo hi'; \
                   set -o noglob; trap 'echo usr1' USR1; cd /usr; umask 027; ulimit -n 200; \
                   exec 7>>\"$HOME/seven\"; sleep 1000 >/dev/null 2>&1 & job=$!; set -- p 'q r'";
const SHOW: &str = "echo \"$x|$n|$r|$#|$2|$PWD|$(ulimit -n)\"; sh -c 'umask; echo $E ${n-unset}; echo seven >&7'; \
                    f 1; hi; echo /*; kill -USR1 $$; :; cat \"$HOME/seven\"; : >\"$HOME/seven\"; \
                    kill -0 $job && echo alive; echo $$";
const SHOWN: &str =
    "a b|2|9|2|q r|/usr|200\n0027\n1 unset\nf 1\nhi\n/*\nusr1\nseven\nalive\n{pid}\n";
const OWN_SIGNAL: &str = "IFS=' ' read -r me rest </proc/self/stat; kill -USR1 $me";
/// And those that are more than POSIX.
const SET_MORE: &str =
    "; list=(1 '2 3' ''); declare -A map=([k]=v [two]='a b'); declare -i i=4; set -o pipefail";
const SHOW_MORE: &str = "; i+=0; echo \"${#list[@]} ${list[@]:1:1} ${map[two]} $i\"; false | true";
const SHOWN_MORE: &str = "3 2 3 a b 4\n";

/// What is there before, again behind each of the ways, and that of nothing there is too much.
fn over(column: Column, ways: Vec<Vec<Step>>) -> Vec<Step> {
    let more = matches!(column, Column::Bash | Column::Zsh);
    let with = |text: &str, rest: &str| format!("{text}{}", if more { rest } else { "" });
    let set = match column {
        Column::Bash => with(SET, SET_MORE) + "; shopt -s extglob",
        Column::Zsh => with(SET, SET_MORE) + "; setopt extendedglob",
        _ => with(SET, SET_MORE),
    };
    let show = match column {
        Column::Bash => "shopt -q extglob || echo no extglob; ",
        Column::Zsh => "[[ -o extendedglob ]] || echo no extendedglob; ",
        _ => "",
    };
    let show = format!("{show}{}", with(SHOW, SHOW_MORE));
    let show = match column {
        // After `set -e` it is a copy of the shell that goes on, and `$$` is the one that waits.
        Column::Dash | Column::Busybox => show.replace("kill -USR1 $$", OWN_SIGNAL),
        _ => show,
    };
    let status = u8::from(more);
    let there = || run(show.clone()).out(with(SHOWN, SHOWN_MORE)).code(status);
    let mut steps = vec![run(set), there()];
    for way in ways {
        steps.extend(way);
        steps.push(there());
    }
    steps
}

fn exits() -> Vec<Vec<Step>> {
    vec![
        vec![run("exit 3").code(3)],
        vec![run("g() { for y in 1 2; do exit 4; done; }; g; echo no").code(4)],
        vec![run("(exit 5); exit").code(5)],
        vec![file("script", "exit 6\n", &["a"]).code(6)],
        vec![
            run_with_stdin("read -r y; echo \"$y\"; exit 7", "line\n")
                .out("line\n")
                .code(7),
        ],
    ]
}

fn refusals(status: u8) -> Vec<Vec<Step>> {
    vec![
        vec![
            run(": ${nope:?missing}; echo no")
                .code(status)
                .err_has(&["nope"]),
        ],
        vec![
            run("set -u; echo $nope; echo no")
                .code(status)
                .err_has(&["nope"]),
            run("set +u"),
        ],
    ]
}

fn errors() -> Vec<Vec<Step>> {
    vec![
        vec![run("set -e; false; echo no").code(1), run("set +e")],
        vec![
            run("g() { set -e; (exit 6); echo no; }; g; echo no").code(6),
            run("set +e"),
        ],
        vec![run("set -e; set -e; exit 8").code(8), run("set +e")],
    ]
}

fn cancels() -> Vec<Vec<Step>> {
    vec![
        vec![interrupt("echo go; sleep 1000; echo no")],
        vec![interrupt("echo go; while :; do :; done; echo no")],
        vec![interrupt("echo go; sleep 1000 | sleep 1000; echo no")],
        vec![terminate("echo go; sleep 1000").any_err()],
        vec![
            kill("trap '' INT; echo go; while :; do :; done").any_err(),
            run("trap - INT"),
        ],
        vec![kill("echo go; sh -c 'trap \"\" INT TERM; while :; do :; done'; echo no").any_err()],
    ]
}

fn row(name: &'static str, ways: impl Fn(Column) -> Vec<Vec<Step>>) -> Case {
    let mut case = case(name, over(Column::Bash, ways(Column::Bash)));
    for column in [Column::Zsh, Column::Dash, Column::Busybox] {
        case = case.on(column, over(column, ways(column)));
    }
    case
}

pub(crate) fn cases() -> Vec<Case> {
    let refusal = |column: Column| match column {
        Column::Dash | Column::Busybox => 2,
        _ => 1,
    };
    vec![
        row("everything is there after an exit", |_| exits()),
        row(
            "everything is there after an error in an expansion",
            move |it| refusals(refusal(it)),
        ),
        row("everything is there after set -e", |_| errors()),
        row("everything is there after a cancel", |_| cancels()),
        row(
            "everything is there after a syntax error and a return",
            |column| {
                let status = if let Column::Zsh = column { 1 } else { 2 };
                vec![
                    vec![run("if").code(status).any_err()],
                    vec![run("return 4").code(4)],
                    vec![run("nosuchcommand").code(127).any_err()],
                ]
            },
        ),
    ]
}
