//! The engine for Python against a real interpreter.

// What is allowed in a test function is not in what it calls, unless one says so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout
)]

#[allow(dead_code, reason = "shared with the tests of other engines")]
mod runspace;

use std::time::Duration;

use outlast_protocol::outcome::ExitStatus::{Code, Signal};
use outlast_subsystem::runspace::{Command, StartSpec};
use runspace::visitor::Visitor;
use runspace::{Bench, Home};

const OPENING: Duration = Duration::from_secs(20);

async fn open() -> Bench {
    open_in(Home::new()).await
}

async fn open_in(home: Home) -> Bench {
    let opened = Bench::open_as("python", home, OPENING).await;
    opened.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&error.terminal)))
}

fn script_file(script: &str, args: &[&str]) -> Command {
    Command::File {
        script: script.into(),
        args: args.iter().map(|it| it.as_bytes().to_vec()).collect(),
        name: b"/tmp/deploy.py".to_vec(),
    }
}

macro_rules! tests {
    ($($(#[$meta:meta])* async fn $name:ident() $body:block)*) => {
        $(#[tokio::test(flavor = "current_thread")] $(#[$meta])*
        async fn $name() {
            let test = async $body;
            tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
        })*
    };
}

tests! {
    async fn expressions_echo_their_value_and_names_survive() {
        let mut bench = open().await;
        let ran = bench.run("x = 5\nx + 1\n'a'\nNone\nprint('p')\n_").await;
        assert_eq!((ran.out(), ran.err(), ran.status), ("6\n'a'\np\n'a'\n", "", Code(0)));
        let ran = bench.run("def f():\n    return x\nclass C: pass\nimport os as system").await;
        assert_eq!((ran.out(), ran.err()), ("", ""));
        assert_eq!(bench.run("f(), C.__module__, __name__, system.path.sep").await.out(), "(5, '__main__', '__main__', '/')\n");
        let ran = bench.run("sorted(n for n in dir() if not n.startswith('__'))").await;
        assert_eq!(ran.out(), "['C', '_', 'f', 'system', 'x']\n".replace("'_', ", ""));
        bench.close().await;
    }

    async fn exceptions_name_the_users_script_and_line() {
        let mut bench = open().await;
        let ran = bench.run("def f():\n    return 1 / 0\nprint('before')\nf()\nprint('no')").await;
        assert_eq!((ran.out(), ran.status), ("before\n", Code(1)));
        assert!(ran.err().starts_with("Traceback (most recent call last):\n  File \"<invocation 1>\", line 4, in <module>\n"), "{}", ran.err());
        assert!(ran.err().contains("line 2, in f\n"), "{}", ran.err());
        assert!(ran.err().ends_with("ZeroDivisionError: division by zero\n"), "{}", ran.err());
        assert!(!ran.err().contains("outlast"), "{}", ran.err());
        let ran = bench.run_command(script_file("\n\nraise ValueError(7)\n", &[]), None).await;
        assert!(ran.err().contains("File \"/tmp/deploy.py\", line 3, in <module>\n"), "{}", ran.err());
        let ran = bench.run("print(1)\nx = = 2").await;
        assert_eq!((ran.out(), ran.status), ("", Code(1)));
        assert!(ran.err().contains("<invocation 3>\", line 2") && ran.err().contains("SyntaxError"), "{}", ran.err());
        assert_eq!(bench.run("f.__name__").await.out(), "'f'\n");
        bench.close().await;
    }

    async fn exit_ends_the_invocation() {
        let mut bench = open().await;
        let pid = bench.runspace.pid();
        for (script, status, said) in [
            ("x = 1; import sys; sys.exit(7)", 7, ""), ("sys.exit()", 0, ""), ("exit(3)", 3, ""), ("quit()", 0, ""),
            ("sys.exit('why')", 1, "why\n"), ("raise SystemExit(256 + 4)", 4, ""), ("def g():\n  try: sys.exit(5)\n  finally: print('f', file=sys.stderr)\ng()", 5, "f\n"),
        ] {
            let ran = bench.run(script).await;
            assert_eq!((ran.err(), ran.status, ran.exited), (said, Code(status), None), "{script}");
        }
        assert_eq!(bench.run("import os; x, os.getpid()").await.out(), format!("(1, {pid})\n"));
        assert_eq!(bench.run("os._exit(9)").await.exited, Some(Code(9)));
    }

    async fn an_exec_is_the_end_of_the_session() {
        let mut bench = open().await;
        let ran = bench.run("import os, atexit; os.execvp('sh', ['sh', '-c', 'echo sh; exit 6'])").await;
        assert_eq!((ran.out(), ran.exited), ("sh\n", Some(Code(6))));
    }

    async fn scripts_in_files_have_arguments_and_do_not_echo() {
        let mut bench = open().await;
        let ran = bench.run_command(script_file("import sys\n5\nkept = sys.argv\nprint(sys.argv, __file__, __name__)", &["a", "b c"]), None).await;
        assert_eq!(ran.out(), "['/tmp/deploy.py', 'a', 'b c'] /tmp/deploy.py __main__\n", "{}", ran.err());
        assert_eq!(bench.run("len(kept), sys.argv, '__file__' in dir()").await.out(), "(3, [''], False)\n");
        bench.close().await;
    }

    async fn commands_run_as_programs() {
        let mut bench = open().await;
        let ran = bench.argv(&[b"printf", b"[%s]", b"a b", b"'\\\n", b"\xff"]).await;
        assert_eq!(ran.stdout, b"[a b]['\\\n][\xff]");
        assert_eq!(bench.argv(&[b"sh", b"-c", b"exit 9"]).await.status, Code(9));
        assert_eq!(bench.argv(&[b"sh", b"-c", b"kill -9 $$"]).await.status, Signal(9));
        let ran = bench.argv(&[b"no-such-program"]).await;
        assert_eq!((ran.status, ran.err()), (Code(127), "python3: no-such-program: No such file or directory\n"));
        let start = StartSpec {
            number: bench.next_number(),
            command: Command::Argv([&b"sh"[..], b"-c", b"echo $E"].map(<[u8]>::to_vec).to_vec()),
            stdin: false,
            environment: vec![(b"E".to_vec(), b"it's \xff".to_vec())],
        };
        assert_eq!(bench.run_spec(&start).await.stdout, b"it's \xff\n");
        assert_eq!(bench.run("import os; os.environ.get('E')").await.out(), "");
        bench.close().await;
    }

    async fn the_streams_are_real_descriptors() {
        let mut bench = open().await;
        let ran = bench.run_with_stdin("import sys, os\nsys.stdin.buffer.readline()\nsys.stdout.flush()\nsys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])\nsys.stderr.write('err')", b"line\nabc\xff\0").await;
        assert_eq!((ran.stdout.as_slice(), ran.err()), (&b"b'line\\n'\n\0\xffcba5\n3\n"[..], "err"), "{}", ran.err());
        let ran = bench.run("import subprocess\nprint('first')\nsubprocess.run('echo out; echo err >&2; ls /proc/self/fd | tr \"\\n\" \" \"', shell=True).returncode\nos.system('exit 3') >> 8").await;
        assert!(ran.out().contains("out\n0 1 2 3 "), "{}", ran.out());
        assert_eq!(ran.err(), "err\n");
        let ran = bench.run("os.readlink('/proc/self/fd/0'), sys.stdin.read(), [os.isatty(n) for n in range(3)]").await;
        assert_eq!(ran.out(), "('/dev/null', '', [False, False, False])\n");
        let ran = bench.run("os.close(1); os.close(2); sys.stdin.close(); sys.stdout = None").await;
        assert_eq!(ran.status, Code(0));
        assert_eq!(bench.run("print('ok')").await.out(), "ok\n");
        let ran = bench.run("for i in range(8): _n = os.write(1, b'x' * (1 << 20))").await;
        assert_eq!(ran.stdout.len(), 8 << 20);
        bench.close().await;
    }

    async fn threads_and_children_write_to_their_own_invocation() {
        let mut bench = open().await;
        let mut first = bench.start("import threading, subprocess, os\nos.mkfifo('gate')\nhold = threading.Event()\ndef late():\n    hold.wait()\n    print('late')\nthread = threading.Thread(target=late)\nthread.start()\nchild = subprocess.Popen('read x <gate; echo child', shell=True)\nprint('soon')", false);
        assert_eq!(bench.completion().await, Ok(Code(0)));
        let ran = bench.run("print('other')\nhold.set(); thread.join()\nopen('gate', 'w').write('x\\n')\nchild.wait()").await;
        assert_eq!(ran.out(), "other\n2\n0\n", "{}", ran.err());
        bench.run("del thread; import gc; gc.collect()").await;
        assert_eq!(bench.run("print('still')").await.out(), "still\n");
        let (out, err) = first.read_to_end().await;
        assert_eq!((String::from_utf8_lossy(&out).as_ref(), err.as_slice()), ("soon\nlate\nchild\n", &b""[..]));
        bench.close().await;
    }

    async fn a_forgotten_fork_is_no_second_driver() {
        let mut bench = open().await;
        let ran = bench.run("import os\npid = os.fork()\nprint('twice', flush=True)\nif pid: os.waitpid(pid, 0)").await;
        assert!(ran.out().starts_with("twice\ntwice\n"), "{}", ran.out());
        assert_eq!(bench.run("1").await.out(), "1\n");
        bench.close().await;
    }

    async fn interrupts_end_the_invocation_and_keep_everything() {
        let mut bench = open().await;
        bench.run("import time, sys, subprocess, os, signal; x = 5").await;
        for script in [
            "print('go', flush=True)\ntime.sleep(1000)", "print('go', flush=True)\nwhile True: pass",
            "print('go', flush=True)\nsys.stdin.read()", "print('go', flush=True)\nsubprocess.run(['sleep', '1000'])",
        ] {
            let ran = bench.interrupted(script, true).await;
            assert_eq!((ran.out(), ran.status), ("go\n", Code(130)), "{script}");
            assert!(ran.err().ends_with("KeyboardInterrupt\n"), "{}", ran.err());
            assert_eq!(bench.run("x").await.out(), "5\n");
        }
        let ran = bench.interrupted("try:\n  print('go', flush=True)\n  time.sleep(1000)\nexcept KeyboardInterrupt: print('caught')", false).await;
        assert_eq!((ran.out(), ran.status), ("go\ncaught\n", Code(0)));
        bench.runspace.interrupt();
        assert_eq!(bench.run("x").await.out(), "5\n");
        bench.close().await;
    }

    async fn terminate_and_kill_leave_the_interpreter() {
        let mut bench = open().await;
        bench.run("import time, subprocess, signal; x = 5").await;
        let mut started = bench.start("print('go', flush=True); subprocess.run(['sleep', '1000']).returncode", false);
        bench.read_until(&mut started, "go\n").await;
        bench.runspace.terminate();
        assert_eq!(bench.completion().await, Ok(Code(0)));
        assert_eq!(started.read_to_end().await.0, b"go\n-15\n");
        for script in [
            "old = signal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass",
            "print('go', flush=True)\nsubprocess.run(['sh', '-c', 'trap \"\" INT TERM; while :; do :; done'])\ntime.sleep(1000)",
        ] {
            let mut started = bench.start(script, false);
            bench.read_until(&mut started, "go\n").await;
            bench.runspace.kill();
            assert_eq!(bench.completion().await, Ok(Code(137)), "{script}");
            assert_eq!(bench.run("x").await.out(), "5\n");
        }
        let mut started = bench.start("signal.signal(16, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass", false);
        bench.read_until(&mut started, "go\n").await;
        bench.runspace.kill();
        assert_eq!(bench.completion().await, Err(Signal(9)));
    }

    async fn what_is_registered_runs_at_the_end_of_the_session() {
        let mut bench = open().await;
        bench.run("import atexit; atexit.register(lambda: open('log', 'a').write('bye')); exit(3)").await;
        assert_eq!(bench.run("import os; os.path.exists('log')").await.out(), "False\n");
        let home = bench.close().await;
        assert_eq!(std::fs::read_to_string(home.path().join("log")).unwrap(), "bye");
    }

    async fn a_visitor_types_statements_and_gets_a_half_typed_line_back() {
        let home = Home::new();
        home.write("startup.py", "import os\nstarted = globals().get('started', 0) + 1\n");
        let mut bench = open_in(home).await;
        bench.run("import os, sys; os.environ['PYTHONSTARTUP'] = 'startup.py'; sys.ps1 = 'ps1> '; sys.ps2 = 'ps2> '; x = 5").await;
        let mut visitor = Visitor::at(bench);
        visitor.visit();
        assert_eq!(visitor.sees("ps1> ").await, "");
        visitor.types("x + 1; y = 'typed'\r").await;
        assert!(visitor.sees("ps1> ").await.ends_with("\r\n6\r\n"));
        visitor.types("for i in range(2):\r").await;
        visitor.sees("ps2> ").await;
        visitor.types("  print('line', i)\r\r").await;
        assert!(visitor.sees("ps1> ").await.ends_with("line 0\r\nline 1\r\n"));
        visitor.types("1 / 0\r").await;
        assert!(visitor.sees("ps1> ").await.contains("File \"<stdin>\", line 1, in <module>\r\nZeroDivisionError"));
        visitor.types("print('ha").await;
        visitor.sees("print('ha").await;
        visitor.away().await;
        assert_eq!(visitor.bench.run("z = 'between'; y, started").await.out(), "('typed', 1)\n");
        visitor.visit();
        visitor.sees("ps1> ").await;
        visitor.sees("print('ha").await;
        visitor.types("lf', z)\r").await;
        visitor.sees("half between\r\n").await;
        visitor.sees("ps1> ").await;
        visitor.types("x +").await;
        visitor.sees("x +").await;
        // Its line editor may sleep over a ^C that comes right behind a key until the next one.
        visitor.types("\x03\r").await;
        visitor.sees("KeyboardInterrupt\r\n").await;
        visitor.sees("ps1> ").await;
        visitor.types("exit(4)\r").await;
        assert_eq!(visitor.is_gone().await, Code(4));
        assert_eq!(visitor.bench.run("x, started").await.out(), "(5, 1)\n");
        visitor.visit();
        visitor.sees("ps1> ").await;
        visitor.types("\x04").await;
        assert_eq!(visitor.is_gone().await, Code(0));
        visitor.bench.close().await;
    }
}
