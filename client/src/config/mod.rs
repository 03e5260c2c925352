//! The client's own configuration file: what ssh_config has no word for.
//!
//! Strict, so that a mistake is told and never passed over: what it does not know is an error that
//! names file, line, and what there is.

mod document;
mod error;
mod host;
mod setting;

use std::io;
use std::path::Path;

use outlast_protocol::control::target::Transport;

use document::Document;
pub use error::{ConfigError, Place};
use host::HostSection;
pub use setting::{Origin, Setting};

/// Its name in the client's configuration directory.
pub const FILE: &str = "config.toml";

/// What `outlast help config` prints.
pub const HELP: &str = include_str!("help.txt");

/// The file as read; everything has a default.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// In the order of the file.
    hosts: Vec<HostSection>,
}

impl Config {
    /// Reads the file in that directory; where there is none, nothing is set.
    pub fn load(directory: &Path) -> Result<Self, ConfigError> {
        let path = directory.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&Document::new(&path, &text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    fn parse(document: &Document<'_>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for entry in document.root()?.entries(&["host"])? {
            for section in entry.table("sections such as [host.\"web*\"]")?.all() {
                config.hosts.push(HostSection::parse(section)?);
            }
        }
        Ok(config)
    }

    /// What is to open connections to a host of that name, as typed: the first section of the file
    /// that fits and says so decides.
    pub fn transport(&self, host: &str) -> Option<Transport> {
        self.said_transport(host).map(|(transport, _)| transport)
    }

    fn said_transport(&self, host: &str) -> Option<(Transport, &Place)> {
        let mut fitting = self.hosts.iter().filter(|section| section.fits(host));
        fitting.find_map(|section| {
            section
                .transport
                .as_ref()
                .map(|(word, place)| (*word, place))
        })
    }

    /// What the file says, in its order.
    pub fn settings(&self) -> Vec<Setting> {
        let said = self.hosts.iter().filter_map(|section| {
            let (transport, place) = section.transport.as_ref()?;
            let name = format!("host.{:?}.transport", section.pattern());
            let origin = Origin::File(place.clone());
            Some(Setting::new(name, host::word(*transport), origin))
        });
        said.collect()
    }

    /// What holds for a host of that name, as typed.
    pub fn settings_of(&self, host: &str) -> Vec<Setting> {
        let (transport, origin) = match self.said_transport(host) {
            Some((transport, place)) => (transport, Origin::File(place.clone())),
            None => (Transport::default(), Origin::Default),
        };
        vec![Setting::new("transport", host::word(transport), origin)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(&Document::new(Path::new("config.toml"), text)).map_err(|error| {
            let hint = error.hint();
            format!("{error} ({hint})")
        })
    }

    #[test]
    fn the_first_section_that_fits_and_says_so_decides() {
        let text = "[host.'db1']\n\n[host.\"db*\"]\ntransport = \"openssh\"\n\
                    [host.'*']\ntransport = 'native'\n[host.'a*']\ntransport = 'openssh'";
        let config = parse(text).unwrap();
        for (host, transport) in [
            ("db1", Transport::OpenSsh),
            ("DB2.example.org", Transport::OpenSsh),
            ("web", Transport::Native),
            ("apple", Transport::Native),
        ] {
            assert_eq!(config.transport(host), Some(transport), "{host}");
        }
        assert_eq!(parse("").unwrap().transport("db1"), None);
        // Inline and dotted forms of TOML are the same thing.
        let config = parse("host.db.transport = \"openssh\"").unwrap();
        assert_eq!(config.transport("db"), Some(Transport::OpenSsh));
        assert_eq!(config.transport("db1"), None);
    }

    #[test]
    fn every_value_is_told_with_who_says_it() {
        let text = "[host.'db*']\n\ntransport = \"openssh\"\n[host.'*']\n";
        let config = parse(text).unwrap();
        let told = |settings: Vec<Setting>| {
            let [one] = settings.try_into().unwrap();
            let Setting {
                name,
                value,
                origin,
            } = one;
            (name, value, origin.to_string())
        };
        let words = |name: &str, value: &str, origin: &str| {
            (name.to_owned(), value.to_owned(), origin.to_owned())
        };
        let file = "config.toml:3";
        let all = words("host.\"db*\".transport", "openssh", file);
        assert_eq!(told(config.settings()), all);
        assert_eq!(
            told(config.settings_of("DB1")),
            words("transport", "openssh", file)
        );
        assert_eq!(
            told(config.settings_of("web")),
            words("transport", "native", "default")
        );
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_there_is() {
        for (text, says) in [
            ("x = 1", &["config.toml:1:", "`x`", "host"][..]),
            ("\n\n[hosts.a]", &["config.toml:3:", "`hosts`", "`host`?"]),
            (
                "[host.a]\ntransprot = \"openssh\"",
                &["config.toml:2:", "`transprot`", "`transport`?"],
            ),
            (
                "[host.a]\n\ntransport = \"russh\"",
                &["config.toml:3:", "\"russh\"", "\"native\" or \"openssh\""],
            ),
            (
                "[host.a]\ntransport = 1",
                &["config.toml:2:", "integer", "\"native\" or \"openssh\""],
            ),
            ("host = 1", &["config.toml:1:", "integer", "[host."]),
            ("[host]\na = 1", &["config.toml:2:", "integer", "section"]),
            ("[host.'a[']", &["config.toml:1:", "`a[`"]),
            ("[host.a]\n[host.a]", &["config.toml:2:", "duplicate"]),
            ("[host.a]\ntransport = ", &["config.toml:2:"]),
        ] {
            let error = parse(text).unwrap_err();
            for word in says {
                assert!(error.contains(word), "{word:?} in {error:?} of {text:?}");
            }
        }
    }

    #[test]
    fn help_shows_a_file_that_is_right() {
        let example: Vec<_> = HELP
            .lines()
            .skip_while(|line| !line.starts_with("  ["))
            .take_while(|line| line.starts_with("  ") || line.is_empty())
            .collect();
        let config = parse(&example.join("\n")).unwrap();
        assert_eq!(config.transport("db1"), Some(Transport::OpenSsh));
    }
}
