//! The user's own modules, which an interpreter loads when it starts and which may do anything.

use outlast_protocol::outcome::ExitStatus::Code;

use super::super::step::{Failure, fails_to_open, interrupt, run};
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
