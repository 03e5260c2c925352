//! What a host reads from a relay, and a relay from a host.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod support;

fuzz_target!(|data: &[u8]| {
    support::decode!(outlast_protocol::handover::ToHost, data);
    support::decode!(outlast_protocol::handover::ToRelay, data);
});
