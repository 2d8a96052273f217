//! The values of settings by their keys, from the file, the environment and the command line.

use std::collections::BTreeMap;
use std::path::Path;

use zeroid_core::CREDENTIAL_RETENTION_DAYS;
use zeroid_token_core::limits::MAX_TTL_SECONDS;

use super::{KEYS, SettingsError};

/// How long ended credentials may be kept, in days: a day at least, so that what happened can be looked into; ten
/// years are for ever.
const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=3650;

/// The values by key, before they are understood.
#[derive(Clone, Default)]
pub struct Values(pub(super) BTreeMap<String, String>);

impl Values {
    /// Read a file and the environment; the environment wins.
    ///
    /// # Errors
    /// [`SettingsError`]: unreadable, not TOML, or an unknown key.
    pub fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut values = Self::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| SettingsError(format!("{}: {error}", path.display())))?;
            values
                .add_file(&text)
                .map_err(|error| SettingsError(format!("{}: {}", path.display(), error.0)))?;
        }
        for (name, value) in environment {
            let Some(key) = name.strip_prefix("ZEROID_").map(str::to_ascii_lowercase) else { continue };
            if !KEYS.contains(&key.as_str()) {
                // Test set-ups have variables of their own; a misspelt setting must not pass unnoticed.
                if key.starts_with("test_") {
                    continue;
                }
                return Err(SettingsError(format!("{name} is not a setting; known are {}", names())));
            }
            values.0.insert(key, value);
        }
        Ok(values)
    }

    pub(super) fn add_file(&mut self, text: &str) -> Result<(), SettingsError> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| SettingsError(error.message().to_owned()))?;
        for (key, value) in table {
            if !KEYS.contains(&key.as_str()) {
                return Err(SettingsError(format!(
                    "`{key}` is not a setting; known are {}",
                    KEYS.join(", ")
                )));
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Array(items) => {
                    let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                    texts.ok_or_else(|| SettingsError(format!("`{key}` must be a list of texts")))?.join(",")
                }
                _ => return Err(SettingsError(format!("`{key}` must be text, a number or a list of texts"))),
            };
            self.0.insert(key, text);
        }
        Ok(())
    }

    /// Set a value from the command line, if it was given.
    pub fn set(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value);
        }
    }

    pub(crate) fn take(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn parsed<T: std::str::FromStr<Err: ToString>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, SettingsError> {
        let parse = |text: &str| {
            text.parse().map_err(|error: T::Err| SettingsError(format!("{key}: {}", error.to_string())))
        };
        self.take(key).map(parse).transpose()
    }

    pub(super) fn retention(&self) -> Result<u32, SettingsError> {
        let days = self.parsed("credential_retention_days")?.unwrap_or(CREDENTIAL_RETENTION_DAYS);
        if RETENTION_DAYS.contains(&days) {
            return Ok(days);
        }
        let (least, most) = (RETENTION_DAYS.start(), RETENTION_DAYS.end());
        Err(SettingsError(format!("credential_retention_days must be {least} to {most}")))
    }

    pub(super) fn seconds(&self, key: &str, default: u32) -> Result<u32, SettingsError> {
        let seconds = self.parsed(key)?.unwrap_or(default);
        if (1..=MAX_TTL_SECONDS).contains(&seconds) {
            Ok(seconds)
        } else {
            Err(SettingsError(format!("{key} must be 1 to {MAX_TTL_SECONDS}")))
        }
    }
}

fn names() -> String {
    KEYS.map(|key| format!("ZEROID_{}", key.to_ascii_uppercase())).join(", ")
}
