//! What a client reads.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod support;

fuzz_target!(|data: &[u8]| {
    support::decode!(outlast_protocol::link::to_client::ToClient, data);
});
