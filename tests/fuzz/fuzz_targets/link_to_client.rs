//! What a client reads.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    outlast_fuzz::decode!(outlast_protocol::link::to_client::ToClient, data);
});
