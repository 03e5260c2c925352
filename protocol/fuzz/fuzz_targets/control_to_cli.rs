//! What a command line reads from the mux.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod support;

fuzz_target!(|data: &[u8]| {
    support::decode!(outlast_protocol::control::to_cli::ToCli, data);
});
