//! Programs that draw: the same screen is there after leaving and coming back.

use outlast_tests::Gate;
use outlast_tests::screen::Seen;
use outlast_tests::stream::numbered;

use super::{at_prompt, away_and_back, enter, is_at_prompt, last, leave, set, shows};
use crate::stage::get;

fn full_screen(seen: &Seen) -> bool {
    seen.alternate && seen.lines.len() == 24
}

#[test]
fn less_is_there_again_where_it_was() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let file = machine.home().join("text");
    std::fs::write(&file, numbered(100)).unwrap();
    let visit = enter(machine, &["job"]);
    visit.send(&format!("LESS= less +40 {}\r", file.display()));
    visit.expect_screen("less", |seen| {
        full_screen(seen) && seen.lines[0] == "line 40"
    });
    visit.send("/e 7[57]\r");
    let found = |seen: &Seen, first: &str| full_screen(seen) && seen.lines[0] == first;
    let before = visit.expect_screen("what was found", |seen| {
        found(seen, "line 75") && seen.last() == ":" && seen.cursor == (23, 1)
    });
    let visit = away_and_back(machine, visit, &before);
    visit.send("n");
    visit.expect_screen("the next one", |seen| {
        found(seen, "line 77") && seen.last() == ":"
    });
    leave(visit, "job");
    let shown = get(machine, "job");
    assert_eq!(shown["availability"], "Busy", "{shown:#}");
    assert!(
        shown["activity"].as_str().unwrap().contains("less"),
        "{shown:#}"
    );
    let visit = machine.on_pty(&["enter", "job"]);
    visit.expect_screen("less again", |seen| found(seen, "line 77"));
    visit.send("g\x1bOB");
    visit.expect_screen("one line further", |seen| found(seen, "line 2"));
    visit.send("q");
    // The shell's own screen comes back from behind it.
    let seen = visit.expect_screen("the prompt", |seen| seen.last() == "here>");
    assert!(!seen.alternate && seen.lines.len() == 2, "{seen:#?}");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn htop_and_top_are_there_again_and_end_by_their_keys() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let visit = enter(machine, &["job"]);
    visit.send("htop --delay 600\r");
    let shown = |seen: &Seen| full_screen(seen) && seen.last().starts_with("F1Help");
    visit.expect_screen("htop", shown);
    let modes = visit.private_modes();
    assert!(modes.contains(&1000), "{modes:?}");
    // F1: its help does not change while nobody looks.
    visit.send("\x1bOP");
    let before = visit.expect_screen("its help", |seen| {
        seen.has("Released under the GNU GPL") && full_screen(seen) && seen.has("F4 \\")
    });
    let visit = away_and_back(machine, visit, &before);
    assert_eq!(visit.private_modes(), modes);
    visit.send(" ");
    visit.expect_screen("htop", shown);
    // F10
    visit.send("\x1b[21~");
    visit.expect_screen("the prompt", |seen| {
        !seen.alternate && seen.last() == "here>"
    });
    assert!(!visit.private_modes().contains(&1000));

    visit.send("top -d 600\r");
    let before = visit.expect_screen("top", |seen| seen.has("PID USER") && seen.lines.len() >= 23);
    let visit = away_and_back(machine, visit, &before);
    visit.send("q");
    at_prompt(&visit);
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn nano_goes_on_with_a_half_edited_file() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let file = machine.home().join("text");
    let visit = enter(machine, &["job"]);
    visit.send(&format!("nano --ignorercfiles {}\r", file.display()));
    visit.expect_screen("nano", |seen| full_screen(seen) && seen.has("^X Exit"));
    visit.send("half a");
    let before = visit.expect_screen("what was typed", |seen| {
        seen.at_cursor == "half a" && seen.cursor.1 == 6 && seen.cursor_is_shown
    });
    let visit = away_and_back(machine, visit, &before);
    visit.send(" line\x0f\r");
    visit.expect_screen("written", |seen| seen.has("Wrote 1 line"));
    visit.send("\x18");
    at_prompt(&visit);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "half a line\n");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn a_progress_bar_goes_on_in_its_line() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let gate = Gate::new();
    let visit = enter(machine, &["job"]);
    visit.send(&format!(
        "for i in {{1..100}}; do printf '\\r[%-20s] %d%%' \"$(printf '%*s' $((i/5)) | tr ' ' '#')\" $i; \
         ((i != 42)) || read -r _ <{}; done; echo\r",
        gate.word()
    ));
    let bar = "[########            ] 42%";
    let before = visit.expect_screen("42 %", |seen| {
        seen.at_cursor == bar && seen.cursor.1 == bar.len()
    });
    let visit = away_and_back(machine, visit, &before);
    gate.open();
    at_prompt(&visit);
    let seen = visit.expect_screen("all", |seen| seen.has("[####################] 100%"));
    let bars = seen.lines.iter().filter(|line| line.contains("##")).count();
    assert_eq!(bars, 1, "{seen:#?}");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn jobs_are_stopped_continued_and_listed() {
    const JOB: &str = "sh -c 'echo ru\"\"ns; exec sleep 1000'";
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let visit = enter(machine, &["job"]);
    let listed = |seen: &Seen, state: &str| {
        let listed = |line: &String| line.contains(state) && line.contains(JOB);
        is_at_prompt(seen) && seen.lines.iter().any(listed)
    };
    visit.send(&format!("{JOB}\r"));
    // Only now it has the terminal: what is typed before is the shell's.
    shows(&visit, "runs");
    visit.send("\x1a");
    visit.expect_screen("stopped", |seen| listed(seen, "Stopped"));
    visit.send("fg\r");
    let before = visit.expect_screen("in the foreground", |seen| {
        seen.last() == JOB && seen.cursor.1 == 0
    });
    let visit = away_and_back(machine, visit, &before);
    visit.send("\x1a");
    at_prompt(&visit);
    visit.send("bg; jobs\r");
    visit.expect_screen("in the background", |seen| listed(seen, "Running"));
    visit.send("kill %1; wait; echo en''ded\r");
    shows(&visit, "ended");
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn the_shell_completes_words() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    std::fs::write(machine.home().join("one-long-name"), "its text\n").unwrap();
    let visit = enter(machine, &["job"]);
    visit.send(&format!("cat {}/one-l\t", machine.home().display()));
    let before = visit.expect_screen("the whole name", |seen| {
        seen.at_cursor.ends_with("/one-long-name") && seen.cursor.1 > seen.at_cursor.len()
    });
    let visit = away_and_back(machine, visit, &before);
    visit.send("\r");
    shows(&visit, "its text");
    leave(visit, "job");
    stage.strike(vec![]);
}

