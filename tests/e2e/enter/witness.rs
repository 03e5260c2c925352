//! Another terminal, which is not of the family of the one we draw with: tmux.

use outlast_tests::pty::OnPty;

use super::{at_prompt, set};

/// A terminal that is not of the family of the one we draw with.
#[test]
fn another_terminal_shows_the_same_screen_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let conf = machine.home().join("tmux.conf");
    std::fs::write(&conf, "set -g status off\nset -g escape-time 0\n").unwrap();
    let inside = || {
        let outlast = outlast_tests::binaries::outlast();
        let socket = machine.home().join("tmux.sock");
        let mut command = machine.command(
            std::path::Path::new("tmux"),
            &[
                "-u".as_ref(),
                "-S".as_ref(),
                socket.as_os_str(),
                "-f".as_ref(),
                conf.as_os_str(),
                "new-session".as_ref(),
                outlast.as_os_str(),
                "enter".as_ref(),
                "job".as_ref(),
            ],
        );
        command
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8");
        OnPty::start(&command)
    };
    let draw = "printf '\\e[2J\\e[3;5H\\e(0lqqqk\\e(B \\e[1;31mred\\e[0m\\e[5;20Hend\\e[7;1H'; echo é日本; \
                cat -v\r";
    let visit = inside();
    at_prompt(&visit);
    visit.send(draw);
    let drawn = |lines: &[String]| {
        lines.len() >= 7 && lines[6].contains("é日本") && lines[4].ends_with("end")
    };
    let before = visit.expect_lines("the drawing", drawn);
    assert_eq!(before[2], "    ┌───┐ red");
    let mut left = visit;
    left.send("\x1cd");
    left.ended();
    let visit = inside();
    let after = visit.expect_lines("the drawing again", drawn);
    assert_eq!(before, after);
    // Nothing it was asked for came back as typing: cat would have shown it.
    visit.send("typed\r");
    let lines = visit.expect_lines("typed", |lines| {
        lines.iter().filter(|it| *it == "typed").count() == 2
    });
    assert_eq!(lines.len(), before.len() + 2, "{lines:#?}");
    visit.send("\x03");
    let mut left = visit;
    left.send("\x1cd");
    left.ended();
    stage.strike(vec![]);
}
