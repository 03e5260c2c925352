//! Users who redefine what a driver might rely on.

use super::super::step::{interrupt, run};
use super::super::wording::Wording;
use super::{not, says};

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = names();
    all.extend(settings());
    all.extend(not(
        &[
            "set -x shows the user's commands alone and on stderr",
            "set -v shows no line of ours",
        ],
        "there is no such option; see the row of the DEBUG trap",
    ));
    all
}

fn names() -> Vec<Wording> {
    vec![
        says(
            "functions and aliases named like builtins",
            [
                run("import builtins, os, signal, subprocess, sys, threading\n\
                     def hijacked(*_, **__): raise RuntimeError('hijacked')\n\
                     print = open = compile = exec = len = int = str = getattr = hijacked"),
                run("'ok'").out("'ok'\n"),
                run(
                    "for name in ('open', 'compile', 'exec', 'eval', 'input', 'print'):\n    setattr(builtins, name, hijacked)",
                ),
                run("'ok'").out("'ok'\n"),
                run(
                    "for module, names in ((os, ('open', 'read', 'write', 'close', 'dup2', 'getpid')), (signal, ('signal',)), (subprocess, ('Popen',)), (threading, ('enumerate', 'current_thread'))):\n    for name in names: module.__dict__[name] = hijacked",
                ),
                run("'ok'").out("'ok'\n"),
                run("sys.exit(3)").code(3),
                run("1 / 0").code(1).any_err(),
                run("'still'").out("'still'\n"),
            ],
        ),
        says(
            "nothing of ours is exported",
            [
                run("import os; [name for name in os.environ if 'OUTLAST' in name.upper()]")
                    .out("[]\n"),
            ],
        ),
        says(
            "the history is left alone",
            [
                run("print('secret')").out("secret\n"),
                run("import readline; readline.get_current_history_length()").out("0\n"),
                run("exit(3)").code(3),
            ],
        ),
    ]
}

fn settings() -> Vec<Wording> {
    vec![
        says(
            "options that change the language",
            [
                run(
                    "import sys, warnings; warnings.simplefilter('error'); sys.setrecursionlimit(120)",
                ),
                run("print('ok'); exit(3)").out("ok\n").code(3),
                interrupt("print('go', flush=True)\nwhile True: pass")
                    .err_has(&["KeyboardInterrupt"]),
                run("def f(): f()\nf()")
                    .code(1)
                    .err_has(&["RecursionError"]),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "IFS and other variables that matter",
            [
                run(
                    "import os, sys, linecache; os.environ.clear(); sys.path.clear(); sys.path_hooks.clear(); linecache.cache = {}",
                ),
                run("exit(3)").code(3),
                run("del sys.modules['__main__'], sys.modules['os'], sys.modules['threading']"),
                run("'ok'").out("'ok'\n"),
            ],
        ),
        says(
            "a broken PATH",
            [
                run("import os; os.environ['PATH'] = '/nonexistent'"),
                run("exit(3)").code(3),
                run("os.environ['PATH'] = '/usr/bin:/bin'; os.system('true')").out("0\n"),
            ],
        ),
        says(
            "a DEBUG trap fires for the script only",
            [
                run(
                    "import sys\nseen = set()\ndef trace(frame, event, _):\n    seen.add(frame.f_code.co_name)\n    return trace\nsys.settrace(trace)",
                ),
                run("def f(): return 5\nf()").out("5\n"),
                run("exit(3)").code(3),
                run("sys.gettrace() is trace, 'f' in seen, seen & {'guarded', 'run', 'detach', 'attach', 'tell'}").out("(True, True, set())\n"),
                run("sys.settrace(None); seen.clear()"),
                run("f(), seen").out("(5, set())\n"),
            ],
        ),
        says(
            "an ERR trap is the user's",
            [
                run(
                    "import sys; sys.excepthook = lambda kind, error, trace: print('E', kind.__name__)",
                ),
                run("1 / 0").out("E ZeroDivisionError\n").code(1),
                run("sys.excepthook = None; 1 / 0").code(1).any_err(),
                run("sys.excepthook = sys.__excepthook__; 1 / 0")
                    .code(1)
                    .err_has(&["ZeroDivisionError"]),
            ],
        ),
    ]
}