const COLOURS: &str = r"printf '\e[H\e[2J'
for s in 1 2 3 4 5 7 9 '1;3;4' 31 '1;92' 45 104 '38;5;208' '48;5;22' '38;2;1;20;200' '48;2;9;8;7;33' '38:2::1:2:3'; do
  printf '\e[%sm%s\e[0m ' $s style
done
printf '\n\e[44m\e[Kto the end\e[0m\n\e[35mleft on\n'
";

#[test]
fn colours_and_styles_are_those_there_were() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let script = machine.home().join("colours");
    std::fs::write(&script, COLOURS).unwrap();
    let visit = enter(machine, &["job"]);
    visit.send(&format!(". {}\r", script.display()));
    let seen = visit.expect_screen("colours", |seen| seen.has("left on") && is_at_prompt(seen));
    for part in ["38:5:208", "48:5:22", "38:2:1:20:200", "1;3;4", "104", "35"] {
        assert!(
            seen.everything.contains(part),
            "{part} in {:?}",
            seen.everything
        );
    }
    let visit = away_and_back(machine, visit, &seen);
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn wide_characters_keep_their_columns() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let visit = enter(machine, &["job"]);
    let line = "echo 日本語 한 😀 end";
    visit.send(line);
    let columns = "here> echo ".len() + 6 + 1 + 2 + 1 + 2 + 1 + 3;
    visit.expect_screen("the line", |seen| {
        seen.last().ends_with("end") && seen.cursor.1 == columns
    });
    // Before the face.
    visit.send("\x1bb\x02\x02");
    let before = visit.expect_screen("the cursor there", |seen| seen.cursor.1 == columns - 6);
    let visit = away_and_back(machine, visit, &before);
    visit.send("\x05!\r");
    let said = line.trim_start_matches("echo ");
    visit.expect_lines("what it says", |lines| {
        lines.iter().any(|it| *it == format!("{said}!"))
    });
    leave(visit, "job");
    stage.strike(vec![]);
}

/// Whoever draws there by hand finds both screens again.
#[test]
fn both_screens_are_there_again() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let visit = enter(machine, &["job"]);
    visit.send(
        "printf 'kept\\n\\e[?1049h\\e[5;3Hother\\e[?25l'; read -r; printf '\\e[?1049l\\e[?25h'\r",
    );
    let seen = visit.expect_screen("the other screen", |seen| {
        seen.alternate && seen.has("  other") && !seen.cursor_is_shown
    });
    assert!(!seen.has("kept"), "{seen:#?}");
    let visit = away_and_back(machine, visit, &seen);
    visit.send("\r");
    let seen = visit.expect_screen("the first one", |seen| {
        !seen.alternate && is_at_prompt(seen)
    });
    assert!(
        seen.has("kept") && !seen.lines.contains(&"  other".to_owned()),
        "{seen:#?}"
    );
    leave(visit, "job");
    stage.strike(vec![]);
}

#[test]
fn a_screen_is_drawn_at_the_size_there_is_now() {
    let stage = set(&["job"]);
    let machine = &stage.machine;
    let visit = enter(machine, &["job"]);
    visit.send("printf 'line %d\\n' {1..40}; echo half a li");
    visit.expect_lines("half a line", |lines| last(lines).ends_with("half a li"));
    visit.send("\x15stty size; seq -s ' ' 40\r");
    at_prompt(&visit);
    leave(visit, "job");
    let visit = machine.on_pty_of(&["enter", "job"], 10, 132);
    at_prompt(&visit);
    visit.send("stty size\r");
    let seen = visit.expect_screen("its size", |seen| seen.has("10 132") && is_at_prompt(seen));
    let counted: String = seen.lines.join("");
    assert!(counted.contains("38 39 40"), "{seen:#?}");
    leave(visit, "job");
    stage.strike(vec![]);
}
