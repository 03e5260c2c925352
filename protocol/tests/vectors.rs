//! Golden bytes of wire revision 1: what was written once must be read, and written again the
//! same, for ever. `OUTLAST_WRITE_VECTORS=1` writes the files anew, which is right only for a
//! message that was never released.
// A helper of a test fails the test like the test itself.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use bytes::Bytes;
use outlast_protocol::control::to_mux::{Select, ToMux};
use outlast_protocol::frame::{Frame, FrameDecoder, HEADER};
use outlast_protocol::id::{InvocationId, ReaderId, Seq};
use outlast_protocol::limits::MAX_FRAME;
use outlast_protocol::link::to_host::{ReaderOpen, ToHost};
use outlast_protocol::link::{From, Source};
use support::direction::{self, ALL};
use support::{fixtures, hex};
use uuid::Uuid;

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

#[test]
fn a_message_as_large_as_a_frame_is_read() {
    // The codec's own limit must not be hit before the frame's.
    let selectors = |length| Select {
        selectors: vec!["a".repeat(1000), "b".repeat(length)],
    };
    let overhead = ToMux::from(selectors(500_000)).head(0).unwrap().len() - HEADER - 500_000;
    let message = ToMux::from(selectors(MAX_FRAME as usize - overhead));
    let bytes = message.head(0).expect("it just fits");
    assert_eq!(bytes.len(), HEADER + MAX_FRAME as usize);
    assert_eq!(ToMux::decode(&frame(&bytes)), Ok((message, Bytes::new())));
    assert!(
        ToMux::from(selectors(MAX_FRAME as usize - overhead + 1))
            .head(0)
            .is_err()
    );

    // Nor by many small numbers, which the codec charges with their size in memory.
    let count = (MAX_FRAME as usize - 100) / 18;
    let skip = vec![(InvocationId(Uuid::nil()), Seq(1)); count];
    let open = ToHost::from(ReaderOpen {
        reader: ReaderId(1),
        source: Source::Log,
        from: From::Start,
        only: None,
        skip,
        credit: 1,
        owed: 0,
    });
    let bytes = open.head(0).expect("it fits");
    assert_eq!(ToHost::decode(&frame(&bytes)), Ok((open, Bytes::new())));
}
