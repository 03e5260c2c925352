//! A session directory that takes no more.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use outlast_tests::stream::numbered;
use outlast_tests::{Gate, Sshd, process};

use crate::stage::{Job, Stage, one_error, run};

/// A small file system of its own, for one server's sessions.
pub(crate) struct Disk {
    directory: PathBuf,
}

impl Disk {
    /// `None` where mounting is not allowed.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn mount(options: &str) -> Option<Self> {
        let directory = tempfile::Builder::new()
            .prefix("outlast-disk.")
            .tempdir()
            .unwrap()
            .keep();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "outlast-tests"])
            .arg(&directory)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { directory });
        }
        eprintln!("skipped: no mounting here");
        fs::remove_dir(&directory).unwrap();
        None
    }

    pub(crate) fn sshd(&self) -> Sshd {
        let line = format!("SetEnv OUTLAST_SESSION_DIR={}", self.directory.display());
        // sshd takes only the first SetEnv.
        Sshd::builder().extra(&line).start()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    fn filler(&self) -> PathBuf {
        self.directory.join("filler")
    }

    /// Takes every byte there is.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let chunk = vec![b'x'; 4096];
        while file.write_all(&chunk).is_ok() {}
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for process in process::with_environment("OUTLAST_SESSION_DIR", &self.directory) {
            process::kill9(process.pid);
            process::wait_gone(process.pid);
        }
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.directory)
            .status();
        let _ = fs::remove_dir(&self.directory);
    }
}

const SMALL: &str = "size=3m,mode=0700";

#[test]
fn full_disk_refuses_new_sessions_and_leaves_nothing() {
    let Some(disk) = Disk::mount(SMALL) else {
        return;
    };
    let stage = Stage::before(disk.sshd());
    disk.fill();
    let output = run(&stage.machine, &["new", "server", "-n", "job"]);
    one_error(&output, 255, &["space"], "room");
    assert!(process::with_environment("OUTLAST_SESSION_DIR", disk.path()).is_empty());
    disk.free();
    let left: Vec<_> = fs::read_dir(disk.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    stage.new_session("job");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo made"])
        .success()
        .stdout_is("made\n");
}

/// What a reader takes as it comes needs no disk.
#[test]
fn command_with_a_reader_goes_on_over_a_full_disk() {
    let Some(disk) = Disk::mount(SMALL) else {
        return;
    };
    let stage = Stage::before(disk.sshd());
    stage.new_session("job");
    let job = Job::new();
    let waiting = job.start(&stage.machine, "job", &[]);
    disk.fill();
    job.gate.open();
    waiting
        .wait()
        .no_panic()
        .success()
        .stdout_is_stream(&job.expected);
    // The next command as well, whatever has to be written down for it: it runs, or it is
    // refused in so many words and has not run.
    let next = run(&stage.machine, &["invoke", "-n", "-s", "job", "echo next"]);
    if next.status.success() {
        next.stdout_is("next\n");
    } else {
        one_error(&next, 255, &["space"], "");
    }
    disk.free();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $i"])
        .success()
        .stdout_is("10000\n");
}

/// What nobody reads and no disk holds is lost, and the reader is told how much.
#[test]
fn lost_output_is_accounted_for_to_the_byte() {
    let Some(disk) = Disk::mount(SMALL) else {
        return;
    };
    let stage = Stage::before(disk.sshd());
    stage.new_session("job");
    let done = Gate::new();
    let expected = numbered(1_000_000);
    let script = format!("seq -f 'line %.0f' 1000000; echo done >{}", done.word());
    run(&stage.machine, &["invoke", "-d", "-s", "job", &script]).success();
    // The job does not wait for anybody.
    assert_eq!(done.wait(), "done");
    let output = run(
        &stage.machine,
        &["receive", "job", "--follow", "--output", "ndjson"],
    );
    let (mut at, mut missing) = (0, 0);
    for event in output.success().ndjson() {
        match event["type"].as_str() {
            Some("output") => {
                let data = event["data"].as_str().unwrap();
                assert!(expected[at..].starts_with(data), "at byte {at}: {data:.60}");
                at += data.len();
            }
            Some("gap") => {
                let bytes = usize::try_from(event["bytes"].as_u64().unwrap()).unwrap();
                at += bytes;
                missing += bytes;
            }
            _ => {}
        }
    }
    assert!(missing > 0, "everything fitted: the test tests nothing");
    assert_eq!(at, expected.len());
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo alive"])
        .success()
        .stdout_is("alive\n");
}

#[test]
fn read_only_session_directory_is_told() {
    let Some(disk) = Disk::mount("size=1m,mode=0700,ro") else {
        return;
    };
    let stage = Stage::before(disk.sshd());
    let output = run(&stage.machine, &["new", "server"]);
    one_error(
        &output,
        255,
        &["read-only", disk.path().to_str().unwrap()],
        "OUTLAST_SESSION_DIR",
    );
    run(&stage.machine, &["get", "server"])
        .success()
        .stdout_is("");
}

/// The client's own disk: what runs goes on, and the list is whole again afterwards.
#[test]
fn full_disk_on_the_client_stops_nothing() {
    let Some(disk) = Disk::mount(SMALL) else {
        return;
    };
    let stage = Stage::set();
    let home = disk.path().join("home");
    let outlast = |args: &[&str]| {
        let mut command = crate::stage::command(&stage.machine, args);
        let mut running = outlast_tests::Running::start(command.env("OUTLAST_HOME", &home));
        running.close_stdin();
        let output = running.wait();
        output.no_panic();
        output
    };
    outlast(&["new", "server", "-n", "job"]).success();
    disk.fill();
    outlast(&["invoke", "-n", "-s", "job", "echo still"])
        .success()
        .stdout_is("still\n");
    outlast(&["new", "server", "-n", "other"]).success();
    disk.free();
    outlast(&["invoke", "-n", "-s", "job,other", "true"]).success();
    outlast(&["mux", "stop"]).success();
    outlast(&["get"])
        .success()
        .stdout_has("job")
        .stdout_has("other");
    outlast(&["remove", "*"]).success();
    outlast(&["mux", "stop"]).success();
    stage.sshd.wait_nothing_left();
}
