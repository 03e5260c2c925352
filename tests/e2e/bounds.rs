//! Output that nobody reads: what it costs the host in memory and on disk, and that what is kept
//! and what is lost add up. `benches/bounds.rs` does the same with ten gigabytes.

use std::path::PathBuf;
use std::time::Duration;

use outlast_tests::deadline::Deadline;
use outlast_tests::ledger::Ledger;
use outlast_tests::stream::ruler;
use outlast_tests::usage::peak_memory_kib;
use outlast_tests::{Gate, Output, Watermark};

use crate::stage::{Stage, instance, only, run};

/// What README and design promise of a host's memory, whatever its session prints.
const MEMORY_KIB: u64 = 16 * 1024;
const QUOTA: u64 = 64 * 1024 * 1024;
const SEGMENT: u64 = 1024 * 1024;
/// For jobs that print for long, on a machine that has other things to do as well.
const LONG: Duration = Duration::from_secs(200);

/// A session with a mode, its host and its directory.
struct Place {
    stage: Stage,
    host: u32,
    directory: PathBuf,
}

impl Place {
    fn new(buffering: &str) -> Self {
        let stage = Stage::set();
        let args = ["new", "server", "-n", "job", "--buffering", buffering];
        let args = [&args[..], &["--output", "json"]].concat();
        let session = only(&run(&stage.machine, &args).success().json());
        let hosts = stage.sshd.hosts();
        assert_eq!(hosts.len(), 1, "{hosts:?}");
        Self {
            host: hosts[0].pid,
            directory: stage.sshd.session_dir().join(instance(&session)),
            stage,
        }
    }

    fn spool(&self) -> PathBuf {
        self.directory.join("spool")
    }

    /// Starts a command and leaves it to itself.
    fn leave(&self, script: &str) {
        run(&self.stage.machine, &["invoke", "-d", "-s", "job", script]).success();
    }

    /// Everything there is, to the end of what runs.
    fn receive(&self) -> Output {
        let args = ["receive", "job", "--follow", "--output", "ndjson"];
        run(&self.stage.machine, &args)
    }

    #[track_caller]
    fn assert_memory(&self) {
        let peak = peak_memory_kib(self.host);
        assert!(peak < MEMORY_KIB, "the host had {peak} KiB");
    }
}

#[test]
fn spooled_output_is_within_its_quota_and_missing_bytes_are_one_exact_gap() {
    let place = Place::new("spool");
    let watermark = Watermark::of(&place.spool());
    let lines = 500_000_000 / ruler::LINE;
    let done = Gate::new();
    place.leave(&format!(
        "{}; echo done >{}",
        ruler::script(lines),
        done.word()
    ));
    done.wait_by(Deadline::after(LONG));
    let ledger = Ledger::of(&place.receive());
    let seen = watermark.end();
    assert!(seen.highest <= QUOTA, "{seen:?}");
    assert!(seen.samples > 100, "{seen:?}");
    let printed = lines * ruler::LINE;
    let missing = printed - ledger.received;
    assert_eq!(ledger.gaps, [(0, missing, "quota".to_owned())]);
    assert!(
        ledger.received > QUOTA - 3 * SEGMENT,
        "only {} bytes were kept",
        ledger.received
    );
    place.assert_memory();
    place.stage.strike(Vec::new());
}

#[test]
fn blocking_session_makes_the_command_wait_and_loses_nothing() {
    let place = Place::new("block");
    let watermark = Watermark::of(&place.spool());
    let lines = 100_000_000 / ruler::LINE;
    let done = Gate::new();
    place.leave(&format!(
        "{}; echo done >{}",
        ruler::script(lines),
        done.word()
    ));
    // As full as it gets, with the rest still to be printed.
    watermark.wait_reached(QUOTA - 2 * SEGMENT);
    let received = run(&place.stage.machine, &["receive", "job", "--follow"]);
    let printed = usize::try_from(lines * ruler::LINE).unwrap();
    received
        .success()
        .stderr_is("")
        .stdout_is_stream(ruler::bytes(0, printed));
    done.wait();
    let seen = watermark.end();
    assert!(seen.highest <= QUOTA, "{seen:?}");
    place.assert_memory();
    place.stage.strike(Vec::new());
}

#[test]
fn dropping_session_keeps_the_latest_in_memory_and_makes_no_file() {
    let place = Place::new("drop");
    let watermark = Watermark::of(&place.directory);
    let lines = 300_000_000 / ruler::LINE;
    let done = Gate::new();
    place.leave(&format!(
        "{}; echo done >{}",
        ruler::script(lines),
        done.word()
    ));
    done.wait_by(Deadline::after(LONG));
    let ledger = Ledger::of(&place.receive());
    let printed = lines * ruler::LINE;
    let missing = printed - ledger.received;
    assert_eq!(ledger.gaps, [(0, missing, "quota".to_owned())]);
    assert!(ledger.received > 512 * 1024, "{ledger:?}");
    assert!(!place.spool().exists(), "there is a spool");
    let seen = watermark.end();
    assert!(seen.highest < 64 * 1024, "something was written: {seen:?}");
    place.assert_memory();
    place.stage.strike(Vec::new());
}
