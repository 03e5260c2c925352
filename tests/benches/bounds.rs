//! Ten gigabytes printed into a session that nobody reads: how fast the job runs beside the same
//! job whose output goes elsewhere, and what the host takes of memory and disk meanwhile.
//!
//! `cargo build --release --workspace && OUTLAST_BIN_DIR=target/release cargo bench -p
//! outlast-tests --bench bounds`; `OUTLAST_BENCH_BYTES` is another amount.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::process::Stdio;
use std::time::Duration;

use outlast_tests::deadline::Deadline;
use outlast_tests::ledger::Ledger;
use outlast_tests::stream::ruler;
use outlast_tests::usage::{bytes_written, peak_memory_kib};
use outlast_tests::{ClientMachine, Gate, Sshd, Watermark, process};

const QUOTA: u64 = 64 * 1024 * 1024;
const MEMORY_KIB: u64 = 16 * 1024;
/// More than the job takes anywhere.
const LONG: Duration = Duration::from_secs(1800);
/// For peers that never end: a benchmark may wait for time.
const STUCK: Duration = Duration::from_secs(5);

fn main() {
    let bytes = std::env::var("OUTLAST_BENCH_BYTES").ok();
    let bytes = bytes.map_or(10_000_000_000, |bytes| bytes.parse().expect("a number"));
    let bench = Bench {
        // No rc file: it would be part of what ssh takes.
        sshd: Sshd::builder().bashrc("").start(),
        lines: bytes / ruler::LINE,
    };
    let machine = ClientMachine::knowing("server", &bench.sshd);
    let null = bench.over_ssh(&machine, ">/dev/null");
    bench.report("ssh HOST 'job >/dev/null'", null, null);
    let pipe = bench.over_ssh(&machine, "| cat >/dev/null");
    bench.report("ssh HOST 'job | cat >/dev/null'", pipe, null);
    let file = machine.home().join("output");
    let to_file = bench.over_ssh(&machine, &format!(">{}", file.display()));
    std::fs::remove_file(file).expect("it was written");
    bench.report("ssh HOST 'job >file'", to_file, null);
    let discarded = bench.over_ssh(&machine, "");
    bench.report("ssh HOST job, read and thrown away", discarded, null);
    bench.stuck(&machine);
    for mode in ["spool", "drop"] {
        let unread = bench.unread(&machine, mode, false);
        bench.report(
            &format!("session, --buffering {mode}, nobody reads"),
            unread,
            null,
        );
    }
    bench.unread(&machine, "spool", true);
    bench.block(&machine);
    machine.outlast(&["mux", "stop"]).success();
}

struct Bench {
    sshd: Sshd,
    lines: u64,
}

impl Bench {
    fn printed(&self) -> u64 {
        self.lines * ruler::LINE
    }

    /// The job, timed by the shell that runs it, and told through the gate.
    fn script(&self, redirection: &str, done: &Gate) -> String {
        format!(
            "begin=$EPOCHREALTIME; {} {redirection}; echo $begin $EPOCHREALTIME >{}",
            ruler::script(self.lines),
            done.word()
        )
    }

