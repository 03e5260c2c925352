//! Who this process says it is in a greeting.

use outlast_protocol::hello::Hello;
use outlast_protocol::link::connection::hello;

/// The greeting of this program.
#[must_use]
pub fn greeting() -> Hello {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()));
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    hello(
        concat!("outlast-subsystem/", env!("CARGO_PKG_VERSION")),
        &user,
        &host,
    )
}
