//! What packages install, held against the real programs that read it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use outlast_tests::Sshd;

fn drop_in() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join("packaging/sshd/outlast.conf")).unwrap()
}

/// `sshd -t` with this text beside a server's own configuration.
fn check(text: &str) -> Output {
    let sshd = Sshd::builder()
        .subsystem(outlast_tests::Subsystem::Absent)
        .start();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("sshd_config");
    let own = sshd.session_dir().with_file_name("sshd_config");
    fs::write(&config, format!("Include {}\n{text}", own.display())).unwrap();
    Command::new("/usr/sbin/sshd")
        .args(["-t", "-f"])
        .arg(&config)
        .output()
        .unwrap()
}

#[test]
fn drop_in_is_accepted_by_sshd() {
    let output = check(&drop_in());
    assert!(output.status.success(), "{output:?}");
}

/// The reason for the `sshd -t` in the instructions: sshd up to 9.4 does not start with two lines.
#[test]
fn second_subsystem_line_is_caught_by_sshd_t() {
    let twice = drop_in().repeat(2);
    let output = check(&twice);
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        eprintln!("this sshd takes the first of two Subsystem lines");
    } else {
        assert!(
            said.contains("Subsystem 'outlast' already defined"),
            "{said}"
        );
    }
}
