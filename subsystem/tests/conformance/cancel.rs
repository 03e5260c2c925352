//! Stopping what runs, and a shell that has kept everything.

use super::case::{Case, case};
use super::column::Column;
use super::step::{Step, Stop, insist, interrupt, kill, run, terminate};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = interrupts();
    cases.extend(others());
    cases
}

/// The state that has to be there afterwards.
fn with_state(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut all = vec![run(
        "sleep 1000 >/dev/null 2>&1 & old=$!; x=5; f() { echo f; }; mkfifo fifo",
    )];
    all.extend(steps);
    all.push(
        run("trap - INT TERM; echo $x $$; f; kill -0 $old && echo alive")
            .out("5 {pid}\nf\nalive\n"),
    );
    all
}

fn interrupts() -> Vec<Case> {
    vec![
        case("^C ends a sleeper", with_state([interrupt("echo go; sleep 1000; echo no")])),
        case(
            "^C ends a loop of builtins",
            with_state([
                interrupt("echo go; while :; do :; done"),
                interrupt("g() { while :; do :; done; }; echo go; g; echo no"),
            ]),
        ),
        case(
            "^C ends a loop of programs",
            with_state([
                interrupt("echo go; while :; do /bin/true; done"),
                interrupt("g() { for i in 1 2 3; do sleep 1000; done; echo no; }; echo go; g; echo no"),
            ]),
        ),
        case(
            "^C ends a read",
            with_state([
                interrupt("echo go; read -r line; echo no"),
                interrupt("echo go; read -r line <>fifo; echo no"),
            ]),
        ),
        case(
            "^C ends a pipeline",
            with_state([
                interrupt("echo go; cat | cat; echo no"),
                interrupt("echo go; sleep 1000 | sleep 1000 | cat; echo no"),
            ]),
        ),
        case(
            "^C ends subshells and substitutions",
            with_state([
                interrupt("echo go; (sleep 1000); echo no"),
                interrupt("echo go; y=$(sleep 1000); echo no"),
            ]),
        )
        // The subshell ends the line that ^C has interrupted, wherever that goes.
        .on(
            Column::Zsh,
            with_state([
                interrupt("echo go; (sleep 1000); echo no").out_has(&["go\n"]),
                interrupt("echo go; (sh -c 'echo go; exec sleep 1000') >/dev/null; echo no"),
                interrupt("echo go; y=$(sleep 1000); echo no"),
            ]),
        ),
        case("^C ends a wait", with_state([interrupt("echo go; wait; echo no")])),
        case(
            "^C ends a wait for a stopped job",
            with_state([
                interrupt("sh -c 'echo >fifo; exec sleep 1000' >/dev/null 2>&1 & job=$!; read -r y <fifo; kill -STOP $job; echo go; wait $job; echo no").any_err(),
                run("kill -KILL $job; wait $job 2>/dev/null; true"),
            ]),
        )
        // There a wait ends when its job stops, unless told otherwise.
        .on(
            Column::Bash,
            with_state([
                interrupt("sh -c 'echo >fifo; exec sleep 1000' >/dev/null 2>&1 & job=$!; read -r y <fifo; kill -STOP $job; echo go; wait -f $job; echo no").any_err(),
                run("kill -KILL $job; wait $job 2>/dev/null; true"),
            ]),
        ),
        case(
            "an INT trap of the user's is theirs",
            [
                interrupt("trap 'echo caught; stop=1' INT; echo go; until [ \"$stop\" ]; do :; done; echo after")
                    .out("go\ncaught\nafter\n")
                    .code(0),
                run("trap").out_has(&["echo caught", "INT"]),
                run("trap - INT"),
                interrupt("echo go; sleep 1000"),
            ],
        )
        // A trap there comes in the middle of a builtin, and writes once more what that has just written.
        .on(
            Column::Zsh,
            [
                interrupt("trap '[ \"$stop\" ] || echo caught; stop=1' INT; sh -c 'echo go'; until [ \"$stop\" ]; do :; done; echo after")
                    .out("go\ncaught\nafter\n")
                    .code(0),
                run("trap").out_has(&["echo caught", "INT"]),
                run("trap - INT"),
                interrupt("echo go; sleep 1000"),
            ],
        ),
        case(
            "^C again and again",
            with_state((0..8).map(|_| interrupt("echo go; sleep 1000"))),
        ),
    ]
}

