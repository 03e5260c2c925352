//! The record decoder against bytes nobody wrote, and against what it will meet for ever.

use bytes::Bytes;
use outlast_protocol::id::{InvocationId, Seq};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_subsystem::log::{DecodeError, Log, RecordKind, Stream, decode_record};

use crate::world::{Random, scratch, small};

/// A segment with one record of every kind.
fn segment() -> Vec<u8> {
    let (root, session) = scratch();
    let mut log = Log::create(&session, 7, small()).expect("create");
    let id = Some(InvocationId(uuid::Uuid::from_u128(0x0123_4567)));
    let kinds = [
        RecordKind::Started,
        RecordKind::Output(Stream::Stdout),
        RecordKind::Completed(Outcome::Ended(ExitStatus::Code(7))),
        RecordKind::Completed(Outcome::TimedOut(ExitStatus::Signal(15))),
        RecordKind::Completed(Outcome::Cancelled(ExitStatus::Code(130))),
        RecordKind::Completed(Outcome::NeverRan),
        RecordKind::Completed(Outcome::SessionEnded("exec".into())),
        RecordKind::Completed(Outcome::Failed("no".into())),
    ];
    for kind in kinds {
        let bytes = match kind {
            RecordKind::Output(_) => Bytes::from_static(b"hello"),
            _ => Bytes::new(),
        };
        log.append(1_700_000_000_000, id, kind, bytes);
    }
    log.flush();
    let file = root.path().join("session/spool/00000000000000000001.seg");
    std::fs::read(file).expect("read")
}

#[test]
fn the_format_is_the_documented_one() {
    let segment = segment();
    assert_eq!(segment[..8], *b"OUTLSEG\n");
    assert_eq!(segment[8..12], [1, 0, 0, 0]);
    assert_eq!(
        segment[16..40],
        [
            7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        ]
    );
    let output = &segment[40 + 44..];
    assert_eq!(output[..4], 41u32.to_le_bytes());
    assert_eq!(output[4..8], crc32c::crc32c(&output[8..49]).to_le_bytes());
    assert_eq!(output[8..16], 2u64.to_le_bytes());
    assert_eq!(output[16..24], 1_700_000_000_000u64.to_le_bytes());
    assert_eq!(output[24..40], 0x0123_4567u128.to_be_bytes());
    assert_eq!(output[40..44], [2, 1, 1, 0]);
    assert_eq!(output[44..49], *b"hello");
}

#[test]
fn a_record_is_torn_at_every_length_but_its_own() {
    let segment = segment();
    let mut rest = &segment[40..];
    let mut count = 0;
    while !rest.is_empty() {
        let (record, length) = decode_record(rest).expect("decode");
        count += 1;
        assert_eq!(record.seq, Seq(count));
        for cut in 0..length {
            assert_eq!(decode_record(&rest[..cut]), Err(DecodeError::Torn));
        }
        rest = &rest[length..];
    }
    assert_eq!(count, 8);
}

#[test]
fn no_changed_bit_passes() {
    let segment = segment();
    let records = &segment[40..];
    let (_, length) = decode_record(records).expect("decode");
    for bit in 0..length * 8 {
        let mut changed = records.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_record(&changed).is_err(), "bit {bit}");
    }
}

#[test]
fn a_hostile_length_is_refused_before_anything_is_read() {
    for length in [0u32, 35, 36 + 64 * 1024 + 1, u32::MAX] {
        let refused = decode_record(&length.to_le_bytes());
        assert_eq!(refused, Err(DecodeError::Corrupt));
    }
}

#[test]
fn a_body_that_is_right_by_its_checksum_only_is_refused() {
    let random = &mut Random::new(5);
    for _ in 0..20_000 {
        let length = 36 + random.below(30) as usize;
        let mut body: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        body[32..36].fill_with(|| random.below(6) as u8);
        let mut bytes = (length as u32).to_le_bytes().to_vec();
        bytes.extend(crc32c::crc32c(&body).to_le_bytes());
        bytes.extend(body);
        // Some of these are records; none may panic.
        if let Ok((_, used)) = decode_record(&bytes) {
            assert_eq!(used, bytes.len());
        }
    }
}
