//! A record of the log, as bytes in a segment: what decodes is what its bytes say, no byte more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outlast_fuzz::segment::{encode, seal};
use outlast_subsystem::log::{MAX_PAYLOAD, decode_record};

/// Where a record's body has its invocation, and its flags.
const INVOCATION: std::ops::Range<usize> = 16..32;
const FLAGS: usize = 34;

fn check(bytes: &[u8]) {
    let Ok((record, used)) = decode_record(bytes) else {
        return;
    };
    assert!(record.bytes.len() <= MAX_PAYLOAD);
    let mut said = bytes[..used].to_vec();
    if said[8 + FLAGS] == 0 {
        // There is no invocation, whatever stands in its place.
        said[8..][INVOCATION].fill(0);
        said = seal(&said[8..]);
    }
    assert_eq!(encode(&record), said);
}

fuzz_target!(|data: &[u8]| {
    check(data);
    // The same with a right length and checksum: no mutation would find those.
    check(&seal(data));
});