    fn over_ssh(&self, machine: &ClientMachine, redirection: &str) -> f64 {
        let done = Gate::new();
        let script = self.script(redirection, &done);
        let status = machine
            .ssh(&["-n", "server", &script])
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("ssh starts").success());
        seconds(&done.wait())
    }

    /// What `ssh` makes of a job whose output nobody reads: it stops.
    fn stuck(&self, machine: &ClientMachine) {
        let script = ruler::script(self.lines);
        let mut ssh = machine
            .ssh(&["-n", "server", &script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh starts");
        std::thread::sleep(STUCK);
        let wanted = |process: &process::Process| process.command == script;
        let job = process::all().into_iter().find(wanted).expect("the job");
        let before = bytes_written(job.pid).expect("the job is there");
        std::thread::sleep(STUCK);
        let after = bytes_written(job.pid).expect("the job is there");
        println!(
            "ssh HOST job, read by nobody: got rid of {before} bytes in {STUCK:?}, of {} in the \
             next {STUCK:?}",
            after - before
        );
        ssh.kill().expect("it is ours");
        ssh.wait().expect("it is ours");
        process::kill9(job.pid);
    }

    /// In a session; `watched` looks at the spool at every write, which takes time of its own.
    fn unread(&self, machine: &ClientMachine, mode: &str, watched: bool) -> f64 {
        let place = self.session(machine, mode);
        let watermark = watched.then(|| Watermark::of(&place.spool));
        let done = Gate::new();
        let script = self.script("", &done);
        machine
            .outlast(&["invoke", "-d", "-s", mode, &script])
            .success();
        let took = seconds(&done.wait_by(Deadline::after(LONG)));
        let receive = ["receive", mode, "--follow", "--output", "ndjson"];
        let ledger = Ledger::of(&machine.outlast(&receive));
        let missing = self.printed() - ledger.received;
        assert_eq!(ledger.gaps, [(0, missing, "quota".to_owned())]);
        let peak = peak_memory_kib(place.host);
        println!(
            "    {mode}: {} bytes printed = {} received + one gap of {missing}; host's peak \
             memory {peak} KiB",
            self.printed(),
            ledger.received,
        );
        assert!(peak < MEMORY_KIB);
        if let Some(watermark) = watermark {
            let seen = watermark.end();
            println!(
                "    {mode}: at most {} of {QUOTA} bytes on disk in {} samples, one at each \
                 write or as often as one can look",
                seen.highest, seen.samples
            );
            assert!(seen.highest <= QUOTA);
        }
        machine.outlast(&["remove", mode]).success();
        took
    }

    /// A twentieth of it: this one is read to its end, and as fast as its reader reads.
    fn block(&self, machine: &ClientMachine) {
        let place = self.session(machine, "block");
        let watermark = Watermark::of(&place.spool);
        let lines = self.lines / 20;
        let script = ruler::script(lines);
        machine
            .outlast(&["invoke", "-d", "-s", "block", &script])
            .success();
        let receive = ["receive", "block", "--follow", "--output", "ndjson"];
        let ledger = Ledger::of(&machine.outlast(&receive));
        assert_eq!(
            (ledger.gaps, ledger.received),
            (vec![], lines * ruler::LINE)
        );
        let (seen, peak) = (watermark.end(), peak_memory_kib(place.host));
        println!(
            "    block: {} bytes printed and received; at most {} bytes on disk; host's peak \
             memory {peak} KiB",
            ledger.received, seen.highest
        );
        assert!(seen.highest <= QUOTA && peak < MEMORY_KIB);
        machine.outlast(&["remove", "block"]).success();
    }

    fn session(&self, machine: &ClientMachine, mode: &str) -> Place {
        let new = ["new", "server", "-n", mode, "--buffering", mode];
        let new = [&new[..], &["--output", "json"]].concat();
        let session = machine.outlast(&new).success().json();
        let instance = session[0]["instance_id"].as_str().expect("its ID");
        Place {
            spool: self.sshd.session_dir().join(instance).join("spool"),
            host: self.sshd.hosts()[0].pid,
        }
    }

    fn report(&self, what: &str, seconds: f64, reference: f64) {
        let speed = self.printed() as f64 / seconds / 1e6;
        println!(
            "{what}: {seconds:.2} s, {speed:.0} MB/s, {:.2} × the time of /dev/null",
            seconds / reference
        );
    }
}

struct Place {
    spool: std::path::PathBuf,
    host: u32,
}

/// The difference of two times of `EPOCHREALTIME`.
fn seconds(times: &str) -> f64 {
    let mut times = times.split(' ').map(|time| time.parse::<f64>());
    match (times.next(), times.next()) {
        (Some(Ok(begin)), Some(Ok(end))) => end - begin,
        _ => panic!("no two times"),
    }
}
