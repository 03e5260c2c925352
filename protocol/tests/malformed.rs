//! What a hostile or broken peer may send: each input gets its named error, nothing panics, and
//! nothing is allocated because a length said so.
//!
//! A file of `malformed/` is named by its fault. Its first two lines say `# decoder: NAME` (a
//! direction, `frames LIMIT` or `client-link`) and `# error: NAME`; the rest is hexadecimal.
// A helper of a test fails the test like the test itself.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod support;
#[path = "support/sys/mod.rs"]
mod sys;

use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::frame::{Frame, FrameDecoder, HEADER};
use outlast_protocol::hello::MAGIC;
use outlast_protocol::limits::{MAX_FRAME, MAX_NOISE};
use outlast_protocol::link::connection::{ClientLink, LinkError, LinkEvent, hello};
use outlast_protocol::message::DecodeError;
use support::direction::{self, ALL};
use support::random::Random;
use support::{fixtures, hex};

#[global_allocator]
static ALLOCATOR: sys::Counting = sys::Counting;

/// A string's buffer is asked for, though not touched, up to eight times a frame; lists within
/// lists within a message are begun with a frame's worth each.
const LARGEST: usize = 8 * MAX_FRAME as usize + 4096;
const TOGETHER: usize = LARGEST + 3 * MAX_FRAME as usize;

const MUTATIONS: u64 = 200_000;

fn named(error: &DecodeError) -> String {
    match error {
        DecodeError::TooLong(_) => "TooLong".into(),
        DecodeError::Unknown(_) => "Unknown".into(),
        DecodeError::Malformed { name, .. } => format!("Malformed {name}"),
        DecodeError::Trailing { name, .. } => format!("Trailing {name}"),
        DecodeError::Unexpected { got, .. } => format!("Unexpected {got}"),
    }
}

fn verdict_of_frames(limit: u32, bytes: &[u8]) -> Result<Vec<Frame>, String> {
    let mut decoder = FrameDecoder::new(limit);
    decoder.push(bytes);
    let mut frames = Vec::new();
    loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) if decoder.remainder().is_empty() => return Ok(frames),
            Ok(None) => return Err("Incomplete".into()),
            Err(error) => return Err(named(&error.into())),
        }
    }
}

fn verdict_of_link(link: &mut ClientLink, bytes: &[u8]) -> Result<(), String> {
    link.handle_input(Duration::ZERO, bytes)
        .and_then(|()| link.handle_end())
        .map_err(|error| match error {
            LinkError::NoMagic(_) => "NoMagic".into(),
            LinkError::Protocol(error) => named(&error),
            LinkError::Incompatible(_) => "Incompatible".into(),
            LinkError::Encode(_) => "Encode".into(),
            LinkError::Silent(_) => "Silent".into(),
        })
}

fn verdict(decoder: &str, bytes: &[u8]) -> Result<(), String> {
    if let Some(limit) = decoder.strip_prefix("frames ") {
        return verdict_of_frames(limit.parse().expect("a limit"), bytes).map(drop);
    }
    if decoder == "client-link" {
        return verdict_of_link(
            &mut ClientLink::new(Duration::ZERO, hello("t", "u", "h")),
            bytes,
        );
    }
    let decode = direction::named(decoder).decode;
    for frame in verdict_of_frames(MAX_FRAME, bytes)? {
        decode(&frame).map_err(|error| named(&error))?;
    }
    Ok(())
}

#[test]
fn each_fault_gets_its_named_error() {
    let files = hex::files("malformed");
    assert!(files.len() > 40, "the corpus is gone");
    for (fault, text) in files {
        let line = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap_or_else(|| panic!("{fault}.hex has no line {key}"))
                .trim()
        };
        let (decoder, error) = (line("# decoder:"), line("# error:"));
        let bytes = hex::parse(&text);
        let mut found = Ok(());
        let (largest, together) = sys::measure(|| found = verdict(decoder, &bytes));
        assert_eq!(found, Err(error.to_string()), "{fault}");
        assert!(
            largest <= LARGEST && together <= TOGETHER,
            "{fault}: {largest}, {together}"
        );
    }
}

#[test]
fn every_message_cut_anywhere_is_malformed_and_not_another_message() {
    for fixture in fixtures::all() {
        let decode = direction::named(fixture.direction).decode;
        let payload = Bytes::copy_from_slice(&fixture.bytes[HEADER..]);
        let mut whole = false;
        for length in 0..=payload.len() {
            let frame = Frame {
                number: fixture.bytes[HEADER - 1],
                payload: payload.slice(..length),
            };
            match decode(&frame) {
                Ok(_) => whole = true,
                Err(error) => {
                    assert!(!whole, "{} cut at {length}: {error}", fixture.file());
                    assert_eq!(named(&error), format!("Malformed {}", fixture.message));
                }
            }
        }
        assert!(whole, "{}", fixture.file());
    }
}

