//! Text that is pasted.

use outlast_tests::Gate;

use super::{at_prompt, enter, leave, set, shows};

#[test]
fn a_large_paste_and_a_new_size_arrive() {
    let stage = set(&["job"]);
    let visit = enter(&stage.machine, &["job"]);
    let gate = Gate::new();
    visit.send(&format!(
        "stty -icanon -echo; echo ready; head -c 65536 | cksum >{}; stty sane\r",
        gate.word()
    ));
    visit.expect_lines("ready", |lines| lines.iter().any(|line| line == "ready"));
    let paste: String = "0123456789abcdef".repeat(4096);
    visit.send(&paste);
    let sum = gate.wait();
    assert!(sum.ends_with(" 65536"), "{sum}");
    assert_eq!(sum, cksum(&paste), "byte for byte");
    at_prompt(&visit);
    visit.resize(30, 100);
    visit.send("until [[ $(stty size) = '30 100' ]]; do :; done; stty size\r");
    shows(&visit, "30 100");
    leave(visit, "job");
    stage.strike(vec![]);
}

/// In lines, as a terminal that edits them passes them on.
#[test]
fn a_large_paste_of_lines_is_written_byte_for_byte() {
    let stage = set(&["job"]);
    let file = stage.machine.home().join("pasted");
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("echo re''ady; cat >{}\r", file.display()));
    visit.expect_lines("ready", |lines| lines.iter().any(|line| line == "ready"));
    let mut paste = String::new();
    for number in 0.. {
        let line = format!("{number} é日本 {}\r", "x~".repeat(number * 7 % 40));
        let left = 65_536 - paste.len();
        if left < line.len() + 256 {
            paste.push_str(&"z".repeat(left - 1));
            paste.push('\r');
            break;
        }
        paste.push_str(&line);
    }
    assert_eq!(paste.len(), 65_536);
    visit.send(&paste);
    visit.send("\x04");
    at_prompt(&visit);
    // Enter is a carriage return, which the terminal makes a new line.
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written == paste.replace('\r', "\n"), "{written}");
    leave(visit, "job");
    stage.strike(vec![]);
}

/// The kernel's own limit: of a line that is longer than 4095 bytes it keeps those and the end of the
/// line. What comes behind it is not lost.
#[test]
fn a_line_that_is_too_long_for_the_terminal_loses_its_own_end_alone() {
    let stage = set(&["job"]);
    let file = stage.machine.home().join("pasted");
    let visit = enter(&stage.machine, &["job"]);
    visit.send(&format!("echo re''ady; cat >{}\r", file.display()));
    visit.expect_lines("ready", |lines| lines.iter().any(|line| line == "ready"));
    let long: String = "0123456789abcdef".repeat(512);
    visit.send(&format!("before\r{long}\rbehind\r\x04"));
    at_prompt(&visit);
    let written = std::fs::read_to_string(&file).unwrap();
    let kept = &long[..4095];
    assert!(
        written == format!("before\n{kept}\nbehind\n"),
        "{} bytes: {written}",
        written.len()
    );
    leave(visit, "job");
    stage.strike(vec![]);
}

fn cksum(text: &str) -> String {
    let mut cksum = std::process::Command::new("cksum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut cksum.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = cksum.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
