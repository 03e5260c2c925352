//! What a host reads from a relay, and a relay from a host.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    outlast_fuzz::decode!(outlast_protocol::handover::ToHost, data);
    outlast_fuzz::decode!(outlast_protocol::handover::ToRelay, data);
});
