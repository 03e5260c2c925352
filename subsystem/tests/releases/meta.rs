//! The meta file, one for each way a session's life can stand.

use std::fs;
use std::path::Path;

use outlast_protocol::outcome::ExitStatus;
use outlast_protocol::session::{Buffering, End, IdleTimeout};
use outlast_subsystem::registry::{Meta, MetaError, MetaLife, ProcessId};
use serde_json::{Value, json};

use crate::folder;

/// Every field has a value that is not its default in one of these.
fn samples() -> Vec<(&'static str, Value)> {
    let full = json!({
        "format": 1,
        "instance": "0123abcd-4567-89ab-cdef-0123456789ab",
        "name": "größer",
        "configuration": "bash",
        "created_ms": 1_700_000_000_123_u64,
        "idle_timeout": {"Seconds": 604_800},
        "buffering": "Spool",
        "life": "live",
        "host": {"pid": 4711, "started": 123_456_789_u64},
        "shell": {"pid": 4712, "started": 123_456_790_u64},
        "boot_id": "f0e1d2c3-b4a5-9687-7869-5a4b3c2d1e0f",
        "disconnected_ms": 1_700_000_100_456_u64,
    });
    let with = |changes: Value| {
        let mut sample = full.clone();
        for (field, value) in changes.as_object().unwrap() {
            sample[field] = value.clone();
        }
        sample
    };
    let ended = |end: Value| with(json!({"life": {"ended": end}}));
    vec![
        ("live", full.clone()),
        (
            "opening",
            with(json!({
                "life": "opening", "host": null, "shell": null, "boot_id": "",
                "disconnected_ms": null, "buffering": "Drop", "idle_timeout": "Never",
            })),
        ),
        ("blocking", with(json!({"buffering": "Block"}))),
        ("ended-code", ended(json!({"Shell": {"Code": 7}}))),
        ("ended-signal", ended(json!({"Shell": {"Signal": 9}}))),
        ("ended-removed", ended(json!("Removed"))),
        ("ended-idle-timeout", ended(json!("IdleTimeout"))),
        (
            "ended-open-failed",
            ended(json!({"OpenFailed": "no bash here"})),
        ),
    ]
}

/// Written by the code, whatever else it has to say by now.
pub(crate) fn write(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    for (name, sample) in samples() {
        let meta = Meta::parse(&serde_json::to_vec(&sample).unwrap()).unwrap();
        let bytes = serde_json::to_vec(&meta).unwrap();
        fs::write(directory.join(format!("{name}.json")), bytes).unwrap();
    }
}

#[test]
fn every_meta_file_of_every_release_is_read_with_all_it_says() {
    for path in folder::all("meta") {
        let bytes = fs::read(&path).unwrap();
        let meta =
            Meta::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let then: Value = serde_json::from_slice(&bytes).unwrap();
        let now = serde_json::to_value(&meta).unwrap();
        for (field, value) in then.as_object().unwrap() {
            assert_eq!(now[field], *value, "{field} of {}", path.display());
        }
    }
}

#[test]
fn the_first_release_means_what_it_meant() {
    let read = |name: &str| {
        let path = format!(
            "{}/tests/releases/0.1.0/meta/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        Meta::parse(&fs::read(path).unwrap()).unwrap()
    };
    let live = read("live");
    assert_eq!(
        live.instance.to_string(),
        "0123abcd-4567-89ab-cdef-0123456789ab"
    );
    assert_eq!(live.name.as_str(), "größer");
    assert_eq!(live.idle_timeout, IdleTimeout::Seconds(604_800));
    assert_eq!(live.buffering, Buffering::Spool);
    assert_eq!(live.life, MetaLife::Live);
    let shell = ProcessId {
        pid: 4712,
        started: 123_456_790,
    };
    assert_eq!(live.shell, Some(shell));
    assert_eq!(live.disconnected_ms, Some(1_700_000_100_456));
    let opening = read("opening");
    assert_eq!((opening.life, opening.host), (MetaLife::Opening, None));
    assert_eq!(opening.idle_timeout, IdleTimeout::Never);
    let signal = End::Shell(ExitStatus::Signal(9));
    assert_eq!(read("ended-signal").life, MetaLife::Ended(signal));
}

/// What a later version adds must not keep this one from reading the rest.
#[test]
fn unknown_fields_are_passed_over() {
    for (name, sample) in samples() {
        let known = Meta::parse(&serde_json::to_vec(&sample).unwrap()).unwrap();
        let mut later = sample;
        later["from_a_later_version"] = json!({"deep": [1, {"er": null}]});
        let read = Meta::parse(&serde_json::to_vec(&later).unwrap());
        assert_eq!(read.expect(name), known);
    }
}

/// Another format may look like anything: only its number is read, and both numbers are told.
#[test]
fn another_format_is_refused_by_number() {
    for later in [
        json!({"format": 2}),
        json!({"format": 2, "instance": {"not": "a string"}}),
    ] {
        let error = Meta::parse(&serde_json::to_vec(&later).unwrap()).unwrap_err();
        assert!(matches!(error, MetaError::Format(2)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("format 2") && text.contains("reads 1"),
            "{text}"
        );
    }
}
