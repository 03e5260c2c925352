//! The way of lines to the system's log.

use std::os::unix::ffi::OsStringExt as _;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::net::{sendto, socket_with};

use super::line::Line;
use super::settings::{Policy, Settings};

/// Facility authpriv, severity info: what only administrators may read.
const PRIORITY: u8 = (10 << 3) | 6;

/// Sends lines.
pub struct Trail {
    settings: Settings,
    socket: Option<OwnedFd>,
    /// Lines that nobody took since the last that somebody did.
    lost: u64,
}

impl Trail {
    /// Sends them as is wanted.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = (settings.policy != Policy::Off)
            .then(|| socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok());
        Self {
            settings,
            socket: socket.flatten(),
            lost: 0,
        }
    }

    /// Whether anything is written at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.policy != Policy::Off
    }

    /// Whether commands are written.
    #[must_use]
    pub fn tells_commands(&self) -> bool {
        self.settings.policy == Policy::Commands
    }

    /// Sends a line, if its reader has room for it now.
    pub fn send(&mut self, line: &Line) {
        if !self.is_on() {
            return;
        }
        let text = self.datagram(line);
        // By name each time: it may be another by now that listens there.
        let address = SocketAddrUnix::new(&self.settings.socket);
        let sent = self.socket.as_ref().zip(address.ok());
        let sent = sent.map(|(socket, address)| {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            sendto(socket, text.as_bytes(), flags, &address)
        });
        self.lost = match sent {
            Some(Ok(_)) => 0,
            _ => self.lost.saturating_add(1),
        };
    }

    /// Without a time: whoever takes it has a clock, and knows the time zone of its log.
    fn datagram(&self, line: &Line) -> String {
        let (pid, uid) = (std::process::id(), rustix::process::getuid().as_raw());
        let mut text = format!("<{PRIORITY}>outlast-subsystem[{pid}]: {}", line.text());
        let mut rest = Line::default();
        let user = std::env::var_os("LOGNAME").unwrap_or_default();
        rest.field("user", user.into_vec())
            .number("uid", uid.into());
        if self.lost > 0 {
            rest.number("lost", self.lost);
        }
        text.push(' ');
        text.push_str(rest.text());
        text
    }
}
