//! A session's meta file: what is read can be written, and read again the same; a host of this
//! version can tell a client of it.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use outlast_fuzz::memory::within;
use outlast_fuzz::scratch::Scratch;
use outlast_protocol::link::to_client::{Listed, ToClient};
use outlast_protocol::session::Life;
use outlast_subsystem::registry::Meta;

thread_local! {
    static SCRATCH: OnceCell<Scratch> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let allowed = 16 * 1024 + 4 * data.len();
    let Ok(meta) = within(allowed, || Meta::parse(data)) else {
        return;
    };
    SCRATCH.with(|scratch| {
        let directory = scratch.get_or_init(Scratch::new).directory("session");
        meta.write(&directory).expect("what was read is written");
        let again = Meta::read(&directory).expect("what was written is read");
        assert_eq!(again, meta);
    });
    let listed = ToClient::from(Listed {
        sessions: vec![meta.info(Life::Broken("it was killed".into()))],
        more: false,
    });
    listed.head(0).expect("it fits into a frame");
});
