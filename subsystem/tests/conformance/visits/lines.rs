//! The line that is being typed.

use outlast_protocol::outcome::ExitStatus::Code;
use outlast_subsystem::runspace::Command;

use super::super::column::{Column, Language};
use super::super::runspace::Home;
use super::{LINE_MODE, Played, visitor, visitor_in};

pub(super) async fn a_half_typed_line_survives_an_invocation(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(column.says("echo half", "print('half', ")).await;
    it.sees(column.says("echo half", "print('half', ")).await;
    it.away().await;
    let ran = it.runs(column.says("x=between; echo ran", "x = 'between'; print('ran')"));
    assert_eq!(ran.await, "ran\n");
    it.visit();
    if column.edits_lines().is_ok() {
        it.sees(column.says("echo half", "print('half', ")).await;
    }
    it.types(column.says(" $x\r", "x)\r")).await;
    let shown = it.sees("half between\r\n").await;
    if column.edits_lines().is_err() {
        assert_eq!(shown, " $x\r\n", "the prompt stands there already");
    }
    it.prompt().await;
    it.away().await;
    // There is nothing to come back a second time.
    it.visit();
    if column.edits_lines().is_ok() {
        it.prompt().await;
    }
    let once = column.says("echo only\"\"once", "print('only' 'once')");
    it.types(&format!("{once}\r")).await;
    if column.edits_lines().is_err() {
        let shown = it.sees("onlyonce\r\n").await;
        assert_eq!(shown, format!("{once}\r\n"));
    } else {
        it.sees_line("onlyonce").await;
    }
    it.prompt().await;
    it.bench.close().await;
    Ok(())
}

/// What has had the terminal may have left anything behind the prompt that stood there.
pub(super) async fn a_prompt_is_shown_behind_a_command_on_the_terminal(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    let half = column.says("echo ha", "print('ha");
    it.types(half).await;
    it.sees(half).await;
    it.away().await;
    let script = column.says("echo in between", "print('in between')");
    let spec = it.spec(Command::Script(script.into()));
    it.bench.runspace.start_on_terminal(&spec).unwrap();
    it.bench.completion().await.unwrap();
    it.visit();
    it.prompt().await;
    if column.edits_lines().is_ok() {
        it.sees(half).await;
    }
    it.types(column.says("lf\r", "lf')\r")).await;
    it.sees("half\r\n").await;
    it.prompt().await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn a_half_typed_line_has_its_cursor_where_it_was(column: Column) -> Played {
    match column {
        Column::Dash | Column::Busybox => return Err(LINE_MODE),
        Column::Python => return Err("its module for editing lines does not tell"),
        Column::Bash | Column::Zsh => {}
    }
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(&format!("echo left right{}", "\x1b[D".repeat(6)))
        .await;
    it.sees("echo left right").await;
    it.away().await;
    assert_eq!(it.runs("x=1; echo ran").await, "ran\n");
    it.visit();
    it.sees("echo left right").await;
    it.types(" X$x \r").await;
    it.sees("left X1 right").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn half_of_a_command_of_many_lines_survives_an_invocation(
    column: Column,
) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(column.says("if true; then\r", "if True:\r")).await;
    it.sees("more> ").await;
    it.types(column.says("echo half", "  print('half', ")).await;
    it.sees(column.says("echo half", "print('half', ")).await;
    it.away().await;
    it.runs(column.says("x=between", "x = 'between'")).await;
    it.visit();
    let rest = match column {
        // What it has read of a command is out of reach: of that only the last line is kept.
        Column::Bash => " $x\r",
        _ => column.says(" $x; fi\r", "x)\r\r"),
    };
    it.types(rest).await;
    it.sees("half between\r\n").await;
    it.prompt().await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn control_d_leaves_from_an_empty_line(column: Column) -> Played {
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    it.types(column.says(
        "sleep 1000 >/dev/null 2>&1 & job=$!\r",
        "import subprocess; job = subprocess.Popen(['sleep', '1000'])\r",
    ))
    .await;
    it.prompt().await;
    it.types(column.says("(exit 3)\r", "3\r")).await;
    it.prompt().await;
    it.types("\x04").await;
    let status = match column.language() {
        Language::Bourne => 3,
        Language::Python => 0,
    };
    assert_eq!(it.is_gone().await, Code(status));
    let kill = column.says("kill $job && echo killed", "job.kill(); print('killed')");
    assert_eq!(it.runs(kill).await, "killed\n");
    it.bench.close().await;
    Ok(())
}

pub(super) async fn control_d_is_a_key_within_a_line(column: Column) -> Played {
    column.edits_lines()?;
    let mut it = visitor(column).await;
    it.visit();
    it.prompt().await;
    let (line, back) = match column {
        Column::Python => ("print('abXc')", 4),
        _ => ("echo abXc", 2),
    };
    it.types(&format!("{line}{}", "\x1b[D".repeat(back))).await;
    it.sees("abXc").await;
    it.types("\x04").await;
    it.types("\r").await;
    it.sees_line("abc").await;
    it.bench.close().await;
    Ok(())
}

pub(super) async fn the_history_is_the_users_and_is_there_to_be_recalled(column: Column) -> Played {
    column.edits_lines()?;
    let home = Home::new();
    let line = column.says("echo from history\n", "print('from', 'history')\n");
    home.write(column.history_file(), line);
    let startup = match column {
        Column::Zsh => "HISTFILE=~/.zhistory HISTSIZE=100 SAVEHIST=100\n",
        _ => "",
    };
    let mut it = visitor_in(column, home, startup).await;
    it.runs(column.says("true", "None")).await;
    it.visit();
    it.prompt().await;
    it.types("\x1b[A").await;
    it.sees(line.trim_end()).await;
    it.types("\r").await;
    it.sees_line("from history").await;
    it.prompt().await;
    it.types(column.says("exit\r", "exit()\r")).await;
    it.is_gone().await;
    it.bench.close().await;
    Ok(())
}
