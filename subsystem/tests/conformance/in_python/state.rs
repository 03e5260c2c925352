//! What one invocation leaves for the next.

use super::super::step::run;
use super::super::wording::Wording;
use super::{not, says};

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = values();
    all.extend(settings());
    all.extend(not(
        &["integers and read-only variables"],
        "names have neither a type nor a lock",
    ));
    all.extend(not(
        &["positional parameters"],
        "every script has a `sys.argv` of its own",
    ));
    all
}

fn values() -> Vec<Wording> {
    vec![
        says(
            "variables",
            [
                run("x = 5; y = 'a b\\nc'"),
                run("print(x, y)").out("5 a b\nc\n"),
            ],
        ),
        says(
            "exported variables and others",
            [
                run("import os; os.environ['E'] = '1'; n = 2"),
                run("os.system('echo ${E-unset} ${n-unset}'); n").out("1 unset\n0\n2\n"),
            ],
        ),
        says(
            "arrays",
            [
                run("list_ = [1, '2 3', '']; list_.append(4)"),
                run("len(list_), list_[1]").out("(4, '2 3')\n"),
            ],
        ),
        says(
            "associative arrays",
            [
                run("map_ = {'k': 'v'}; map_['two'] = 'a b'"),
                run("map_['k'], map_['two'], len(map_)").out("('v', 'a b', 2)\n"),
            ],
        ),
        says(
            "functions",
            [
                run("def f(a):\n    global x\n    y = 2; x = 3\n    print('f', a, y)"),
                run("f('a'); x, 'y' in dir()").out("f a 2\n(3, False)\n"),
            ],
        ),
        says(
            "aliases",
            [
                run("import os as system; greet = print"),
                run("greet('hello', system.sep)").out("hello /\n"),
                run("del greet"),
                run("greet('you')")
                    .code(1)
                    .err_has(&["name 'greet' is not defined"]),
            ],
        ),
        says(
            "the process itself",
            [
                run("import os; os.getpid()").out("{pid}\n"),
                run("os.getpid()").out("{pid}\n"),
            ],
        ),
    ]
}

fn settings() -> Vec<Wording> {
    vec![
        says(
            "options",
            [
                run("from __future__ import annotations"),
                run("def f(a: nosuchname): pass\nf.__annotations__['a']").out("'nosuchname'\n"),
            ],
        ),
        says(
            "traps",
            [
                run(
                    "import os, signal\nold = signal.signal(signal.SIGUSR1, lambda *_: print('usr1'))",
                ),
                run("os.kill(os.getpid(), signal.SIGUSR1)").out("usr1\n"),
                run("old = signal.signal(signal.SIGUSR1, old)"),
            ],
        ),
        says(
            "the working directory",
            [
                run("import os; os.chdir('/usr/bin')"),
                run("os.getcwd(); os.chdir('..')").out("'/usr/bin'\n"),
                run("os.getcwd()").out("'/usr'\n"),
            ],
        ),
        says(
            "the umask",
            [
                run("import os; old = os.umask(0o027)"),
                run("status = os.system('umask')").out("0027\n"),
            ],
        ),
        says(
            "resource limits",
            [
                run("import os, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))"),
                run("status = os.system('ulimit -n')").out("200\n"),
            ],
        ),
        says(
            "open descriptors",
            [
                run("import os; log = open('out', 'w'); five = os.dup2(log.fileno(), 5)"),
                run("print('one', file=log, flush=True); status = os.system('echo two >&5')"),
                run("log.close(); os.close(5); open('out').read()").out("'one\\ntwo\\n'\n"),
            ],
        ),
        says(
            "an open descriptor to read from",
            [
                run(
                    "with open('in', 'w') as file: print(1, 2, sep='\\n', file=file)\nfile = open('in')",
                ),
                run("file.readline()").out("'1\\n'\n"),
                run("file.readline(); file.close()").out("'2\\n'\n"),
            ],
        ),
        says(
            "the status of the last command",
            [
                run("raise SystemExit(3)").code(3),
                run("True").out("True\n"),
                run("1 / 0").code(1).any_err(),
                run("False").out("False\n"),
            ],
        ),
    ]
}
