//! What a mux reads from a command line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    outlast_fuzz::decode!(outlast_protocol::control::to_mux::ToMux, data);
});
