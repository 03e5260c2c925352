//! The engine for Python: what is peculiar to it. The rest is in `conformance/`.

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
    async fn what_ignores_even_the_last_resort_is_killed_with_the_interpreter() {
        let mut bench = open().await;
        bench.run("import signal").await;
        let mut started = bench.start("signal.signal(16, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass", false);
        bench.read_until(&mut started, "go\n").await;
        bench.runspace.kill();
        assert_eq!(bench.completion().await, Err(Signal(9)));
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
