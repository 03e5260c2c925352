//! One connection of the way that an `ssh` goes: those through its jump hosts are told of by the
//! `ssh` that makes each, on the same standard error and one after the other.

use crate::ssh::Description;

/// A connection to one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leg {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub description: Description,
}

impl Leg {
    /// `HOST:PORT as 'USER'`
    pub(super) fn leads(&mut self, to: &str) {
        let (place, user) = to.split_once(" as '").unwrap_or((to, ""));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, ""));
        host.clone_into(&mut self.host);
        self.port = port.parse().unwrap_or_default();
        user.trim_end_matches('\'').clone_into(&mut self.user);
    }

    /// `CIPHER MAC: MAC compression: COMPRESSION`
    pub(super) fn ciphers(&mut self, agreed: &str) {
        let mut words = agreed.split(' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let about = &mut self.description;
        about.cipher = next();
        next();
        about.mac = match next() {
            within if within == "<implicit>" => String::new(),
            mac => mac,
        };
        next();
        about.compression = next();
    }

    /// What let us in.
    pub(super) fn authenticated(&mut self, methods: Vec<String>) {
        let accepted = &mut self.description.accepted;
        // A key that the server would have taken is not what let us in.
        if !methods.iter().any(|method| method == "publickey") {
            accepted.key.clear();
        }
        accepted.methods = methods;
    }
}
