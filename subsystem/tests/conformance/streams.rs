//! Scripts and what they read and write.

use super::case::{Case, case};
use super::column::Column;
use super::step::{argv, file, run, run_with_stdin};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = texts();
    cases.extend(pipes());
    cases.extend(descriptors());
    cases
}

fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).cycle().take(1 << 20).collect()
}

fn texts() -> Vec<Case> {
    let line = format!(": {}\n", "x".repeat(997));
    vec![
        case(
            "a script of 10 MB",
            [run(format!(
                "n=0\n{}n=$((n+1)); echo end $n",
                line.repeat(10_000)
            ))
            .out("end 1\n")],
        ),
        case(
            "a here document of 10 MB",
            [run(format!("cat <<'E' | wc -c\n{}E\n", line.repeat(10_000))).out("10000000\n")],
        ),
        case(
            "here documents",
            [
                run("x=1; cat <<E; cat <<'E'\n$x\nE\n$x\nE").out("1\n$x\n"),
                run("cat <<-E\n\ttab\n\tE\n").out("tab\n"),
            ],
        ),
        case(
            "a script of 100 000 commands",
            [run(format!("{}echo end", ":\n".repeat(100_000))).out("end\n")],
        ),
        case(
            "nothing at all",
            [run(""), run("\n\n"), run("# only a comment")],
        ),
        case(
            "scripts may end in anything",
            [
                run("echo a # b").out("a\n"),
                run("echo a;").out("a\n"),
                run("true & wait $!").any_err(),
                run("echo a\n\n\n").out("a\n"),
                run("echo a\n# end").out("a\n"),
                run("cat <<E\nhi\nE").out("hi\n"),
            ],
        ),
        case(
            "a script file has arguments",
            [
                run("set -- session"),
                file("/tmp/deploy.sh", "echo \"$# $1 $2\"; x=kept", &["a", "b c"]).out("2 a b c\n"),
                run("echo $1 $x").out("session kept\n"),
            ],
        ),
        case(
            "a script file knows its name",
            [file("/tmp/deploy.sh", "echo \"${0##*[-/]}\"", &[]).out("deploy.sh\n")],
        )
        .not_in_sh("they have no way to change `$0`"),
        case(
            "words are literal",
            [
                argv(&[
                    b"printf",
                    b"[%s]",
                    b"",
                    b"a b",
                    b"'\"",
                    b"new\nline",
                    b"$HOME `id` *",
                    b"\xff\x80\x01\x7f",
                    b"-n",
                    b"~",
                    b"a=b",
                    b"\\",
                ])
                .out(b"[][a b]['\"][new\nline][$HOME `id` *][\xff\x80\x01\x7f][-n][~][a=b][\\]"),
                run("f() { echo \"f got $#\"; }; alias g=nope"),
                argv(&[b"f", b"", b"x"]).out("f got 2\n"),
                argv(&[b"if"]).code(127).any_err(),
                argv(&[b"sh", b"-c", b"kill -9 $$"]).signal(9).any_err(),
                argv(&[b"sh", b"-c", b"exit 9"]).code(9),
            ],
        ),
    ]
}

fn pipes() -> Vec<Case> {
    vec![
        case(
            "output and errors come apart",
            [run("echo out; echo err >&2; (exit 3)")
                .out("out\n")
                .err("err\n")
                .code(3)],
        ),
        case(
            "no newline at the end",
            [run("printf a; printf b >&2").out("a").err("b")],
        ),
        case(
            "standard input is /dev/null unless asked for",
            [run("readlink /proc/self/fd/0; cat").out("/dev/null\n")],
        ),
        case(
            "read from standard input",
            [
                run_with_stdin("read -r a; echo \"[$a]\"; cat", "one\ntwo\nthree")
                    .out("[one]\ntwo\nthree"),
                run_with_stdin("while read -r l; do echo \"<$l>\"; done", "1\n2\n")
                    .out("<1>\n<2>\n"),
                run_with_stdin("cat; echo end", "").out("end\n"),
            ],
        ),
        case(
            "binary input and output",
            [run_with_stdin("cat", every_byte()).out(every_byte())],
        ),
        case(
            "the shell's own binary output",
            [run("printf 'a\\0b\\377\\n'").out(b"a\0b\xff\n")],
        ),
        case(
            "big output",
            [
                run("head -c 33554432 /dev/zero | wc -c; head -c 3000000 /dev/zero | tr '\\0' x")
                    .out(["33554432\n".to_owned(), "x".repeat(3_000_000)].concat()),
            ],
        ),
        case(
            "standard input is not what the driver reads",
            [
                run_with_stdin("head -c 3", "abcdef").out("abc"),
                run("echo ok").out("ok\n"),
            ],
        ),
    ]
}

fn descriptors() -> Vec<Case> {
    vec![
        case(
            "children see three descriptors",
            [
                // 3 is the directory that ls itself is reading.
                run("ls /proc/self/fd").out("0\n1\n2\n3\n"),
                run("ls /proc/self/fd & wait").out("0\n1\n2\n3\n").any_err(),
                run("echo $(ls /proc/self/fd | grep -v 3)").out("0 1 2\n"),
            ],
        ),
        case(
            "a child that closes its descriptors",
            [
                run("sh -c 'exec 0<&- 1>&- 2>&-; exit 4'").code(4),
                run("(exec 1>&- 2>&-; exit 5)").code(5),
                run("echo ok").out("ok\n"),
            ],
        ),
        case(
            "a child that dups its descriptors",
            [
                run("sh -c 'exec 7>&1 8>&2; echo seven >&7; echo eight >&8'")
                    .out("seven\n")
                    .err("eight\n"),
                run("{ echo swapped; } 3>&1 1>&2 2>&3 3>&-").err("swapped\n"),
            ],
        ),
        case(
            "a redirection by exec lasts to the end of the invocation",
            [
                run("exec >log 2>&1; echo in"),
                run("echo out; echo err >&2").out("out\n").err("err\n"),
                run("cat log").out("in\n"),
            ],
        ),
        case(
            "closing all three lasts to the end of the invocation",
            [run("exec <&- >&- 2>&-; x=5"), run("echo $x").out("5\n")],
        ),
        case(
            "the terminal is there for who asks for it",
            [run("tty; { stty size; } </dev/tty")
                .out("not a tty\n24 80\n")
                .code(0)],
        )
        .on(
            Column::Bash,
            [run("tty; stty size </dev/tty").out("not a tty\n24 80\n")],
        ),
    ]
}
