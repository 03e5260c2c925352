//! What the user's own start-up files leave to a visitor.

use outlast_protocol::outcome::ExitStatus::Code;

use super::super::column::{Column, Language};
use super::super::runspace::Home;
use super::{Played, visitor_in};

/// What a file may do to the descriptors that it finds on the terminal.
const BOURNE: &[&str] = &[
    "exec </dev/null\n",
    "exec 0<&-\n",
    "exec >/dev/null\n",
    "exec 2>/dev/null\n",
    "exec </dev/null >/dev/null 2>&1\n",
    "exec <&- >&- 2>&-\n",
    "exec </dev/tty >/dev/tty 2>&1\n",
];

/// With a function in the way, which neither a POSIX shell nor Python has.
const IN_THE_WAY: &str = "exec </dev/null >/dev/null 2>&1\nexec() { echo mine; }\n";

/// The same in the language of the column, for `usercustomize`.
const PYTHON: &[&str] = &[
    "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 0)\n",
    "import os; os.close(0)\n",
    "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 1)\n",
    "import os; os.dup2(os.open('/dev/null', os.O_RDWR), 2)\n",
    "import os\nfor it in range(3): os.dup2(os.open('/dev/null', os.O_RDWR), it)\n",
    "import os; os.closerange(0, 3)\n",
    "import os\nfor it in range(3): os.dup2(os.open('/dev/tty', os.O_RDWR), it)\n",
];

pub(super) async fn a_visitor_has_the_terminal_whatever_a_file_did_to_descriptors(
    column: Column,
) -> Played {
    let mut files = match column.language() {
        Language::Bourne => BOURNE.to_vec(),
        Language::Python => PYTHON.to_vec(),
    };
    if let Column::Bash | Column::Zsh = column {
        files.push(IN_THE_WAY);
    }
    for file in files {
        println!("{file:?}");
        let home = Home::new();
        if matches!(column.language(), Language::Python) {
            home.write(&column.startup_file(), file);
        }
        let mut it = visitor_in(column, home, column.says(file, "")).await;
        it.visit();
        it.prompt().await;
        it.types(column.says("echo \"<$((6 * 7))>\"\r", "print(f'<{6 * 7}>')\r"))
            .await;
        it.sees(column.says("echo \"<$((6 * 7))>\"", "print(f'<{6 * 7}>')"))
            .await;
        it.sees("<42>\r\n").await;
        it.prompt().await;
        it.types(column.says(
            "echo err\"\"or >&2; sh -c '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all\"\" three'\r",
            "print('err' 'or', file=sys.stderr); end = os.system('[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all\"\" three')\r",
        ))
        .await;
        it.sees("error\r\n").await;
        it.sees("all three\r\n").await;
        it.prompt().await;
        if let Column::Bash | Column::Zsh = column {
            // Its own name, which programs elsewhere can use too, and not /dev/tty.
            it.types("tty\r").await;
            it.sees("/dev/pts/").await;
            it.prompt().await;
        }
        it.types(column.says("exit 7\r", "exit(7)\r")).await;
        assert_eq!(it.is_gone().await, Code(7), "{file}");
        if file == IN_THE_WAY {
            assert_eq!(it.runs("exec").await, "mine\n");
        }
        let ok = it.runs(column.says("echo ok", "print('ok')")).await;
        assert_eq!(ok, "ok\n", "{file}");
        it.bench.close().await;
    }
    Ok(())
}
