//! Who did what with which session, for the system's log: one line an event, sent as a datagram to
//! whoever listens on `/dev/log` (systemd-journald, rsyslog, syslog-ng, busybox), and forgotten.
//!
//! It is for accountability: the process that writes the lines is the user's own. What it must never
//! do is hold up a session, so nothing here waits and nothing here fails; a line that nobody took is
//! counted, and the next one that is taken tells how many there were.

mod fingerprint;
mod line;
mod login;
mod settings;
mod trail;

pub use line::{LONGEST, Line};
pub use login::Login;
pub use settings::{Policy, Settings};
pub use trail::Trail;
