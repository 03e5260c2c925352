//! What errors are called: by the user's script and line, not by ours.

use super::case::{Case, case};
use super::column::Column;
use super::step::{file, run};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "LINENO counts the script's lines",
            [
                run("echo $LINENO\n\necho $LINENO").out("1\n3\n"),
                file("deploy.sh", "#!/bin/sh\necho $LINENO\n", &[]).out("2\n"),
            ],
        )
        .not(Column::Dash, "Debian's has none"),
        case(
            "an unknown command",
            [run("true\nnosuchcommand")
                .code(127)
                .err_has(&["nosuchcommand", "not found"])],
        ),
        case(
            "an error in a script file names the file and the line",
            [file("deploy.sh", "true\n\necho ${x:?missing}\n", &[])
                .code(1)
                .err_has(&["deploy.sh: line 3: x: missing"])],
        )
        .on(
            Column::Dash,
            [file("deploy.sh", "true\n\necho ${x:?missing}\n", &[])
                .code(2)
                .err_has(&["sh: 3: ", "deploy.sh: x: missing"])],
        )
        .on(
            Column::Busybox,
            [file("deploy.sh", "true\n\necho ${x:?missing}\n", &[])
                .code(2)
                .err_has(&["deploy.sh: line 3: x: missing"])],
        )
        // An interactive bash does not say lines of its own errors at run time.
        .on(
            Column::Bash,
            [file("deploy.sh", "true\n\necho ${x:?missing}\n", &[])
                .code(1)
                .err_has(&["deploy.sh: x: missing"])],
        )
        .on(
            Column::Zsh,
            [file("deploy.sh", "true\n\necho ${x:?missing}\n", &[])
                .code(1)
                .err_has(&["deploy.sh:3: x: missing"])],
        ),
        case(
            "a syntax error names the line",
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(2)
                    .err_has(&["line 2: syntax error"]),
                file("deploy.sh", "true\ntrue\nfi\n", &[])
                    .code(2)
                    .err_has(&["deploy.sh: line 3: syntax error"]),
            ],
        )
        .on(
            Column::Dash,
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(2)
                    .err_has(&["sh: 2: ", "Syntax error"]),
                file("deploy.sh", "true\ntrue\nfi\n", &[])
                    .code(2)
                    .err_has(&["sh: 3: ", "deploy.sh: Syntax error"]),
            ],
        )
        .on(
            Column::Busybox,
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(2)
                    .err_has(&["line 2: syntax error"]),
                file("deploy.sh", "true\ntrue\nfi\n", &[])
                    .code(2)
                    .err_has(&["deploy.sh: line 3: syntax error"]),
            ],
        )
        .on(
            Column::Zsh,
            [
                run("echo a\necho )\n")
                    .out("a\n")
                    .code(1)
                    .err_has(&[":2: parse error near"]),
                file("deploy.sh", "true\ntrue\nfi\n", &[])
                    .code(1)
                    .err_has(&["deploy.sh:3: parse error near"]),
            ],
        ),
        case(
            "an error in a function",
            [
                run("f() {\n  cd /nonexistent\n}"),
                run("f").code(1).err_has(&["cd", "/nonexistent"]),
            ],
        )
        .in_sh(|| {
            [
                run("f() {\n  cd /nonexistent\n}"),
                run("f").code(2).err_has(&["cd", "/nonexistent"]),
            ]
        }),
        case(
            "the driver is not in what a failure says",
            [
                run("nosuchcommand 2>&1 | grep -c outlast")
                    .out("0\n")
                    .code(1),
                run("cd /nonexistent 2>&1 | grep -c outlast")
                    .out("0\n")
                    .code(1),
            ],
        ),
    ]
}
