//! What a relay finds where it runs, asked as a client does.

use std::path::Path;
use std::process::Command;

use outlast_protocol::finding::{Finding, Verdict};
use outlast_protocol::id::InstanceId;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::Examine;
use uuid::Uuid;

use crate::remote::{Places, Remote, create};

const PROGRAM: &str = env!("CARGO_BIN_EXE_outlast-subsystem");

fn examined(remote: &mut Remote) -> Vec<Finding> {
    let extensions = Vec::new();
    remote.say(Examine { extensions }, b"");
    remote.wait(|message| match message {
        ToClient::Examined(examined) => Some(examined.findings.clone()),
        _ => None,
    })
}

fn layer<'a>(findings: &'a [Finding], name: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.layer == name)
        .unwrap_or_else(|| panic!("no {name} in {findings:?}"))
}

fn value<'a>(finding: &'a Finding, name: &str) -> &'a str {
    let found = finding.values.iter().find(|(known, _)| known == name);
    found.map_or_else(|| panic!("no {name} in {finding:?}"), |(_, value)| value)
}

#[test]
fn a_sound_computer_is_found_sound_and_left_as_it_was() {
    let places = Places::new();
    let mut holder = places.remote();
    holder.say(create(InstanceId(Uuid::from_u128(7)), 1, "one"), b"");
    holder.wait(|message| matches!(message, ToClient::Attached(_)).then_some(()));
    let findings = examined(&mut places.remote());
    for finding in &findings {
        // Where the tests run, systemd-logind may be out of reach.
        if finding.layer != "durability" {
            assert_eq!(finding.verdict, Verdict::Good, "{finding:?}");
        }
    }
    let sessions = places.sessions.path().join("sessions");
    let directory = layer(&findings, "directory");
    assert_eq!(Path::new(value(directory, "path")), sessions);
    assert_eq!(value(layer(&findings, "sessions"), "live"), "1");
    assert!(value(layer(&findings, "shells"), "configurations").contains("bash"));
    assert!(
        value(layer(&findings, "space"), "free_bytes")
            .parse::<u64>()
            .unwrap()
            > 0
    );
    assert!(!value(layer(&findings, "durability"), "class").is_empty());
    let left = std::fs::read_dir(sessions).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("examination")),
        "{left:?}"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_a_finding_and_no_refusal() {
    let places = Places::new();
    let mut remote = Remote::start(Path::new("/dev/null/sessions"), places.home.path());
    let findings = examined(&mut remote);
    let directory = layer(&findings, "directory");
    assert_eq!(directory.verdict, Verdict::Bad);
    assert!(directory.text.contains("/dev/null"), "{directory:?}");
    assert!(
        directory.hint.contains("OUTLAST_SESSION_DIR"),
        "{directory:?}"
    );
    assert!(!findings.iter().any(|finding| finding.layer == "space"));
}

#[test]
fn without_shells_and_with_a_bad_quota_both_are_told() {
    let places = Places::new();
    let mut command = Command::new(PROGRAM);
    command
        .env("PATH", "/nowhere")
        .env("OUTLAST_SESSION_QUOTA", "much");
    let sessions = places.sessions.path().join("sessions");
    let findings = examined(&mut Remote::of(command, &sessions, places.home.path()));
    assert_eq!(layer(&findings, "shells").verdict, Verdict::Bad);
    let space = layer(&findings, "space");
    assert_eq!(space.verdict, Verdict::Bad);
    assert!(space.text.contains("OUTLAST_SESSION_QUOTA"), "{space:?}");
}

/// A limit on the size of files stands for a disk that takes no more.
#[test]
fn a_directory_that_takes_no_file_is_tried_out() {
    let places = Places::new();
    let mut command = Command::new("bash");
    // With SIGXFSZ ignored the write fails, as one on a full disk does.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\"";
    command.args(["-c", script, PROGRAM]);
    let sessions = places.sessions.path().join("sessions");
    let findings = examined(&mut Remote::of(command, &sessions, places.home.path()));
    let directory = layer(&findings, "directory");
    assert_eq!(directory.verdict, Verdict::Bad, "{directory:?}");
    assert!(directory.text.contains("cannot write"), "{directory:?}");
    assert!(!directory.hint.is_empty());
}