#[test]
fn a_number_that_is_no_message_is_unknown_in_every_direction() {
    for direction in ALL {
        for number in 0..=u8::MAX {
            let known = direction.table.iter().any(|&(listed, _)| listed == number);
            let frame = Frame {
                number,
                payload: Bytes::new(),
            };
            let unknown =
                matches!((direction.decode)(&frame), Err(DecodeError::Unknown(n)) if n == number);
            assert_eq!(unknown, !known, "{} {number:#04x}", direction.name);
        }
    }
}

/// A stream with `noise` bytes before the magic, and a greeting behind it.
fn greeting(noise: usize) -> Vec<u8> {
    let golden = fixtures::all();
    let greeting = golden
        .iter()
        .find(|fixture| fixture.direction == "link.to-client" && fixture.message == "Hello")
        .expect("a fixture");
    // A magic that breaks off is noise too.
    let mut stream = MAGIC[..noise.min(MAGIC.len() - 1)].to_vec();
    stream.resize(noise, b'.');
    stream.extend_from_slice(MAGIC);
    stream.extend_from_slice(&greeting.bytes);
    stream
}

#[test]
fn noise_is_judged_by_its_length_however_it_is_cut() {
    for (noise, good) in [
        (0, true),
        (20, true),
        (MAX_NOISE, true),
        (MAX_NOISE + 1, false),
    ] {
        let stream = greeting(noise);
        for piece in [1, 7, 4096, stream.len()] {
            let mut link = ClientLink::new(Duration::ZERO, hello("t", "u", "h"));
            let result = stream
                .chunks(piece)
                .try_for_each(|part| link.handle_input(Duration::ZERO, part));
            assert_eq!(
                result.is_ok(),
                good,
                "{noise} bytes of noise in pieces of {piece}"
            );
            assert_eq!(link.is_open(), good);
            if let Err(error) = result {
                assert!(matches!(error, LinkError::NoMagic(shown) if shown.len() == MAX_NOISE));
            }
        }
    }
}

#[test]
fn an_unknown_frame_is_skipped_once_the_link_is_open() {
    let mut link = ClientLink::new(Duration::ZERO, hello("t", "u", "h"));
    let mut stream = greeting(0);
    stream.extend_from_slice(&[0, 0, 0, 2, 0xf0, 1, 2]);
    stream.extend_from_slice(&[0, 0, 0, 1, 0x9e, 9]);
    assert_eq!(verdict_of_link(&mut link, &stream), Ok(()));
    assert!(matches!(link.poll_event(), Some(LinkEvent::Open(_))));
    assert_eq!(link.poll_event(), None);
    let said: Vec<u8> = std::iter::from_fn(|| link.poll_output())
        .flatten()
        .collect();
    assert!(
        said.ends_with(&[0, 0, 0, 1, 0x1f, 9]),
        "the ping behind it is answered"
    );
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len().max(1)).min(bytes.len());
        let byte = match random.below(4) {
            // The bytes with a meaning to the number encoding and to lengths.
            0 => 0xfb + u8::try_from(random.below(5)).unwrap_or_default(),
            1 => 0,
            _ => u8::try_from(random.below(256)).unwrap_or_default(),
        };
        match random.below(4) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ if at < bytes.len() => bytes[at] = byte,
            _ => bytes.push(byte),
        }
    }
}

#[test]
fn damaged_messages_neither_panic_nor_allocate_beyond_the_limit() {
    let golden = fixtures::all();
    let mut random = Random::new(20_261_101);
    let start = greeting(0);
    let (mut good, mut bad) = (0u64, 0u64);
    for _ in 0..MUTATIONS {
        let fixture = &golden[random.below(golden.len())];
        let mut bytes = fixture.bytes.clone();
        let whole_frame = random.below(4) == 0;
        let mut payload = if whole_frame {
            bytes
        } else {
            bytes.split_off(HEADER)
        };
        mutate(&mut random, &mut payload);
        if !whole_frame {
            // Most damage is to reach the message decoder: the length is made to fit.
            let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
            let header = [&length[..], &fixture.bytes[HEADER - 1..HEADER]].concat();
            payload.splice(0..0, header);
        }
        let stream = [&start[..], &payload].concat();
        let mut link = ClientLink::new(Duration::ZERO, hello("t", "u", "h"));
        let mut ok = false;
        let (largest, together) = sys::measure(|| {
            ok = verdict(fixture.direction, &payload).is_ok();
            let _ = verdict_of_link(&mut link, &stream);
        });
        assert!(
            largest <= LARGEST && together <= TOGETHER,
            "{largest}, {together}: {}",
            hex::format(&payload)
        );
        *if ok { &mut good } else { &mut bad } += 1;
    }
    // Otherwise the damage is too small or too great to prove anything.
    assert!(
        good > MUTATIONS / 20 && bad > MUTATIONS / 5,
        "{good} good, {bad} bad"
    );
}
