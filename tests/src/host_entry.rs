//! What a client machine knows about a host: its `Host` block, its known host key, its own key's
//! place in the server's `authorized_keys`.

use std::net::SocketAddr;

use crate::client::ClientMachine;
use crate::sshd::Sshd;

/// Made by [`ClientMachine::host`]; takes effect with [`HostEntry::add`].
pub struct HostEntry<'a> {
    machine: &'a ClientMachine,
    sshd: &'a Sshd,
    alias: String,
    address: SocketAddr,
    known: bool,
    authorized: bool,
    extra: Vec<String>,
}

impl<'a> HostEntry<'a> {
    pub(crate) fn new(machine: &'a ClientMachine, alias: &str, sshd: &'a Sshd) -> Self {
        Self {
            machine,
            sshd,
            alias: alias.to_owned(),
            address: sshd.address(),
            known: true,
            authorized: true,
            extra: Vec::new(),
        }
    }

    /// Reaches the server through something else: a [`crate::Proxy`].
    pub fn via(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// The machine has never seen this server's host key.
    pub fn unknown(mut self) -> Self {
        self.known = false;
        self
    }

    /// The server does not accept this machine's key.
    pub fn unauthorized(mut self) -> Self {
        self.authorized = false;
        self
    }

    /// One more line for the `Host` block.
    pub fn option(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }

    pub fn add(self) {
        if self.authorized {
            self.sshd.authorize(&self.machine.public_key());
        }
        if self.known {
            self.machine
                .trust(&self.sshd.known_hosts_line(self.address));
        }
        let mut block = format!(
            "Host {}\n  HostName {}\n  Port {}\n",
            self.alias,
            self.address.ip(),
            self.address.port()
        );
        for line in &self.extra {
            block.push_str(&format!("  {line}\n"));
        }
        self.machine.configure(&block);
    }
}
