//! Scripts and what they read and write.

use super::super::step::{argv, file, run, run_with_stdin};
use super::super::wording::Wording;
use super::says;

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = texts();
    all.extend(pipes());
    all.extend(descriptors());
    all
}

fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).cycle().take(1 << 20).collect()
}

fn texts() -> Vec<Wording> {
    let line = "x".repeat(999);
    let assignments = format!("_ = '{}'\n", &line[6..]).repeat(10_000);
    let words = [
        b"printf".as_slice(),
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
    ];
    vec![
        says(
            "a script of 10 MB",
            [run(format!("n = 0\n{assignments}n += 1\nprint('end', n)")).out("end 1\n")],
        ),
        says(
            "a here document of 10 MB",
            [run(format!("len('''{}''')", format!("{line}\n").repeat(10_000))).out("10000000\n")],
        ),
        says(
            "here documents",
            [run("x = 1\nprint(f'''{x}\n$x''')\nprint('''\\\n\ttab''')").out("1\n$x\n\ttab\n")],
        ),
        says(
            "a script of 100 000 commands",
            [
                run(format!("n = 0\n{}n", "n += 1\n".repeat(100_000))).out("100000\n"),
                run(format!("{}'end'", "None\n".repeat(100_000))).out("'end'\n"),
            ],
        ),
        says(
            "nothing at all",
            [run(""), run("\n\n"), run("# only a comment")],
        ),
        says(
            "scripts may end in anything",
            [
                run("print('a') # b").out("a\n"),
                run("print('a');").out("a\n"),
                run("print('a')\n\n\n").out("a\n"),
                run("print('a')\n# end").out("a\n"),
                run("if True:\n    print('hi')").out("hi\n"),
                run("if True:\r\n    print('hi')\r\nprint('end')\r\n").out("hi\nend\n"),
            ],
        ),
        says(
            "a script file has arguments",
            [
                file(
                    "/tmp/deploy.py",
                    "import sys\n5\nx = sys.argv\nprint(x[1:])",
                    &["a", "b c"],
                )
                .out("['a', 'b c']\n"),
                run("len(x), sys.argv").out("(3, [''])\n"),
            ],
        ),
        says(
            "a script file knows its name",
            [
                file(
                    "/tmp/deploy.py",
                    "import sys; print(__file__, sys.argv[0], __name__)",
                    &[],
                )
                .out("/tmp/deploy.py /tmp/deploy.py __main__\n"),
                run("'__file__' in dir()").out("False\n"),
            ],
        ),
        says(
            "words are literal",
            [
                argv(&words).out(
                    b"[][a b]['\"][new\nline][$HOME `id` *][\xff\x80\x01\x7f][-n][~][a=b][\\]",
                ),
                argv(&[b"if"])
                    .code(127)
                    .err("python3: if: No such file or directory\n"),
                argv(&[b"/etc/passwd"])
                    .code(126)
                    .err("python3: /etc/passwd: Permission denied\n"),
                argv(&[b"sh", b"-c", b"kill -9 $$"]).signal(9),
                argv(&[b"sh", b"-c", b"exit 9"]).code(9),
            ],
        ),
    ]
}

fn pipes() -> Vec<Wording> {
    vec![
        says(
            "output and errors come apart",
            [run("import sys\nprint('out'); print('err', file=sys.stderr); sys.exit(3)")
                .out("out\n")
                .err("err\n")
                .code(3)],
        ),
        says(
            "no newline at the end",
            [run("import sys\nprint('a', end=''); print('b', end='', file=sys.stderr)").out("a").err("b")],
        ),
        says(
            "standard input is /dev/null unless asked for",
            [run("import os, sys; os.readlink('/proc/self/fd/0'), sys.stdin.read()").out("('/dev/null', '')\n")],
        ),
        says(
            "read from standard input",
            [
                run_with_stdin("import sys\nprint([input('? ')]); print(sys.stdin.read())", "one\ntwo\nthree")
                    .out("? ['one']\ntwo\nthree\n"),
                run_with_stdin("for line in sys.stdin: print(f'<{line.strip()}>')", "1\n2\n").out("<1>\n<2>\n"),
                run_with_stdin("sys.stdin.read(); print('end')", "").out("''\nend\n"),
                run_with_stdin("input()", "").code(1).err_has(&["EOFError"]),
            ],
        ),
        says(
            "binary input and output",
            [run_with_stdin("import sys; n = sys.stdout.buffer.write(sys.stdin.buffer.read())", every_byte())
                .out(every_byte())],
        ),
        says(
            "the shell's own binary output",
            [
                run("import os, sys; n = sys.stdout.buffer.write(b'a\\0b\\xff\\n')").out(b"a\0b\xff\n"),
                run("print(os.fsdecode(b'\\xff'))").out(b"\xff\n"),
            ],
        ),
        says(
            "big output",
            [run("import os\nfor i in range(32): n = os.write(1, b'x' * (1 << 20))\nprint('y' * 3_000_000, end='')")
                .out(["x".repeat(32 << 20), "y".repeat(3_000_000)].concat())],
        ),
        says(
            "standard input is not what the driver reads",
            [
                run_with_stdin("import os; os.read(0, 3)", "abcdef").out("b'abc'\n"),
                run("'ok'").out("'ok'\n"),
            ],
        ),
    ]
}

fn descriptors() -> Vec<Wording> {
    vec![
        says(
            "children see three descriptors",
            [
                run("import os, subprocess\nstatus = os.system('ls /proc/self/fd')").out("0\n1\n2\n3\n"),
                run("status = subprocess.call('ls /proc/self/fd & wait', shell=True, close_fds=False)")
                    .out("0\n1\n2\n3\n"),
            ],
        ),
        says(
            "a child that closes its descriptors",
            [
                run("import os; os.system('exec 0<&- 1>&- 2>&-; exit 4') >> 8").out("4\n"),
                run("pid = os.fork()\nif not pid: os.closerange(0, 3); exit(5)\nos.waitpid(pid, 0)[1] >> 8")
                    .out("5\n"),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "a child that dups its descriptors",
            [
                run("import contextlib, os, sys\nstatus = os.system('exec 7>&1 8>&2; echo seven >&7; echo eight >&8')")
                    .out("seven\n")
                    .err("eight\n"),
                run("with contextlib.redirect_stdout(sys.stderr): print('swapped')").err("swapped\n"),
            ],
        ),
        says(
            "a redirection by exec lasts to the end of the invocation",
            [
                run("import sys; sys.stdout = sys.stderr = open('log', 'w'); print('in')"),
                run("print('out'); print('err', file=sys.stderr)").out("out\n").err("err\n"),
                run("open('log').read()").out("'in\\n'\n"),
            ],
        ),
        says(
            "closing all three lasts to the end of the invocation",
            [
                run("import os, sys; x = 5; os.closerange(0, 3)"),
                run("x; sys.stdin.close(); sys.stdout.close(); sys.stderr.close()").out("5\n"),
                run("x; sys.stdin = sys.stdout = sys.stderr = None").out("5\n"),
                run("x").out("5\n"),
            ],
        ),
        says(
            "the terminal is there for who asks for it",
            [run("import os\n[os.isatty(n) for n in range(3)]\nwith open('/dev/tty') as tty: print(*os.get_terminal_size(tty.fileno()))")
                .out("[False, False, False]\n80 24\n")],
        ),
    ]
}
