//! A TOML text whose parts know in which line they are.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Place};

/// A file's text.
pub(super) struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

/// A table of it.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    /// In the order of the text.
    entries: Vec<(Spanned<String>, Spanned<DeValue<'a>>)>,
}

/// A key and its value.
pub(super) struct Entry<'a> {
    document: &'a Document<'a>,
    pub(super) key: String,
    /// Where the key is.
    pub(super) place: Place,
    value: Spanned<DeValue<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    pub(super) fn root(&'a self) -> Result<Table<'a>, ConfigError> {
        let root = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().map_or(0, |span| span.start)),
            message: error.message().trim().replace('\n', "; "),
        })?;
        Ok(Table::new(self, root.into_inner()))
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Place {
            file: self.path.to_owned(),
            line: before.matches('\n').count().saturating_add(1),
        }
    }
}

impl<'a> Table<'a> {
    fn new(document: &'a Document<'a>, table: DeTable<'a>) -> Self {
        let mut entries: Vec<_> = table
            .into_iter()
            .map(|(key, value)| {
                let span = key.span();
                (Spanned::new(span, key.into_inner().into_owned()), value)
            })
            .collect();
        // The map has them by name.
        entries.sort_by_key(|(key, _)| key.span().start);
        Self { document, entries }
    }

    /// Its entries, whatever their keys.
    pub(super) fn all(self) -> impl Iterator<Item = Entry<'a>> {
        let document = self.document;
        self.entries.into_iter().map(move |(key, value)| Entry {
            document,
            place: document.place(key.span().start),
            key: key.into_inner(),
            value,
        })
    }

    /// Its entries, if their keys are all among those.
    pub(super) fn entries(
        self,
        known: &'static [&'static str],
    ) -> Result<Vec<Entry<'a>>, ConfigError> {
        self.all()
            .map(|entry| match known.contains(&entry.key.as_str()) {
                true => Ok(entry),
                false => Err(ConfigError::UnknownKey {
                    place: entry.place,
                    key: entry.key,
                    known,
                }),
            })
            .collect()
    }
}

impl<'a> Entry<'a> {
    /// Its value as a table.
    pub(super) fn table(self, wanted: &'static str) -> Result<Table<'a>, ConfigError> {
        let place = self.value_place();
        match self.value.into_inner() {
            DeValue::Table(table) => Ok(Table::new(self.document, table)),
            other => Err(ConfigError::Value {
                place,
                key: self.key,
                value: format!("{} {}", article(&other), other.type_str()),
                wanted,
            }),
        }
    }

    /// Its value as one of those words.
    pub(super) fn choice<T: Copy>(
        &self,
        words: &[(&str, T)],
        wanted: &'static str,
    ) -> Result<T, ConfigError> {
        let value = self.value.get_ref();
        let chosen = value
            .as_str()
            .and_then(|text| words.iter().find(|(word, _)| *word == text));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let value = match value.as_str() {
                Some(text) => format!("{text:?}"),
                None => format!("{} {}", article(value), value.type_str()),
            };
            ConfigError::Value {
                place: self.value_place(),
                key: self.key.clone(),
                value,
                wanted,
            }
        })
    }

    fn value_place(&self) -> Place {
        self.document.place(self.value.span().start)
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Integer(_) | DeValue::Array(_) => "an",
        _ => "a",
    }
}
