//! All of an interpreter's state at once, over every way in which an invocation can end.

use super::super::step::{Step, file, interrupt, kill, run, run_with_stdin};
use super::super::wording::Wording;
use super::{not, says};

const SET: &str = "import os, resource, signal, subprocess, sys, time\n\
                   x = 'a b'; os.environ['E'] = '1'; list_ = [1, '2 3']; map_ = {'k': 'v'}\n\
                   def f(a): print('f', a)\n\
                   class C: pass\n\
                   hi = print; c = C()\n\
                   old = signal.signal(signal.SIGUSR1, lambda *_: print('usr1'))\n\
                   os.chdir('/usr'); old = os.umask(0o027)\n\
                   resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n\
                   seven = open(os.path.expanduser('~/seven'), 'w+')\n\
                   job = subprocess.Popen(['sleep', '1000'], stdout=-3, stderr=-3)\n\
                   def lines():\n    yield 1\n    yield 2\n    while True: yield 3\n\
                   it = lines(); first = next(it)";
const SHOW: &str = "print(x, list_, map_, os.getcwd(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)\n\
                    status = os.system('umask; echo $E')\n\
                    f(1); hi('hi', isinstance(c, C)); os.kill(os.getpid(), signal.SIGUSR1)\n\
                    at = seven.seek(0); n = seven.write('seven'); at = seven.seek(0); print(seven.read())\n\
                    print(job.poll(), os.getpid(), next(it) > 1)";
const SHOWN: &str =
    "a b [1, '2 3'] {'k': 'v'} /usr 200\n0027\n1\nf 1\nhi True\nusr1\nseven\nNone {pid} True\n";

fn over(ways: Vec<Step>) -> Vec<Step> {
    let there = || run(SHOW).out(SHOWN);
    let mut steps = vec![run(SET), there()];
    for way in ways {
        steps.extend([way, there()]);
    }
    steps
}

fn thrown(script: &str) -> Step {
    interrupt(&format!("print('go', flush=True)\n{script}\nprint('no')"))
        .err_has(&["KeyboardInterrupt\n"])
}

fn killed(script: &str) -> Step {
    kill(&format!("print('go', flush=True)\n{script}")).any_err()
}

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = vec![
        says(
            "everything is there after an exit",
            over(vec![
                run("sys.exit(3)").code(3),
                run("def g():\n    for y in 1, 2: exit(4)\ng(); print('no')").code(4),
                run("raise SystemExit(5)").code(5),
                file("script.py", "import sys; sys.exit(6)\n", &["a"]).code(6),
                run_with_stdin("print(input()); exit(7)", "line\n")
                    .out("line\n")
                    .code(7),
            ]),
        ),
        says(
            "everything is there after an error in an expansion",
            over(vec![
                run("nope").code(1).err_has(&["nope"]),
                run("1 / 0").code(1).err_has(&["ZeroDivisionError"]),
                run("def g(): g()\ng()")
                    .code(1)
                    .err_has(&["RecursionError"]),
                run("len('x' * (1 << 62))")
                    .code(1)
                    .err_has(&["MemoryError"]),
            ]),
        ),
        says(
            "everything is there after a cancel",
            over(vec![
                thrown("time.sleep(1000)"),
                thrown("while True: pass"),
                thrown("end = subprocess.run('sleep 1000 | sleep 1000', shell=True)"),
                killed(
                    "end = subprocess.run(['sh', '-c', 'trap \"\" INT TERM; while :; do :; done'])",
                ),
                killed(
                    "while True:\n    try: time.sleep(1000)\n    except BaseException as e:\n        if isinstance(e, KeyboardInterrupt): continue\n        raise",
                ),
            ]),
        ),
        says(
            "everything is there after a syntax error and a return",
            over(vec![
                run("if").code(1).err_has(&["SyntaxError"]),
                run("return 4").code(1).err_has(&["SyntaxError"]),
            ]),
        ),
    ];
    all.extend(not(
        &["everything is there after set -e"],
        "an exception always ends the script, and nothing else does",
    ));
    all
}
