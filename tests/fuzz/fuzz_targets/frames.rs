//! The frame decoder: the same frames come out however the stream is cut, and none is too long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlast_protocol::frame::{Frame, FrameDecoder, FrameTooLong};

fn frames(limit: u32, parts: &[&[u8]]) -> (Vec<Frame>, Option<FrameTooLong>, Vec<u8>) {
    let mut decoder = FrameDecoder::new(limit);
    let mut frames = Vec::new();
    for part in parts {
        decoder.push(part);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.payload.len() <= limit as usize);
                    frames.push(frame);
                }
                Ok(None) => break,
                // Nothing can be read behind it: the caller ends the link.
                Err(error) => return (frames, Some(error), Vec::new()),
            }
        }
    }
    (frames, None, decoder.remainder().to_vec())
}

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (limit, cut, stream) = input;
    let limit = u32::from(limit);
    let (left, right) = stream.split_at(usize::from(cut).min(stream.len()));
    assert_eq!(frames(limit, &[stream]), frames(limit, &[left, right]));
});
