//! Stopping what runs, and an interpreter that has kept everything.

use super::super::step::{Step, Stop, insist, interrupt, kill, run, terminate};
use super::super::wording::Wording;
use super::says;

pub(super) fn wordings() -> Vec<Wording> {
    let mut all = interrupts();
    all.extend(traps());
    all.extend(others());
    all
}

/// Ignores what ends the shell that started it.
const DEAF: &str = "sh -c \"trap '' INT TERM; echo \\$\\$ >orphan; echo go; exec >/dev/null 2>&1; while :; do sleep 1000; done\"; :";

/// The state that has to be there afterwards.
fn with_state(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut all = vec![run(
        "import os, signal, subprocess, threading, time\nold = subprocess.Popen(['sleep', '1000'], stdout=-3, stderr=-3)\nx = 5\ndef f(): return 'f'\nos.mkfifo('fifo')",
    )];
    all.extend(steps);
    all.push(run("x, os.getpid(), f(), old.poll()").out("(5, {pid}, 'f', None)\n"));
    all
}

/// One that ends with an exception of its own.
fn thrown(script: &str) -> Step {
    interrupt(&format!("print('go', flush=True)\n{script}\nprint('no')"))
        .err_has(&["KeyboardInterrupt\n"])
}

fn killed(script: &str) -> Step {
    kill(script).any_err()
}

fn interrupts() -> Vec<Wording> {
    vec![
        says("^C ends a sleeper", with_state([thrown("time.sleep(1000)")])),
        says(
            "^C ends a loop of builtins",
            with_state([
                thrown("while True: pass"),
                thrown("def g():\n    while True: pass\ng()"),
                thrown("for n in iter(int, 1): pass"),
            ]),
        ),
        says(
            "^C ends a loop of programs",
            with_state([
                thrown("while True: done = subprocess.run(['/bin/true'])"),
                thrown("for i in range(3): done = subprocess.run(['sleep', '1000'])"),
            ]),
        ),
        says(
            "^C ends a read",
            with_state([
                thrown("line = input()"),
                thrown("import sys; text = sys.stdin.read()"),
                thrown("text = open('fifo').read()"),
            ]),
        ),
        says(
            "^C ends a pipeline",
            with_state([
                thrown("done = subprocess.run('cat | cat', shell=True)"),
                thrown("done = subprocess.run('sleep 1000 | sleep 1000 | cat', shell=True)"),
                // Python kills the shell; what the first ^C does not end has no parent then.
                interrupt("done = subprocess.run(\"sh -c 'trap \\\"trap - INT\\\" INT; echo go; while :; do :; done' | cat\", shell=True)")
                    .err_has(&["KeyboardInterrupt"]),
            ]),
        ),
        says(
            "^C ends subshells and substitutions",
            with_state([
                thrown("said = subprocess.check_output(['sleep', '1000'])"),
                thrown("pid = os.fork()\nif not pid: time.sleep(1000)\nend = os.waitpid(pid, 0)").err_has(&["KeyboardInterrupt"]),
            ]),
        ),
        says(
            "^C ends a wait",
            with_state([
                thrown("end = old.wait()"),
                thrown("threading.Event().wait()"),
                thrown("lock = threading.Lock()\nwith lock, lock: pass"),
            ]),
        ),
        says(
            "^C ends a wait for a stopped job",
            with_state([
                interrupt("job = subprocess.Popen(['sleep', '1000'], stdout=-3, stderr=-3); os.kill(job.pid, signal.SIGSTOP)\nprint('go', flush=True)\nend = job.wait()")
                    .err_has(&["KeyboardInterrupt"]),
                run("job.kill(); end = job.wait()"),
            ]),
        ),
        says(
            "^C again and again",
            with_state((0..8).map(|_| thrown("time.sleep(1000)"))),
        ),
    ]
}

fn traps() -> Vec<Wording> {
    vec![says(
        "an INT trap of the user's is theirs",
        [
            interrupt("import signal\nstop = False\ndef caught(*_):\n    global stop\n    stop = True\n    print('caught')\nold = signal.signal(signal.SIGINT, caught)\nprint('go', flush=True)\nwhile not stop: pass\nprint('after')")
                .out("go\ncaught\nafter\n")
                .code(0),
            run("signal.getsignal(signal.SIGINT) is caught; stop = False").out("True\n"),
            interrupt("print('go', flush=True)\nwhile not stop: pass").out("go\ncaught\n").code(0),
            run("old = signal.signal(signal.SIGINT, old)"),
            interrupt("import time\ntry:\n    print('go', flush=True)\n    time.sleep(1000)\nexcept KeyboardInterrupt: print('caught')")
                .out("go\ncaught\n")
                .code(0),
            thrown("import time; time.sleep(1000)"),
        ],
    )]
}

fn others() -> Vec<Wording> {
    const IGNORES: &str = "trap \"\" INT TERM HUP; while :; do :; done";
    vec![
        says(
            "TERM ends the job and not the shell",
            with_state([
                terminate("print('go', flush=True)\nsubprocess.call(['sleep', '1000'])")
                    .out("go\n-15\n")
                    .code(0),
            ]),
        ),
        says(
            "KILL ends what ignores everything",
            with_state([
                killed(&format!(
                    "print('go', flush=True)\ndone = subprocess.run(['sh', '-c', '{IGNORES}'])\ntime.sleep(1000)"
                )),
                killed(
                    "for it in (signal.SIGINT, signal.SIGTERM): was = signal.signal(it, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass",
                ),
                killed(
                    "print('go', flush=True)\nwhile True:\n    try: time.sleep(1000)\n    except Exception: pass",
                ),
                run("was = signal.signal(signal.SIGINT, signal.default_int_handler)"),
            ]),
        ),
        says(
            "who insists ends what outlives its parent",
            with_state([
                insist(Stop::Terminate, &format!("end = os.system({DEAF:?})")).any_err(),
                run("end = os.system('read -r orphan <orphan; tail --pid=$orphan -f /dev/null; echo gone')").out("gone\n"),
            ]),
        ),
        says(
            "KILL ends what is stopped",
            with_state([
                killed(
                    "end = subprocess.run(['sh', '-c', 'echo $$ >stopped; echo go; kill -STOP $$'])",
                ),
                run("stat = subprocess.run(['ps', '-o', 'stat=', '-p', open('stopped').read()], capture_output=True).stdout\nstat[:1] in (b'', b'Z')")
                    .out("True\n"),
            ]),
        ),
        says(
            "KILL ends reads and waits that ignore everything",
            with_state([
                killed(
                    "was = signal.signal(signal.SIGINT, lambda *_: None)\nprint('go', flush=True)\ntext = open('fifo').read()",
                ),
                killed("print('go', flush=True)\nend = old.wait()").out("go\n"),
                run("was = signal.signal(signal.SIGINT, signal.default_int_handler)"),
            ]),
        ),
        says(
            "KILL ends substitutions and pipelines",
            with_state([
                killed(&format!(
                    "print('go', flush=True)\nsaid = subprocess.check_output(['sh', '-c', '{IGNORES}'])"
                )),
                killed(&format!(
                    "print('go', flush=True)\ndone = subprocess.run('{IGNORES} | cat', shell=True)"
                )),
            ]),
        ),
    ]
}
