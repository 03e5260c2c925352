//! `[host."PATTERN"]`: what holds for the hosts that fit.

use globset::{GlobBuilder, GlobMatcher};
use outlast_protocol::control::target::Transport;

use super::document::Entry;
use super::error::{ConfigError, Place};

/// One section.
#[derive(Clone, Debug)]
pub(super) struct HostSection {
    pattern: GlobMatcher,
    pub(super) transport: Option<(Transport, Place)>,
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
            let word = entry.choice(&TRANSPORTS, "\"native\" or \"openssh\"")?;
            transport = Some((word, entry.place));
        }
        Ok(Self { pattern, transport })
    }

    /// As it is written.
    pub(super) fn pattern(&self) -> &str {
        self.pattern.glob().glob()
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

/// Its word in the file.
pub(super) fn word(transport: Transport) -> &'static str {
    let mut words = TRANSPORTS.iter();
    words
        .find(|(_, meant)| *meant == transport)
        .map_or("", |(word, _)| word)
}
