//! Files of every release: what one version has written, every later one reads, for ever.
//!
//! `tests/releases/VERSION/` holds them. `OUTLAST_WRITE_FIXTURES=1` writes those of this version,
//! once: what was released is never written again.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "releases/folder.rs"]
mod folder;
#[path = "releases/meta.rs"]
mod meta;
#[path = "releases/spool.rs"]
mod spool;

use std::fs;

/// Writes this version's files where that was asked for, and insists that they are there.
#[test]
fn this_version_has_its_files() {
    let own = folder::own();
    if std::env::var_os("OUTLAST_WRITE_FIXTURES").is_some_and(|value| value == "1") {
        assert!(
            !own.exists(),
            "{} is there and stays as it is: later code has to read what it holds. Only if this \
             version was never released, remove it and try again",
            own.display()
        );
        meta::write(&own.join("meta"));
        spool::write(&own.join("spool"));
    }
    for kind in ["meta", "spool"] {
        let count = fs::read_dir(own.join(kind)).map_or(0, Iterator::count);
        assert!(
            count > 0,
            "{} is missing: run this test with OUTLAST_WRITE_FIXTURES=1",
            own.join(kind).display()
        );
    }
}
