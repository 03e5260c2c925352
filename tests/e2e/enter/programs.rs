//! Programs that draw.

use outlast_tests::stream::numbered;

use super::{enter, last, leave, set};
use crate::stage::get;

#[test]
fn a_full_screen_program_is_there_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let file = machine.home().join("text");
    std::fs::write(&file, numbered(100)).unwrap();
    let visit = enter(machine, &["job"]);
    visit.send(&format!("LESS= less +40 {}\r", file.display()));
    let before = visit.expect_lines("less", |lines| lines.len() == 24 && lines[0] == "line 40");
    leave(visit, "job");
    let shown = get(machine, "job");
    assert_eq!(shown["availability"], "Busy", "{shown:#}");
    assert!(
        shown["activity"].as_str().unwrap().contains("less"),
        "{shown:#}"
    );
    let visit = machine.on_pty(&["enter", "job"]);
    let after = visit.expect_lines("less again", |lines| lines.len() == 24);
    assert_eq!(before[..23], after[..23]);
    visit.send("g");
    visit.expect_lines("the begin", |lines| {
        lines.first().is_some_and(|line| line == "line 1")
    });
    visit.send("q");
    // The shell's own screen comes back from behind it.
    visit.expect_lines("the prompt", |lines| {
        last(lines) == "here>" && lines.len() < 24
    });
    leave(visit, "job");
    stage.strike(vec![]);
}
