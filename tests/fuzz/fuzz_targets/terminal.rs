//! What is known of a terminal: the same however what it was told is cut, the same to who comes in
//! the middle and is told what is in force there, and never much.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlast_protocol::terminal::follower::Follower;
use outlast_protocol::terminal::modes::Modes;
use outlast_protocol::terminal::sequence::Splitter;

const MOST: usize = 8 * 1024;

fn told(pieces: &[&[u8]]) -> Follower {
    let mut follower = Follower::default();
    for piece in pieces {
        follower.push(piece);
        assert!(follower.restoring().len() < MOST);
    }
    follower
}

/// What is seen of the same by who keeps every sequence. Another character set is chosen without
/// one.
fn seen(stream: &[u8]) -> Modes {
    let mut modes = Modes::default();
    Splitter::default().push(stream, |sequence| modes.take(sequence));
    modes
}

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, stream) = input;
    let (first, second) = stream.split_at(usize::from(cut).min(stream.len()));
    let whole = told(&[stream]);
    assert_eq!(told(&[first, second]), whole);
    let known = told(&[first]).restoring();
    assert_eq!(told(&[&known, second]).restoring(), whole.restoring());
    // A sequence that is too long to set anything is kept by one, and not by the other.
    if !stream.iter().any(|byte| matches!(byte, 0x0e | 0x0f)) && stream.len() < 2000 {
        assert_eq!(*whole.modes(), seen(stream));
    }
});
