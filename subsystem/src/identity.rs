//! Who this process says it is in a greeting.

use outlast_protocol::hello::Hello;
use outlast_protocol::link::connection::hello;
use outlast_rendezvous::machine::{host_name, user_name};

/// The greeting of this program.
#[must_use]
pub fn greeting() -> Hello {
    let program = concat!("outlast-subsystem/", env!("CARGO_PKG_VERSION"));
    hello(program, &user_name(), &host_name())
}
