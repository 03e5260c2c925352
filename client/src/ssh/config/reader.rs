//! Reads options and files in ssh's order into [`Values`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Location};
use super::matching::{Subject, host_applies, match_applies};
use super::values::Values;
use super::{glob, keyword::Form, line};
use crate::ssh::{Destination, Environment, SshOptions};

const MAX_INCLUDE_DEPTH: usize = 16;

pub(super) fn read(
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<Values, ConfigError> {
    let mut reader = Reader {
        values: Values::default(),
        subject: Subject {
            host: &destination.host,
            local_user: &environment.user,
        },
        environment,
        directory: environment.home.join(".ssh"),
    };
    reader.take_options(destination, options)?;
    match &options.config_file {
        Some(file) if file.as_os_str() == "none" => {}
        Some(file) => reader.file(file, true, 0)?,
        None => {
            let user_file = reader.directory.join("config");
            reader.optional_file(&user_file, true)?;
            reader.directory = environment
                .system_config
                .parent()
                .unwrap_or(Path::new("/"))
                .to_path_buf();
            reader.optional_file(&environment.system_config, false)?;
        }
    }
    Ok(reader.values)
}

struct Reader<'a> {
    values: Values,
    subject: Subject<'a>,
    environment: &'a Environment,
    /// What a relative `Include` is relative to.
    directory: PathBuf,
}

impl Reader<'_> {
    fn take_options(
        &mut self,
        destination: &Destination,
        options: &SshOptions,
    ) -> Result<(), ConfigError> {
        let location = Location {
            file: "command line".into(),
            line: 0,
        };
        if let Some(port) = options.port {
            self.values.set("port", Form::Port, vec![port.to_string()]);
        }
        if let Some(login) = &options.login {
            self.values.set("user", Form::Word, vec![login.clone()]);
        }
        for identity in &options.identities {
            let identity = identity.to_string_lossy().into_owned();
            self.values.set("identityfile", Form::Each, vec![identity]);
        }
        for option in &options.options {
            let (keyword, rest) = line::split_keyword(option)
                .ok_or_else(|| ConfigError::invalid(&location, "an empty -o option"))?;
            self.values.take(keyword, rest, true, &location)?;
        }
        if let Some(user) = &destination.user {
            self.values.set("user", Form::Word, vec![user.clone()]);
        }
        if let Some(port) = destination.port {
            self.values.set("port", Form::Port, vec![port.to_string()]);
        }
        Ok(())
    }

    fn optional_file(&mut self, path: &Path, check: bool) -> Result<(), ConfigError> {
        match std::fs::metadata(path) {
            Ok(metadata) => {
                let owners = [0, self.environment.uid];
                if check && (metadata.mode() & 0o022 != 0 || !owners.contains(&metadata.uid())) {
                    return Err(ConfigError::Permissions {
                        path: path.to_path_buf(),
                    });
                }
                self.file(path, true, 0)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(ConfigError::Unreadable {
                path: path.to_path_buf(),
                source,
            }),
        }
    }

    /// Reads one file. `reachable` is false inside a block that does not apply: nothing in the file
    /// can then apply, but it is still checked.
    fn file(&mut self, path: &Path, reachable: bool, depth: usize) -> Result<(), ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let mut active = reachable;
        let mut location = Location {
            file: path.display().to_string(),
            line: 0,
        };
        for text_line in text.lines() {
            location.line += 1;
            let Some((keyword, rest)) = line::split_keyword(text_line) else {
                continue;
            };
            match keyword.to_ascii_lowercase().as_str() {
                "host" => {
                    let patterns = words(rest, "Host", &location)?;
                    active = reachable && host_applies(&patterns, &self.subject);
                }
                "match" if !reachable => active = false,
                "match" => active = match_applies(rest, &self.subject, &self.values, &location)?,
                "include" => self.include(rest, active, depth, &location)?,
                _ => self.values.take(keyword, rest, active, &location)?,
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        rest: &str,
        active: bool,
        depth: usize,
        location: &Location,
    ) -> Result<(), ConfigError> {
        if depth >= MAX_INCLUDE_DEPTH {
            return Err(ConfigError::IncludeDepth {
                location: location.clone(),
            });
        }
        for pattern in words(rest, "Include", location)? {
            let path = match pattern.strip_prefix("~/") {
                Some(below_home) => self.environment.home.join(below_home),
                // `join` leaves an absolute pattern as it is.
                None => self.directory.join(&pattern),
            };
            for file in glob::files(&path) {
                self.file(&file, active, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn words(rest: &str, keyword: &str, location: &Location) -> Result<Vec<String>, ConfigError> {
    let words = line::arguments(rest).map_err(|reason| ConfigError::invalid(location, reason))?;
    if words.is_empty() {
        return Err(ConfigError::invalid(
            location,
            format!("{keyword} names nothing"),
        ));
    }
    Ok(words)
}
