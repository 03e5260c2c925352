//! What errors are called: by the user's script and line, not by ours.

use super::super::step::{file, run};
use super::super::wording::Wording;
use super::says;

pub(super) fn wordings() -> Vec<Wording> {
    vec![
        says(
            "LINENO counts the script's lines",
            [
                run("import sys; sys._getframe().f_lineno\n\nsys._getframe().f_lineno").out("1\n3\n"),
                file("deploy.py", "#!/usr/bin/env python3\nimport sys\nprint(sys._getframe().f_lineno)\n", &[])
                    .out("3\n"),
            ],
        ),
        says(
            "an unknown command",
            [run("True\nnosuchcommand").out("True\n").code(1).err_has(&[
                "  File \"<invocation 1>\", line 2, in <module>\n    nosuchcommand\n",
                "NameError: name 'nosuchcommand' is not defined",
            ])],
        ),
        says(
            "an error in a script file names the file and the line",
            [file("/tmp/deploy.py", "True\n\nraise ValueError(7)\n", &[]).code(1).err(
                "Traceback (most recent call last):\n  File \"/tmp/deploy.py\", line 3, in <module>\n    \
                 raise ValueError(7)\nValueError: 7\n",
            )],
        ),
        says(
            "a syntax error names the line",
            [
                run("print('no')\nx = = 2\n").code(1).err(
                    "  File \"<invocation 1>\", line 2\n    x = = 2\n        ^\nSyntaxError: invalid syntax\n",
                ),
                file("deploy.py", "True\nTrue\n)\n", &[]).code(1).err_has(&["  File \"deploy.py\", line 3\n    )\n"]),
            ],
        ),
        says(
            "an error in a function",
            [
                run("def f():\n    raise ValueError(7)\ndef g(): f()"),
                run("\ng()").code(1).err_has(&[
                    "Traceback (most recent call last):\n  File \"<invocation 2>\", line 2, in <module>\n    g()\n",
                    "  File \"<invocation 1>\", line 3, in g\n    def g(): f()\n",
                    "  File \"<invocation 1>\", line 2, in f\n    raise ValueError(7)\nValueError: 7\n",
                ]),
            ],
        ),
        says(
            "the driver is not in what a failure says",
            [
                run("raise KeyError('key')").code(1).err(
                    "Traceback (most recent call last):\n  File \"<invocation 1>\", line 1, in <module>\n    \
                     raise KeyError('key')\nKeyError: 'key'\n",
                ),
                run("import warnings; warnings.warn('look')").err_has(&["<invocation 2>:1: UserWarning: look"]),
                run("import sys; sys.last_value is not None and sys.last_traceback.tb_frame.f_code.co_filename")
                    .out("'<invocation 1>'\n"),
            ],
        ),
    ]
}
