//! Rows about what an interpreter has and shells do not.

use super::super::case::Case;
use super::super::step::{file, leave, run, run_with_stdin};
use super::only;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = values();
    cases.extend(namespace());
    cases.extend(processes());
    cases
}

fn values() -> Vec<Case> {
    const REASON: &str = "commands have no values";
    vec![
        only(
            "an expression shows its value",
            REASON,
            [
                run("x = 5\nx + 1\n'a'\nNone\nprint('p')\n_").out("6\n'a'\np\n'a'\n"),
                run("if x:\n    x + 2\nfor i in 'ab': i\n(x,\n x); 7").out("(5, 5)\n7\n"),
                file("values.py", "x\nprint('p')\n'a'\n", &[]).out("p\n"),
            ],
        ),
        only(
            "a value that cannot be shown is an exception",
            REASON,
            [
                run("class C:\n    def __repr__(self): return 1 / 0\nc = C()"),
                run("print('a'); c; print('no')")
                    .out("a\n")
                    .code(1)
                    .err_has(&["line 2, in __repr__", "ZeroDivisionError"]),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        only(
            "how values are shown is the user's",
            REASON,
            [
                run("import sys; sys.displayhook = lambda value: print('value', value)"),
                run("5").out("value 5\n"),
                run("sys.displayhook = sys.__displayhook__; 5").out("5\n"),
            ],
        ),
    ]
}

fn namespace() -> Vec<Case> {
    vec![
        only(
            "a namespace with nothing of ours in it",
            "the rows of interference are about shells' names",
            [
                run("sorted(n for n in dir() if not n.startswith('__'))").out("[]\n"),
                run("class C: pass\nC.__module__, __name__, __doc__").out("('__main__', '__main__', None)\n"),
                run("import pickle, __main__\npickle.loads(pickle.dumps(C())).__class__ is __main__.C")
                    .out("True\n"),
                run("'__file__' in dir(), __import__('sys').argv").out("(False, [''])\n"),
            ],
        ),
        only(
            "await at the top, and its loop ends with the script",
            "shells have no coroutines",
            [
                run("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5\nasyncio.run(f())")
                    .out("5\n"),
                run("await f()").code(1).err_has(&["SyntaxError: 'await' outside function"]),
            ],
        ),
        only(
            "an exception of many lines shows all of its causes",
            "shells have no exceptions",
            [run("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('two\\nlines') from error")
                .code(1)
                .err_has(&["line 2, in <module>", "direct cause", "line 4, in <module>", "ValueError: two\nlines\n"])],
        ),
    ]
}

fn processes() -> Vec<Case> {
    vec![
        only(
            "a thread writes to its own invocation",
            "shells have no threads",
            [
                leave("import threading\nhold = threading.Event()\ndef late():\n    hold.wait()\n    print('late')\nthread = threading.Thread(target=late)\nthread.start()\nprint('soon')")
                    .out("soon\nlate\n"),
                run("print('other')\nhold.set(); thread.join()").out("other\n"),
                run("del thread"),
                run("print('still')").out("still\n"),
            ],
        ),
        only(
            "a forgotten fork is no second driver",
            "a subshell ends where it is written",
            [
                run("import os\npid = os.fork()\nif not pid: print('child')\nelse: pid = os.waitpid(pid, 0)[1]")
                    .out("child\n"),
                run("pid").out("0\n"),
            ],
        ),
        only(
            "processes of multiprocessing",
            "shells have none",
            [
                run("import multiprocessing, sys\ndef work(n):\n    print('work', n, flush=True)\n    sys.exit(n)"),
                run("child = multiprocessing.get_context('fork').Process(target=work, args=(4,))\nchild.start(); child.join(); child.exitcode")
                    .out("work 4\n4\n"),
                run("with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(abs, [-1, -2])\nprint('end')")
                    .out("end\n"),
                run_with_stdin("input()", "line\n").out("'line'\n"),
            ],
        ),
    ]
}
