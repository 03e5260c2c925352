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
