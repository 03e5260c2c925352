//! Golden bytes of wire revision 1: what was written once must be read, and written again the
//! same, for ever. `OUTLAST_WRITE_VECTORS=1` writes the files anew, which is right only for a
//! message that was never released.

mod support;

use std::collections::BTreeSet;

use outlast_protocol::frame::{Frame, FrameDecoder};
use outlast_protocol::limits::MAX_FRAME;
use support::direction::{self, ALL};
use support::{fixtures, hex};

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = FrameDecoder::new(MAX_FRAME);
    decoder.push(bytes);
    let frame = decoder.next_frame().expect("a length within the limit");
    assert!(decoder.remainder().is_empty(), "more than one frame");
    frame.expect("a whole frame")
}

#[test]
fn every_message_has_the_bytes_it_always_had() {
    let write = std::env::var_os("OUTLAST_WRITE_VECTORS").is_some_and(|value| value == "1");
    for fixture in fixtures::all() {
        let path = hex::folder("vectors").join(format!("{}.hex", fixture.file()));
        if write {
            std::fs::write(&path, hex::format(&fixture.bytes)).expect("a writable file");
        }
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let golden = hex::parse(&text);
        assert_eq!(
            hex::format(&fixture.bytes),
            hex::format(&golden),
            "{}",
            fixture.file()
        );

        let decoded = (direction::named(fixture.direction).decode)(&frame(&golden))
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.file()));
        assert_eq!(decoded.shown, fixture.shown, "{}", fixture.file());
        assert_eq!(decoded.again, golden, "{}", fixture.file());
    }
}

#[test]
fn every_message_of_every_table_has_a_fixture() {
    let have: BTreeSet<_> = fixtures::all()
        .into_iter()
        .map(|fixture| (fixture.direction, fixture.message))
        .collect();
    for direction in ALL {
        for &(_, message) in direction.table {
            assert!(
                have.contains(&(direction.name, message)),
                "no fixture for {}.{message}",
                direction.name
            );
        }
    }
}

#[test]
fn every_file_belongs_to_a_fixture() {
    let fixtures = fixtures::all();
    let known: BTreeSet<_> = fixtures.iter().map(fixtures::Fixture::file).collect();
    assert_eq!(known.len(), fixtures.len(), "two fixtures share a file");
    for (file, _) in hex::files("vectors") {
        assert!(known.contains(&file), "{file}.hex is left over");
    }
}
