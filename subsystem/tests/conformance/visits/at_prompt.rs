//! Commands at the prompt, and the ways back from it.

use outlast_protocol::outcome::ExitStatus::Code;

use super::super::column::Column;
use super::{Played, visitor};

pub(super) async fn what_is_typed_and_what_is_invoked_share_one_shell(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.runs(column.says(
        "x=from-invoke; f() { echo \"f got $1\"; }",
        "x = 'from-invoke'\ndef f(it): print('f got', it)",
    ))
    .await;
    it.visit();
    it.prompt().await;
    it.types(column.says("f $x\r", "f(x)\r")).await;
    it.sees_line("f got from-invoke").await;
    it.prompt().await;
    it.types(column.says("x=typed; cd /usr\r", "x = 'typed'; os.chdir('/usr')\r"))
        .await;
    it.prompt().await;
    it.types(column.says("exit 7\r", "exit(7)\r")).await;
    assert_eq!(it.is_gone().await, Code(7));
    let kept = column.says("echo $x $PWD", "print(x, os.getcwd())");
    assert_eq!(it.runs(kept).await, "typed /usr\n");
    if let Column::Bash | Column::Zsh = column {
        it.visit();
        it.prompt().await;
        it.types("declare -A map=([k]=v); declare -i n=4; exit\r")
            .await;
        it.is_gone().await;
        assert_eq!(it.runs("n+=1; echo ${map[k]} $n").await, "v 5\n");
    }
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_visitor_who_comes_back_before_any_work_finds_the_line_untouched(
    column: Column,
) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(column.says("echo un", "print('un")).await;
    it.sees(column.says("echo un", "print('un")).await;
    it.bench.runspace.leave();
    it.visit();
    it.types(column.says("touched\r", "touched')\r")).await;
    it.sees_line("untouched").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_program_is_left_alone_and_work_waits_for_it(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(column.says(
        "echo begun; cat; echo ended\r",
        "print('begun'); end = os.system('cat'); print('ended')\r",
    ))
    .await;
    it.sees_line("begun").await;
    it.types("one\r").await;
    it.sees("one\r\none\r\n").await;
    it.bench.runspace.leave();
    it.bench.runspace.want_back();
    let running = it.bench.runspace.left_running();
    // What has the terminal beside an interpreter is in its own group.
    let named = column.says("cat", "");
    assert_eq!(running.unwrap_or_default(), named);
    assert!(!it.bench.runspace.is_free());
    // The next visitor finds it, and ends it.
    it.visit();
    it.types("two\r").await;
    it.sees("two\r\ntwo\r\n").await;
    it.types("\x04").await;
    it.sees("ended").await;
    it.prompt().await;
    // An interrupt from outside comes through to what waits. Between its last look for one and its
    // sleep zsh loses it (`waitforpid` of 5.9 lets SIGINT in throughout), so the job looks that
    // the shell sleeps.
    it.bench.home.write("job", JOB);
    let waits = column.says(
        "sh ~/job $$ & job=$!; wait $job\r",
        "import subprocess; job = subprocess.Popen(['sh', os.path.expanduser('~/job'), str(os.getpid())], process_group=0); job.wait()\r",
    );
    it.types(waits).await;
    it.sees("\nwaits\r\n").await;
    it.bench.runspace.leave();
    it.bench.runspace.want_back();
    it.types("\x03").await;
    it.is_free().await;
    let kill = column.says("kill $job && echo killed", "job.kill(); print('killed')");
    assert_eq!(it.runs(kill).await, "killed\n");
    it.bench.close().await;
    Ok(())
}

pub(super) async fn jobs_are_stopped_and_go_on_in_either_place(column: Column) -> Played {
    if let Column::Python = column {
        return Err("it has no job control");
    }
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types("sh -c 'echo ready; read -r x; echo \"got $x\"; read -r x; exit 6'\r")
        .await;
    it.sees_line("ready").await;
    it.types("\x1a").await;
    it.prompt().await;
    it.types("jobs\r").await;
    it.sees(if let Column::Zsh = column {
        "suspended"
    } else {
        "topped"
    })
    .await;
    it.prompt().await;
    // What it reads is typed behind it, not to the shell.
    it.types("fg\r").await;
    it.sees("read -r x; exit 6").await;
    it.types("one\r").await;
    it.sees_line("got one").await;
    it.types("\x1a").await;
    it.prompt().await;
    // A script finds the job where the visitor left it.
    it.away().await;
    assert_eq!(it.runs("x=1; echo $x").await, "1\n");
    it.visit();
    if column.edits_lines().is_ok() {
        it.prompt().await;
    }
    it.types("fg\r").await;
    it.sees("exit 6").await;
    it.types("two\r").await;
    it.prompt().await;
    it.types("echo \"<$?>\"\r").await;
    it.sees("<6>\r\n").await;
    it.prompt().await;
    it.types("sh -c 'echo sleeps; exec sleep 1000'\r").await;
    it.sees_line("sleeps").await;
    it.types("\x1a").await;
    it.prompt().await;
    it.types("bg; jobs; kill %%; wait; echo all\"\" done\r")
        .await;
    it.sees("unning").await;
    it.sees("all done\r\n").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn words_are_completed(column: Column) -> Played {
    column.edits_lines()?;
    let mut it = visitor(column).await;
    it.bench.home.write("one-long-name", "its text\n");
    it.runs(column.says("a_long_variable=value", "a_long_variable = 'value'"))
        .await;
    it.visit();
    it.prompt().await;
    if let Column::Python = column {
        it.types("a_lon\t").await;
        it.sees("a_long_variable").await;
        it.types("\r").await;
        it.sees_line("'value'").await;
    } else {
        it.types("cat one-l\t").await;
        it.sees("one-long-name").await;
        it.types("\r").await;
        it.sees_line("its text").await;
        it.prompt().await;
        it.types("echo $a_lon\t").await;
        it.sees("a_long_variable").await;
        it.types("\r").await;
        it.sees_line("value").await;
    }
    it.prompt().await;
    it.bench.close().await;
    Ok(())
}

/// Says so when the process with that number sleeps.
const JOB: &str = "until read -r _ _ state _ </proc/$1/stat; [ $state = S ]; do :; done; echo; echo waits; exec sleep 1000 >/dev/null 2>&1\n";

pub(super) async fn every_way_out_of_a_shell_ends_the_visit_only(column: Column) -> Played {
    let ways: &[(&str, u8)] = match column {
        Column::Bash => &[
            ("exit\r", 0),
            ("logout\r", 0),
            ("f() { exit 4; }; f\r", 4),
            ("set -e; false\r", 1),
            ("set +e; builtin exit 5\r", 5),
        ],
        Column::Zsh => &[
            ("exit\r", 0),
            ("logout\r", 0),
            ("f() { exit 4; }; f\r", 4),
            ("set -e; false\r", 1),
            ("set +e; g() { set -e; (exit 5); }; g\r", 5),
        ],
        Column::Dash | Column::Busybox => &[
            ("exit\r", 0),
            ("f() { exit 4; }; f\r", 4),
            ("set -e; false\r", 1),
        ],
        Column::Python => &[
            ("exit()\r", 0),
            ("sys.exit(4)\r", 4),
            ("raise SystemExit('why')\r", 1),
            ("exec('exit(5)')\r", 5),
        ],
    };
    let mut it = visitor(column).await;
    for (typed, status) in ways {
        it.visit();
        it.prompt().await;
        let kept = column.says("kept=yes; ", "kept = 'yes'; ");
        it.types(&format!("{kept}{typed}")).await;
        assert_eq!(it.is_gone().await, Code(*status), "{typed}");
        let kept = it.runs(column.says("set +e; echo $kept; unset kept", "print(kept); del kept"));
        assert_eq!(kept.await, "yes\n", "{typed}");
    }
    it.bench.close().await;
    Ok(())
}

pub(super) async fn what_throws_a_command_out_stays_inside(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    let sleeper = "sh -c 'echo ready; exec sleep 1000'";
    let python = format!("import subprocess; done = subprocess.run(\"{sleeper}\", shell=True)\r");
    it.types(column.says(&format!("{sleeper}\r"), &python))
        .await;
    it.sees_line("ready").await;
    it.types("\x03").await;
    it.sees(column.says("^C", "KeyboardInterrupt\r\n")).await;
    it.prompt().await;
    if !matches!(column, Column::Python) {
        it.types("echo $?\r").await;
        it.sees_line("130").await;
        it.prompt().await;
    }
    it.types(column.says("set -u; echo $nope\r", "1 / 0; nope\r"))
        .await;
    let says = match column {
        Column::Bash => "nope: unbound variable",
        Column::Zsh | Column::Dash | Column::Busybox => "nope: parameter not set",
        Column::Python => "line 1, in <module>\r\nZeroDivisionError: division by zero",
    };
    it.sees(says).await;
    it.prompt().await;
    it.types(column.says("if fi\r", "x = = 2\r")).await;
    it.prompt().await;
    it.types(column.says("set +u; for i in a b; do\r", "for i in 'ab':\r"))
        .await;
    it.sees("more> ").await;
    it.types(column.says("echo \"<$i>\"; done\r", "  print(f'<{i}>')\r\r"))
        .await;
    it.sees("<a>\r\n<b>\r\n").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn nothing_of_the_driver_shows_not_even_with_a_trace(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    if let Column::Python = column {
        it.types("sys.settrace(lambda frame, *_: print('+', frame.f_code.co_name))\r")
            .await;
        it.prompt().await;
        it.types("print('one')\r").await;
        it.sees_line("+ <module>").await;
        it.prompt().await;
        it.types("sys.settrace(None); nope\r").await;
        it.sees("name 'nope' is not defined").await;
    } else {
        it.types("set -x\r").await;
        it.prompt().await;
        it.types("echo one\r").await;
        it.sees("echo one\r\none\r\n").await;
        it.prompt().await;
        let history = match column {
            Column::Bash => "history",
            Column::Zsh => "fc -l",
            _ => ":",
        };
        it.types(&format!("set +x; {history}; echo done\r")).await;
        it.sees_line("done").await;
    }
    it.prompt().await;
    it.types(column.says("exit\r", "exit()\r")).await;
    it.is_gone().await;
    let all = String::from_utf8(it.bench.runspace.pty_tail()).unwrap();
    assert!(!all.contains("outlast"), "{all}");
    it.bench.close().await;
    Ok(())
}
