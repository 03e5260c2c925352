//! What goes on when an invocation has completed.

use super::case::{Case, case};
use super::column::Column;
use super::step::{leave, run};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "background jobs and wait",
            [
                run("(exit 5) & five=$!; sleep 1000 >/dev/null 2>&1 & job=$!"),
                run("wait $five; echo $?").out("5\n").any_err(),
                run("kill $job; wait $job; echo $?").out("143\n").any_err(),
            ],
        ),
        case(
            "the job table",
            [
                run("sleep 1000 >/dev/null 2>&1 &"),
                run("jobs").out_has(&["unning", "sleep 1000"]),
                run("kill %%; wait; jobs").any_err(),
            ],
        )
        .in_sh(|| {
            [
                // Without job control it has no command lines.
                run("sleep 1000 >/dev/null 2>&1 & job=$!"),
                run("jobs").out_has(&["unning"]),
                run("kill $job; wait $job; echo $?").out("143\n").any_err(),
            ]
        }),
        case(
            "a background child writes to its own invocation",
            [
                leave("mkfifo gate; { read -r x <gate; echo late; } & echo soon")
                    .out("soon\nlate\n"),
                run("echo other; echo >gate; wait").out("other\n").any_err(),
            ],
        ),
        case(
            "completion does not wait for a child that holds the output",
            [
                leave("mkfifo gate; sh -c 'echo go; read x <gate; echo late >&2; exec >&- 2>&-' &")
                    .out("go\n")
                    .err("late\n"),
                run("echo >gate; wait").any_err(),
            ],
        ),
        case(
            "disown",
            [
                run("sleep 1000 >/dev/null 2>&1 & job=$!; disown"),
                run("jobs; kill -0 $job && echo alive; kill $job")
                    .out("alive\n")
                    .any_err(),
            ],
        )
        .not_in_sh("there is no such builtin; background jobs get no SIGHUP from the shell"),
        case(
            "nohup",
            [
                run("mkfifo gate; nohup sh -c 'read x <gate; echo $x' >out 2>/dev/null & job=$!"),
                run("echo hi >gate; wait $job; cat out")
                    .out("hi\n")
                    .any_err(),
            ],
        ),
        case(
            "a job that is stopped and goes on",
            [
                run(
                    "mkfifo gate ready; sh -c 'echo >ready; read x <gate; exit 6' >/dev/null 2>&1 & job=$!; read -r x <ready; kill -STOP $job",
                ),
                run("kill -CONT $job; echo >gate; wait $job; echo $?")
                    .out("6\n")
                    .any_err(),
            ],
        )
        .not(
            Column::Busybox,
            "it gives up opening a FIFO when a child stops or goes on",
        )
        // Its first wait tells of the stop.
        .on(
            Column::Zsh,
            [
                run("mkfifo gate ready; sh -c 'echo >ready; read x <gate; exit 6' >/dev/null 2>&1 & job=$!; read -r x <ready; kill -STOP $job"),
                run("kill -CONT $job; echo >gate; while wait $job; end=$?; [ $end -ge 128 ]; do :; done; echo $end").out("6\n").any_err(),
            ],
        ),
    ]
}
