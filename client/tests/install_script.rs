//! `install.sh` by itself, in every POSIX shell there is here.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs, as the real one does when it is asked for its version.
const PROGRAM: &[u8] = b"#!/bin/sh\necho a program 1.0\n";
const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

struct Computer {
    home: tempfile::TempDir,
    shell: &'static [&'static str],
}

impl Computer {
    fn each(check: impl Fn(&Self)) {
        for shell in SHELLS {
            let home = tempfile::Builder::new().prefix("it's a home ").tempdir();
            check(&Self {
                home: home.unwrap(),
                shell,
            });
        }
    }

    fn program(&self) -> PathBuf {
        self.home.path().join(".local/bin/outlast-subsystem")
    }

    fn beside(&self) -> usize {
        let directory = self.program();
        fs::read_dir(directory.parent().unwrap()).map_or(0, Iterator::count)
    }

    fn run(&self, verb: &str, sha256: &str, input: &[u8], home: &Path) -> Said {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/install/install.sh");
        let mut child = Command::new(self.shell[0])
            .args(&self.shell[1..])
            .arg(script)
            .args([
                verb,
                "user",
                "",
                sha256,
                "/etc/ssh/sshd_config",
                "",
                "no",
                "no",
            ])
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that fails early does not read it.
        let _ = child.stdin.take().unwrap().write_all(input);
        Said {
            shell: self.shell,
            output: child.wait_with_output().unwrap(),
        }
    }

    fn put(&self, sha256: &str, input: &[u8]) -> Said {
        self.run("put", sha256, input, self.home.path())
    }
}

struct Said {
    shell: &'static [&'static str],
    output: Output,
}

impl Said {
    #[track_caller]
    fn has(&self, lines: &[&str]) {
        let said = String::from_utf8_lossy(&self.output.stdout);
        for line in lines {
            let found = said.lines().any(|it| it.starts_with(line));
            assert!(found, "{:?}: {line:?} in {:?}", self.shell, self.output);
        }
        assert!(self.output.stderr.is_empty(), "{:?}", self.output);
    }
}

fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let output = Command::new("sha256sum").arg(file.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[test]
fn what_arrives_whole_is_put_in_its_place_and_taken_away() {
    Computer::each(|it| {
        it.put(&sha256(PROGRAM), PROGRAM).has(&["result changed"]);
        assert_eq!(fs::read(it.program()).unwrap(), PROGRAM);
        let mode = fs::metadata(it.program()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        let seen = it.run("check", "", b"", it.home.path());
        let installed = format!("installed {}", sha256(PROGRAM));
        seen.has(&[&installed, "system Linux", "result checked"]);
        it.run("remove", "", b"", it.home.path())
            .has(&["sessions 0", "result removed"]);
        assert_eq!(it.beside(), 0);
        it.run("remove", "", b"", it.home.path())
            .has(&["result absent"]);
    });
}

#[test]
fn what_does_not_leaves_the_old_one() {
    Computer::each(|it| {
        it.put(&sha256(PROGRAM), PROGRAM).has(&["result changed"]);
        let (most, _) = PROGRAM.split_at(20);
        let newer = [PROGRAM, b"# newer\n"].concat();
        it.put(&sha256(&newer), most)
            .has(&["failed the program did not arrive whole", "hint try again"]);
        let broken = b"#!/bin/sh\necho no such library >&2\nexit 1\n";
        it.put(&sha256(broken), broken)
            .has(&["failed the program does not run there: no such library"]);
        assert_eq!(fs::read(it.program()).unwrap(), PROGRAM);
        assert_eq!(it.beside(), 1);
    });
}

#[test]
fn a_place_that_cannot_be_is_named() {
    Computer::each(|it| {
        fs::write(it.home.path().join(".local"), "").unwrap();
        it.put(&sha256(PROGRAM), PROGRAM)
            .has(&["failed cannot make"]);
        it.run("put", "", b"", Path::new(""))
            .has(&["failed this login has no home directory"]);
        fs::remove_file(it.home.path().join(".local")).unwrap();
        fs::create_dir_all(it.program()).unwrap();
        it.put(&sha256(PROGRAM), PROGRAM).has(&["failed"]);
        assert!(it.program().is_dir());
        assert_eq!(it.beside(), 1);
    });
}
