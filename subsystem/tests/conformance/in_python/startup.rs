//! The user's own modules, which an interpreter loads when it starts and which may do anything.

use outlast_protocol::outcome::ExitStatus::Code;

use super::super::step::{Failure, fails_to_open, interrupt, run, run_with_stdin};
use super::super::wording::Wording;
use super::{not, says};

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = files();
    all.extend(not(
        &["a POSIX shell's file is read at top level and its noise is not output"],
        "it is not a POSIX shell",
    ));
    all
}

/// A file that moves descriptors; what a visitor sees then is in `visits::startup`.
fn moved(row: &'static str, text: &'static str) -> Wording {
    let steps = [
        run("import sys; print('ok'); print('err', file=sys.stderr)")
            .out("ok\n")
            .err("err\n"),
        run_with_stdin("print('got', input())", "it\n").out("got it\n"),
        run("exit(3)").code(3),
        interrupt("import time; print('go', flush=True); time.sleep(1000)")
            .err_has(&["KeyboardInterrupt"]),
        run("'ok'").out("'ok'\n"),
    ];
    says(row, steps).startup(text)
}

fn files() -> Vec<Wording> {
    vec![
        says(
            "they are read at top level and their noise is not output",
            [run("x").out("1\n")],
        )
        .startup("import builtins, sys; print('noise'); print('more', file=sys.stderr); builtins.x = 1; print('x', end='')\n"),
        says("a file that fails", [run("x").out("1\n")]).startup("import builtins; builtins.x = 1; nosuchname\n"),
        says("a file that is thrown back", [run("x").out("1\n")])
            .startup("import builtins; builtins.x = 1; raise ImportError('missing')\n"),
        says("a file with a syntax error", [run("'ok'").out("'ok'\n")]).startup("x = )\n"),
        says(
            "a file that sets options",
            [
                run("5").out("shown 5\n"),
                run("print('ok'); exit(3)").out("ok\n").code(3),
                interrupt("import time; print('go', flush=True); time.sleep(1000)").err_has(&["KeyboardInterrupt"]),
            ],
        )
        .startup("import sys, signal; sys.displayhook = lambda value: value is None or print('shown', value); signal.signal(signal.SIGINT, signal.SIG_IGN)\n"),
        says("a file that exits", [fails_to_open(Failure::Ended(Code(6)), "going")])
            .startup("import os; print('going', flush=True); os._exit(6)\n"),
        says(
            "a file that runs another program for ever",
            [fails_to_open(Failure::TimedOut, "there")],
        )
        .startup("import os; os.execvp('sh', ['sh', '-c', 'echo there; exec sleep 1000'])\n"),
        says("a file that hangs", [fails_to_open(Failure::TimedOut, "round")]).startup(
            "import signal\nprint('round', flush=True)\nfor it in (1, 2, 15): signal.signal(it, signal.SIG_IGN)\nwhile True: pass\n",
        ),
        says(
            "a file that becomes another program, which ends",
            [fails_to_open(Failure::Ended(Code(5)), "there")],
        )
        .startup("import os; os.execvp('sh', ['sh', '-c', 'echo there; exit 5'])\n"),
        says(
            "a file that becomes nothing that there is",
            [run("'ok'").out("'ok'\n")],
        )
        .startup("import os; os.execv('/nonexistent/program', ['program'])\n"),
        says(
            "a file that closes and moves descriptors",
            [
                run("import sys; print('ok'); print('err', file=sys.stderr)").out("ok\n").err("err\n"),
                run("exit(3)").code(3),
                interrupt("import time; print('go', flush=True); time.sleep(1000)").err_has(&["KeyboardInterrupt"]),
            ],
        )
        .startup("import os\nnull = os.open('/dev/null', os.O_RDWR)\nfor n in range(3): os.dup2(n, n + 20); os.dup2(null, n)\n"),
        moved("a file that takes standard input away", "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 0)\n"),
        moved("a file that closes standard input", "import os; os.close(0)\n"),
        moved("a file that takes standard output away", "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 1)\n"),
        moved("a file that takes standard error away", "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 2)\n"),
        moved("a file that takes the terminal away", "import os\nfor it in range(3): os.dup2(os.open('/dev/null', os.O_RDWR), it)\n"),
        moved("a file that closes the terminal", "import os; os.closerange(0, 3)\n"),
        says(
            "a file that leaves something running",
            [run("job.poll(); job.kill()")],
        )
        .startup("import builtins, subprocess; builtins.job = subprocess.Popen(['sleep', '1000'])\n"),
        says("a file that asks", [fails_to_open(Failure::TimedOut, "who are you")])
            .startup("answer = input('who are you')\n"),
        says(
            "a file that sets prompts",
            [
                run("'ok'").out("'ok'\n"),
                interrupt("import time; print('go', flush=True); time.sleep(1000)").err_has(&["KeyboardInterrupt"]),
                run("'ok'").out("'ok'\n"),
            ],
        )
        .startup("import sys\nclass Prompt:\n    def __str__(self): return 1 / 0\nsys.ps1 = Prompt()\n"),
    ]
}