/// Ignores what ends the shell that started it, here ^C and there TERM.
const DEAF_TO_INT: &str = "sh -c 'sh -c \"trap : TERM; echo \\$\\$ >orphan; echo go; exec >/dev/null 2>&1; while :; do sleep 1000; done\" & exec sleep 1000'";
const DEAF_TO_TERM: &str = "sh -c 'sh -c \"trap \\\"\\\" INT TERM; echo \\$\\$ >orphan; echo go; exec >/dev/null 2>&1; while :; do sleep 1000; done\"; :'";
const BEHIND: &str =
    "sh -c 'echo $$ >orphan; echo go; exec sleep 1000 >/dev/null 2>&1' & wait; echo no";
const AWAIT: &str = "read -r orphan <orphan; tail --pid=$orphan -f /dev/null; echo gone";
/// Whether the process that was stopped has ended, or waits for somebody to hear of that.
const GONE: &str = "read -r stopped <stopped; case $(ps -o stat= -p \"$stopped\") in ''|Z*) echo gone ;; *) echo there ;; esac";

fn others() -> Vec<Case> {
    vec![
        case(
            "TERM ends the job and not the shell",
            with_state([
                terminate("echo go; sleep 1000").any_err(),
                terminate("echo go; sleep 1000; echo next $?")
                    .out("go\nnext 143\n")
                    .code(0)
                    .any_err(),
            ]),
        ),
        case(
            "KILL ends what ignores everything",
            with_state([
                kill("echo go; sh -c 'trap \"\" INT TERM HUP; while :; do :; done'").any_err(),
                kill("trap '' INT TERM; echo go; while :; do :; done").any_err(),
                kill("trap '' INT; echo go; (trap '' TERM; while :; do :; done); echo no")
                    .any_err(),
                kill("trap - INT; g() { while :; do sleep 1000; done; }; echo go; g").any_err(),
            ]),
        ),
        case(
            "who insists ends what outlives its parent",
            with_state([
                insist(Stop::Interrupt, DEAF_TO_INT).code(130).any_err(),
                run(format!("sleep 1000 >/dev/null 2>&1 & job=$!; {AWAIT}")).out("gone\n"),
                insist(Stop::Terminate, DEAF_TO_TERM).code(143).any_err(),
                run(AWAIT).out("gone\n"),
                run("kill -0 $job && kill $job; wait $job; echo $?")
                    .out("143\n")
                    .any_err(),
                // One in the background of an interrupted script is none of those.
                insist(Stop::Interrupt, BEHIND).code(130).any_err(),
                run("read -r orphan <orphan; kill -0 $orphan && echo alive; kill $orphan")
                    .out("alive\n")
                    .any_err(),
            ]),
        ),
        case(
            "KILL ends what is stopped",
            with_state([
                kill("sh -c 'echo $$ >stopped; echo go; kill -STOP $$'; while :; do :; done")
                    .any_err(),
                run(GONE).out("gone\n").any_err(),
                kill(
                    "(sh -c 'echo $$ >stopped; echo go; kill -STOP $$' | cat; while :; do :; done)",
                )
                .any_err(),
                run(GONE).out("gone\n").any_err(),
            ]),
        ),
        case(
            "KILL ends reads and waits that ignore everything",
            with_state([
                kill("trap 'echo no' INT; echo go; read -r y <>fifo").any_err(),
                kill("trap '' INT; echo go; wait").any_err(),
                kill("sh -c 'trap \"\" INT TERM; while :; do :; done' & echo go; wait $!")
                    .any_err(),
            ]),
        ),
        case(
            "KILL ends substitutions and pipelines",
            with_state([
                kill("echo go; y=$(trap '' INT; while :; do :; done); echo no").any_err(),
                kill("echo go; sh -c 'trap \"\" INT TERM; while :; do :; done' | cat; echo no")
                    .any_err(),
            ]),
        ),
    ]
}
