//! JSON that somebody wrote by hand: errors name the key and the line.

use std::collections::HashSet;
use std::path::Path;
use std::{fmt, io};

use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Text that is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonError {
    /// The key with those around it, `training.max_steps`; empty where no key is to blame.
    pub key: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, line, column, message } = self;
        match key.as_str() {
            "" => write!(f, "line {line}, column {column}: {message}"),
            key => write!(f, "{key}, line {line}: {message}"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Writes a value as JSON for people, [whole or not at all](crate::write()).
///
/// # Errors
/// If the system refuses.
///
/// # Panics
/// If the value has no JSON form, as a map has whose keys are no text.
pub fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(value).expect("a value with a JSON form");
    text.push('\n');
    crate::write(path, text.as_bytes())
}

/// Reads a value from JSON in UTF-8; a byte-order mark before it is skipped.
///
/// # Errors
/// If the text is not JSON, an object has a key twice, or the value is not of the type `T`.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    // First: which of two values a key has must not be left to chance in types that take any key.
    deserialize::<UniqueKeys>(text)?;
    deserialize(text)
}

fn deserialize<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = match error.path().to_string() {
            // Where there is no value, there is no key that it belongs to.
            _ if !error.inner().is_data() => String::new(),
            root if root == "." => String::new(),
            key => key,
        };
        json_error(key, error.inner())
    })?;
    json.end().map_err(|error| json_error(String::new(), &error))?;
    Ok(value)
}

fn json_error(key: String, error: &serde_json::Error) -> JsonError {
    let (line, column) = (error.line(), error.column());
    // serde_json ends its message with the place, which has fields of its own here.
    let message = error.to_string();
    let place = format!(" at line {line} column {column}");
    let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
    JsonError { key, line, column, message }
}

/// Any JSON in which no object has a key twice.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key `{twice}` is there twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}
