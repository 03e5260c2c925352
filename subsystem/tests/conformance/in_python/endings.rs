//! The ways in which an invocation ends, and a session that goes on.

use super::super::step::{file, run};
use super::super::wording::Wording;
use super::{not, says};

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = exit();
    all.extend(refusals());
    all.extend(ends());
    all.extend(not(
        &[
            "set -e ends the invocation",
            "set -e stays on",
            "set -e spares what is tested",
            "set -e with an ERR trap of the user's",
            "set -e and an ERR trap of the user's in one script",
            "set -e in a subshell",
            "set -e keeps background jobs",
            "set -o pipefail",
        ],
        "an exception always ends the script, and nothing else does",
    ));
    all.extend(not(&["an error in a subshell"], "there are no subshells"));
    all.extend(not(
        &["return in a script file"],
        "`return` is of functions",
    ));
    all
}

fn exit() -> Vec<Wording> {
    vec![
        says(
            "exit ends the invocation with its status",
            [
                run("import os, sys; x = 1; sys.exit(7); print('no')").code(7),
                run("x, os.getpid()").out("(1, {pid})\n"),
                run("exit(8)").code(8),
                run("raise SystemExit(9)").code(9),
                run("x, os.getpid()").out("(1, {pid})\n"),
            ],
        ),
        says(
            "exit in functions and loops and eval",
            [
                run("import sys\ndef f():\n    try: sys.exit(9)\n    finally: print('finally')\nexec('for i in [1]: f()')\nprint('no')")
                    .out("finally\n")
                    .code(9),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "exit in a sourced file",
            [
                run("with open('part.py', 'w') as part: print('import sys\\nprint(\"in\")\\nsys.exit(6)', file=part)\nimport part\nprint('no')")
                    .out("in\n")
                    .code(6),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "exit in a script file",
            [
                file("deploy.py", "import sys\nprint(sys.argv[1])\nsys.exit(5)\nprint('no')\n", &["arg"])
                    .out("arg\n")
                    .code(5),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "exit without a number is that of the last command",
            [
                run("import sys; sys.exit()"),
                run("quit()"),
                run("sys.exit(256)"),
                run("sys.exit(-1)").code(255),
                run("sys.exit(2 ** 40 + 4)").code(4),
                run("sys.exit(True)").code(1),
                run("sys.exit('why')").code(1).err("why\n"),
                run("sys.exit((1, 2))").code(1).err("(1, 2)\n"),
            ],
        ),
        says(
            "exit keeps background jobs",
            [
                run("import subprocess; job = subprocess.Popen(['sleep', '1000'], stdout=-3, stderr=-3); exit(3)").code(3),
                run("job.poll(); job.terminate(); job.wait()").out("-15\n"),
            ],
        ),
        says(
            "exit in subshells is ordinary",
            [
                run("import os, subprocess, sys\npid = os.fork()\nif not pid: sys.exit(3)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])")
                    .out("3\n"),
                run("subprocess.call([sys.executable, '-c', 'exit(4)'])").out("4\n"),
                run("pid = os.fork()\nif not pid: 1 / 0\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])")
                    .out("1\n")
                    .err_has(&["ZeroDivisionError"]),
            ],
        ),
        says(
            "exit with a command in a pipe",
            [
                run("import subprocess; done = subprocess.run('yes | head -n 1', shell=True); exit(2)")
                    .out("y\n")
                    .code(2),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "exit while reading from a here document and a file",
            [
                run("with open('in', 'w') as file: print('line', file=file)\nfor line in open('in'):\n    print(line, end='')\n    exit(3)")
                    .out("line\n")
                    .code(3),
                run("import sys; sys.stdin.read()").out("''\n"),
            ],
        ),
        says(
            "exit in a trap",
            [
                run("import os, signal\nold = signal.signal(signal.SIGUSR1, lambda *_: exit(12))\nos.kill(os.getpid(), signal.SIGUSR1)\nwhile True: pass")
                    .code(12),
                run("old = signal.signal(signal.SIGUSR1, old); os.getpid()").out("{pid}\n"),
            ],
        ),
    ]
}

fn refusals() -> Vec<Wording> {
    vec![
        says(
            "set -u ends the invocation",
            [
                run("nope\nprint('no')")
                    .code(1)
                    .err_has(&["line 1", "name 'nope' is not defined"]),
                run("globals().get('nope', 'default')").out("'default'\n"),
            ],
        ),
        says(
            "${x:?} ends the invocation",
            [
                run("raise ValueError('bad')\nprint('no')")
                    .code(1)
                    .err_has(&["ValueError: bad\n"]),
                run("assert 1 == 2, 'bad'")
                    .code(1)
                    .err_has(&["AssertionError: bad\n"]),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "a syntax error is status 2",
            [
                // As for any exception, and for any file that cannot be compiled.
                run("print('no')\nx = = 2\n")
                    .code(1)
                    .err_has(&["SyntaxError"]),
                run("if").code(1).err_has(&["SyntaxError"]),
                run("print('open").code(1).err_has(&["SyntaxError"]),
                run("if 1:\n  2\n 3\n")
                    .code(1)
                    .err_has(&["IndentationError"]),
                run("x = '\0'").code(1).err_has(&["null bytes"]),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "return ends the invocation",
            [
                run("return 4")
                    .code(1)
                    .err_has(&["SyntaxError: 'return' outside function"]),
                run("'ok'").out("'ok'\n"),
            ],
        ),
    ]
}

fn ends() -> Vec<Wording> {
    vec![
        says(
            "exec ends the session with its status",
            [run("import os; os.execvp('sh', ['sh', '-c', 'echo there; exit 5'])")
                .out("there\n")
                .code(5)
                .ends_the_session()],
        ),
        says(
            "an exec that fails",
            [
                run("import os; x = 5; os.execv('/nonexistent/program', ['program'])").code(1).err_has(&["FileNotFoundError"]),
                run("os.execv('/etc/passwd', ['passwd'])").code(1).err_has(&["PermissionError"]),
                run("x, os.getpid()").out("(5, {pid})\n"),
            ],
        ),
        says(
            "a killed shell is told by its signal",
            [run("import os; os.kill(os.getpid(), 9)").signal(9).ends_the_session()],
        ),
        says(
            "an EXIT trap of the user's fires once and at the end",
            [
                run("import atexit, os\nf = atexit.register(lambda: open('log', 'a').write('bye\\n')); exit(3)").code(3),
                run("exit(5)").code(5),
                run("1 / 0").code(1).any_err(),
                run("os.path.exists('log')").out("False\n"),
            ],
        ),
        says(
            "an EXIT trap in a subshell fires there",
            [run("import atexit, os, sys\npid = os.fork()\nif not pid:\n    f = atexit.register(print, 'bye', file=sys.stderr)\n    exit(3)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])")
                .out("3\n")
                .err("bye\n")],
        ),
        says(
            "the way out that a function cannot catch",
            [run("import os; print('before', flush=True); os._exit(7); print('no')")
                .out("before\n")
                .code(7)
                .ends_the_session()],
        ),
    ]
}
