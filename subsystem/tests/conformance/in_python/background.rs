//! What goes on when an invocation has completed.

use super::super::step::{leave, run};
use super::super::wording::Wording;
use super::{not, says};

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = children();
    all.extend(not(
        &["the job table", "disown"],
        "there is no job table: children are objects",
    ));
    all
}

fn children() -> Vec<Wording> {
    vec![
        says(
            "background jobs and wait",
            [
                run("from subprocess import Popen\nfive = Popen(['sh', '-c', 'exit 5']); job = Popen(['sleep', '1000'], stdout=-3, stderr=-3)"),
                run("five.wait()").out("5\n"),
                run("job.terminate(); job.wait()").out("-15\n"),
            ],
        ),
        says(
            "a background child writes to its own invocation",
            [
                leave("import os, subprocess\nos.mkfifo('gate')\nchild = subprocess.Popen('read x <gate; echo late', shell=True)\nprint('soon')")
                    .out("soon\nlate\n"),
                run("print('other')\nwith open('gate', 'w') as gate: print('x', file=gate)\nchild.wait()")
                    .out("other\n0\n"),
            ],
        ),
        says(
            "completion does not wait for a child that holds the output",
            [
                leave("import os, subprocess\nos.mkfifo('gate')\nchild = subprocess.Popen('read x <gate; echo late >&2; exec >&- 2>&-', shell=True)\nprint('go')")
                    .out("go\n")
                    .err("late\n"),
                run("with open('gate', 'w') as gate: print('x', file=gate)\nchild.wait()").out("0\n"),
            ],
        ),
        says(
            "nohup",
            [
                run("import os, subprocess\nos.mkfifo('gate')\njob = subprocess.Popen(\"nohup sh -c 'read x <gate; echo $x' >out 2>/dev/null\", shell=True, stdout=-3, stderr=-3)"),
                run("with open('gate', 'w') as gate: print('hi', file=gate)\njob.wait(); open('out').read()")
                    .out("0\n'hi\\n'\n"),
            ],
        ),
        says(
            "a job that is stopped and goes on",
            [
                run("import os, signal, subprocess\nos.mkfifo('gate'); os.mkfifo('ready')\njob = subprocess.Popen(['sh', '-c', 'echo >ready; read x <gate; exit 6'], stdout=-3, stderr=-3)\nwith open('ready') as ready: line = ready.read()\nos.kill(job.pid, signal.SIGSTOP)"),
                run("os.kill(job.pid, signal.SIGCONT)\nwith open('gate', 'w') as gate: print(file=gate)\njob.wait()")
                    .out("6\n"),
            ],
        ),
    ]
}
