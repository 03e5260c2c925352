//! Reads options and files in ssh's order into [`Values`].

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Location};
use super::form::Form;
use super::matching::{Conditions, Subject, host_applies};
use super::tokens::home_expanded;
use super::values::Values;
use super::{glob, line};
use crate::ssh::{Destination, SshOptions};

const MAX_INCLUDE_DEPTH: usize = 16;

/// What stands on the command line, which wins over every file.
pub(super) fn options(
    destination: &Destination,
    options: &SshOptions,
) -> Result<Values, ConfigError> {
    let mut values = Values::default();
    let location = Location {
        file: "command line".into(),
        line: 0,
    };
    if let Some(port) = options.port {
        values.set("port", Form::Port, vec![port.to_string()], &location);
    }
    if let Some(login) = &options.login {
        values.set("user", Form::Word, vec![login.clone()], &location);
    }
    for identity in &options.identities {
        let identity = identity.to_string_lossy().into_owned();
        values.set("identityfile", Form::Each, vec![identity], &location);
    }
    for option in &options.options {
        let (keyword, rest) = line::split_keyword(option)
            .ok_or_else(|| ConfigError::invalid(&location, "an empty -o option"))?;
        if ["host", "match", "include"].contains(&keyword.to_ascii_lowercase().as_str()) {
            let reason = format!("{keyword} belongs into a file, not behind -o");
            return Err(ConfigError::invalid(&location, reason));
        }
        values.take(keyword, rest, true, &location)?;
    }
    if let Some(user) = &destination.user {
        values.set("user", Form::Word, vec![user.clone()], &location);
    }
    if let Some(port) = destination.port {
        values.set("port", Form::Port, vec![port.to_string()], &location);
    }
    Ok(values)
}

/// What the files ask of us beyond values.
#[derive(Default)]
pub(super) struct Findings {
    /// Whether `Match final` asks for a second reading.
    pub(super) want_final: bool,
    /// What the person should hear of.
    pub(super) notes: Vec<String>,
}

/// Reads the files into `values`. `lenient`: the installed `ssh` has taken files of such an owner
/// and mode, as Debian's does where a group has one member.
pub(super) fn files(
    values: &mut Values,
    subject: &Subject<'_>,
    options: &SshOptions,
    lenient: bool,
) -> Result<Findings, ConfigError> {
    let environment = subject.environment;
    let mut reader = Reader {
        values,
        subject,
        lenient,
        findings: Findings::default(),
        directory: environment.home.join(".ssh"),
        is_system: false,
    };
    match &options.config_file {
        Some(file) if file.as_os_str().eq_ignore_ascii_case("none") => {}
        Some(file) => reader.file(file, true, false, 0)?,
        None => {
            let user_file = reader.directory.join("config");
            reader.optional_file(&user_file, true)?;
            let system = &environment.system_config;
            reader.directory = system.parent().unwrap_or(Path::new("/")).to_path_buf();
            reader.is_system = true;
            reader.optional_file(system, false)?;
        }
    }
    Ok(reader.findings)
}

struct Reader<'a> {
    values: &'a mut Values,
    subject: &'a Subject<'a>,
    lenient: bool,
    findings: Findings,
    /// What a relative `Include` is relative to.
    directory: PathBuf,
    is_system: bool,
}

impl Reader<'_> {
    /// ssh goes on without a file it cannot read.
    fn optional_file(&mut self, path: &Path, check: bool) -> Result<(), ConfigError> {
        match self.file(path, true, check, 0) {
            Err(ConfigError::Unreadable { path: file, source }) if file == path => {
                if source.kind() != io::ErrorKind::NotFound {
                    let note = format!(
                        "cannot read {}, as ssh neither can: {source}",
                        file.display()
                    );
                    self.findings.notes.push(note);
                }
                Ok(())
            }
            other => other,
        }
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let Ok(metadata) = std::fs::metadata(path) else {
            return Ok(());
        };
        let foreign = ![0, self.subject.environment.uid].contains(&metadata.uid());
        if (foreign || metadata.mode() & 0o022 != 0) && !self.lenient {
            let path = path.to_path_buf();
            return Err(ConfigError::Permissions { path, foreign });
        }
        Ok(())
    }

    /// Reads one file. `reachable` is false inside a block that does not apply: nothing in the file
    /// can then apply, but it is still checked.
    fn file(
        &mut self,
        path: &Path,
        reachable: bool,
        check: bool,
        depth: usize,
    ) -> Result<(), ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        if check {
            self.check(path)?;
        }
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
                    active = reachable && host_applies(&patterns, self.subject);
                }
                "match" => active = self.match_line(rest, reachable, &location)?,
                "include" => self.include(rest, active, depth, &location)?,
                _ => self.values.take(keyword, rest, active, &location)?,
            }
        }
        Ok(())
    }

    fn match_line(
        &mut self,
        rest: &str,
        reachable: bool,
        location: &Location,
    ) -> Result<bool, ConfigError> {
        let invalid = |reason| ConfigError::invalid(location, reason);
        let words = line::arguments(rest).map_err(|reason| invalid(reason.to_owned()))?;
        let conditions = Conditions::parse(words).map_err(invalid)?;
        self.findings.want_final |= conditions.want_final();
        match reachable {
            true => conditions.apply(self.subject, self.values, location),
            false => Ok(false),
        }
    }

    fn include(
        &mut self,
        rest: &str,
        active: bool,
        depth: usize,
        location: &Location,
    ) -> Result<(), ConfigError> {
        for pattern in words(rest, "Include", location)? {
            let path = self.include_path(&pattern, location)?;
            for file in glob::files(&path) {
                if depth >= MAX_INCLUDE_DEPTH {
                    return Err(ConfigError::IncludeDepth {
                        location: location.clone(),
                    });
                }
                self.file(&file, active, true, depth + 1)?;
            }
        }
        Ok(())
    }

    fn include_path(&self, pattern: &str, location: &Location) -> Result<PathBuf, ConfigError> {
        let invalid = |reason| ConfigError::invalid(location, format!("Include: {reason}"));
        let tokens = self.subject.tokens(self.values);
        let pattern = tokens.text(pattern).map_err(invalid)?;
        if self.is_system && pattern.starts_with('~') {
            return Err(invalid(format!("`{pattern}` has no place in this file")));
        }
        let pattern = home_expanded(self.subject.environment, &pattern).map_err(invalid)?;
        // `join` leaves an absolute pattern as it is.
        Ok(self.directory.join(pattern))
    }
}

fn words(rest: &str, keyword: &str, location: &Location) -> Result<Vec<String>, ConfigError> {
    let words = line::arguments(rest).map_err(|reason| ConfigError::invalid(location, reason))?;
    if words.is_empty() || words.iter().any(String::is_empty) {
        let reason = format!("{keyword} names nothing");
        return Err(ConfigError::invalid(location, reason));
    }
    Ok(words)
}
