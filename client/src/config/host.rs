//! `[host."PATTERN"]`: what holds for the hosts that fit.

use globset::{GlobBuilder, GlobMatcher};
use outlast_protocol::control::target::Transport;

use super::document::Entry;
use super::error::ConfigError;

/// One section.
#[derive(Clone, Debug)]
pub(super) struct HostSection {
    pattern: GlobMatcher,
    pub(super) transport: Option<Transport>,
}

impl HostSection {
    pub(super) fn parse(section: Entry<'_>) -> Result<Self, ConfigError> {
        let pattern = GlobBuilder::new(&section.key)
            .case_insensitive(true)
            .build()
            .map_err(|error| ConfigError::Pattern {
                place: section.place.clone(),
                pattern: section.key.clone(),
                reason: error.kind().to_string(),
            })?
            .compile_matcher();
        let mut transport = None;
        for entry in section
            .table("a section of its own")?
            .entries(&["transport"])?
        {
            transport = Some(entry.choice(&TRANSPORTS, "\"native\" or \"openssh\"")?);
        }
        Ok(Self { pattern, transport })
    }

    /// Whether a host of that name belongs to it.
    pub(super) fn fits(&self, host: &str) -> bool {
        self.pattern.is_match(host)
    }
}

const TRANSPORTS: [(&str, Transport); 2] = [
    ("native", Transport::Native),
    ("openssh", Transport::OpenSsh),
];
