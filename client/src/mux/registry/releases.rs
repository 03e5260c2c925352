//! The list of every release is read by every later one, for ever.
//!
//! `client/tests/releases/VERSION/sessions.json` is one. `OUTLAST_WRITE_FIXTURES=1` writes that of
//! this version, once: what was released is never written again.

use std::fs;
use std::path::{Path, PathBuf};

use outlast_protocol::id::Seq;
use serde_json::{Value, json};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

/// Every field has a value that is not its default in one of the sessions.
fn sample() -> Value {
    let server = json!({
        "destination": "me@server:2222", "port": 2200, "login": "other",
        "identity_files": ["/home/me/.ssh/key"], "config_file": "/home/me/config",
        "options": ["ConnectTimeout=5"],
    });
    let here = json!({
        "destination": ".", "port": null, "login": null, "identity_files": [],
        "config_file": null, "options": [],
    });
    json!({
        "format": 1,
        "client": "01234567-89ab-cdef-0123-456789abcdef",
        "last_id": 17,
        "sessions": [
            {
                "id": 3, "name": "größer", "target": server,
                "instance": "00000000-0000-0000-0000-000000000003", "configuration": "bash",
                "idle_timeout_s": 604_800, "created_ms": 1_700_000_000_123_u64,
                "disconnected_ms": 1_700_000_100_456_u64, "expires_ms": 1_700_604_900_456_u64,
                "running": "00000000-0000-0000-0000-0000000000aa", "heard": "live",
                "holder": "me@laptop (192.0.2.1)",
                "cursor": {
                    "base": 40,
                    "apart": {
                        "00000000-0000-0000-0000-0000000000aa": {"upto": 70, "whole_from": null},
                        "00000000-0000-0000-0000-0000000000bb": {"upto": 90, "whole_from": 80},
                    },
                },
            },
            {
                "id": 5, "name": "over", "target": here,
                "instance": "00000000-0000-0000-0000-000000000005", "configuration": "",
                "idle_timeout_s": null, "created_ms": 1, "disconnected_ms": null,
                "expires_ms": null, "running": null, "heard": {"closed": "it was removed"},
                "holder": null, "cursor": {"base": 0, "apart": {}},
            },
            {
                "id": 17, "name": "lost", "target": here,
                "instance": "00000000-0000-0000-0000-000000000011", "configuration": "",
                "idle_timeout_s": null, "created_ms": 1, "disconnected_ms": null,
                "expires_ms": null, "running": null, "heard": {"broken": "it was killed"},
                "holder": null, "cursor": {"base": 0, "apart": {}},
            },
        ],
    })
}

/// A client's directory with that list in it.
fn load(list: &Value) -> (tempfile::TempDir, Result<Registry, RegistryError>) {
    let root = tempfile::tempdir().unwrap();
    let directory = PrivateDirectory::open_or_create(root.path().join("outlast")).unwrap();
    let bytes = serde_json::to_vec(list).unwrap();
    directory.atomic_write(FILE, &bytes).unwrap();
    (root, Registry::load(directory))
}

/// What the registry makes of a list when it writes it again.
fn rewritten(list: &Value) -> Value {
    let (root, registry) = load(list);
    registry.unwrap().save().unwrap();
    read(&root.path().join("outlast").join(FILE))
}

fn read(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

/// Insists that all `then` says is in `now`, which may say more.
#[track_caller]
fn assert_kept(then: &Value, now: &Value, place: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (field, value) in then {
                let now = now.get(field).unwrap_or(&Value::Null);
                assert_kept(value, now, &format!("{place}.{field}"));
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{place}");
            for (at, (then, now)) in then.iter().zip(now).enumerate() {
                assert_kept(then, now, &format!("{place}[{at}]"));
            }
        }
        _ => assert_eq!(then, now, "{place}"),
    }
}

#[test]
fn this_version_has_its_list() {
    let path = root().join(env!("CARGO_PKG_VERSION")).join(FILE);
    if std::env::var_os("OUTLAST_WRITE_FIXTURES").is_some_and(|value| value == "1") {
        assert!(
            !path.exists(),
            "{} is there and stays as it is: later code has to read it. Only if this version was \
             never released, remove it and try again",
            path.display()
        );
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            serde_json::to_vec_pretty(&rewritten(&sample())).unwrap(),
        )
        .unwrap();
    }
    assert!(
        path.exists(),
        "{} is missing: run this test with OUTLAST_WRITE_FIXTURES=1",
        path.display()
    );
}

#[test]
fn the_list_of_every_release_is_read_with_all_it_says() {
    let mut releases = 0;
    for release in fs::read_dir(root()).unwrap() {
        let path = release.unwrap().path().join(FILE);
        let then = read(&path);
        assert_kept(&then, &rewritten(&then), &path.display().to_string());
        releases += 1;
    }
    assert!(releases > 0);
}

#[test]
fn the_first_release_means_what_it_meant() {
    let (_root, registry) = load(&read(&root().join("0.1.0").join(FILE)));
    let mut registry = registry.unwrap();
    assert_eq!(registry.sessions().len(), 3);
    let known = &registry.sessions()[0];
    assert_eq!((known.id, known.name.as_str()), (3, "größer"));
    assert_eq!(known.target.options, ["ConnectTimeout=5"]);
    assert_eq!(known.heard, Heard::Live);
    let ahead = |number: u128| InvocationId(uuid::Uuid::from_u128(number));
    let (from, skip) = known.cursor.request();
    assert_eq!(from, outlast_protocol::link::From::Seq(Seq(41)));
    assert_eq!(skip, [(ahead(0xaa), Seq(70)), (ahead(0xbb), Seq(90))]);
    assert_eq!(
        registry.sessions()[1].heard,
        Heard::Closed("it was removed".into())
    );
    assert_eq!(
        registry.sessions()[2].heard,
        Heard::Broken("it was killed".into())
    );
    // Ids go on where they were.
    let new = InstanceId(uuid::Uuid::from_u128(99));
    assert_eq!(registry.reserve(new), 18);
}

/// What a later version adds must not keep this one from reading the rest.
#[test]
fn unknown_fields_are_passed_over() {
    let mut later = sample();
    later["from_a_later_version"] = json!([1]);
    later["sessions"][0]["from_a_later_version"] = json!({"deep": null});
    later["sessions"][0]["cursor"]["from_a_later_version"] = json!("x");
    assert_eq!(rewritten(&later), rewritten(&sample()));
}

/// Another format may look like anything: only its number is read, and both numbers are told.
#[test]
fn another_format_is_refused_by_number() {
    for later in [
        json!({"format": 2}),
        json!({"format": 2, "sessions": "elsewhere"}),
    ] {
        let (_root, registry) = load(&later);
        match registry {
            Err(error @ RegistryError::Format { format: 2, .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains("format 2") && text.contains("reads 1"),
                    "{text}"
                );
                assert!(text.contains(FILE), "{text}");
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was read"),
        }
    }
}
