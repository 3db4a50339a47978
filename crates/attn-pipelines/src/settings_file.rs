//! Settings as JSON files.

use std::fs;
use std::path::Path;

use attn_files::json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::translation::SettingsError;

/// Reads settings, or any other JSON of a run.
pub(crate) fn load<S: DeserializeOwned>(path: &Path) -> Result<S, SettingsError> {
    json::parse(&read(path)?).map_err(|source| SettingsError::Parse { path: path.into(), source })
}

/// Writes settings, whole or not at all.
pub(crate) fn save(settings: &impl Serialize, path: &Path) -> Result<(), SettingsError> {
    json::write(path, settings).map_err(|source| SettingsError::Write { path: path.into(), source })
}

/// `settings`, changed by what a file says: any part of those that are structures, such as `training`
/// or `model.block`, and others, which are choices, whole.
pub(crate) fn overlaid<S: Serialize + DeserializeOwned>(
    settings: &S,
    path: &Path,
    structures: &[&str],
) -> Result<S, SettingsError> {
    let text = read(path)?;
    let parse = |source| SettingsError::Parse { path: path.into(), source };
    let changes: Value = json::parse(&text).map_err(parse)?;
    let mut all = serde_json::to_value(settings).expect("settings are plain data");
    overlay(&mut all, changes, "", structures).map_err(|refused| match refused {
        Refused::Unknown { key, expected } => {
            SettingsError::UnknownKey { path: path.into(), key, expected }
        }
        Refused::NoObject { key, found } => {
            let (line, message) = (line_of(&text, &key), format!("{found}, expected an object"));
            SettingsError::Value { path: path.into(), key, line, message }
        }
    })?;
    serde_path_to_error::deserialize(all).map_err(|error| {
        let key = error.path().to_string();
        let (line, message) = (line_of(&text, &key), error.inner().to_string());
        SettingsError::Value { path: path.into(), key, line, message }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    fs::read(path).map_err(|source| SettingsError::Read { path: path.into(), source })
}

/// Keys of earlier versions, which settings still take but no longer write.
const EARLIER: [&str; 2] = ["model.block.softcap", "model.block.attention_dropout"];

/// What cannot be put over settings.
enum Refused {
    /// An unknown key, and those that it could have been.
    Unknown { key: String, expected: String },
    /// A structure that is given as something else. A list would be taken for its values in order.
    NoObject { key: String, found: Value },
}

/// Puts `changes` over `settings`.
fn overlay(
    settings: &mut Value,
    changes: Value,
    place: &str,
    structures: &[&str],
) -> Result<(), Refused> {
    let is_structure = place.is_empty() || structures.contains(&place);
    match (settings, changes) {
        (Value::Object(known), Value::Object(changes)) if is_structure => {
            for (key, change) in changes {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                if EARLIER.contains(&place.as_str()) {
                    known.entry(&key).or_insert(Value::Null);
                }
                let Some(value) = known.get_mut(&key) else {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    return Err(Refused::Unknown { key: place, expected: names.join(", ") });
                };
                overlay(value, change, &place, structures)?;
            }
        }
        (Value::Object(_), found) if is_structure && !found.is_null() => {
            return Err(Refused::NoObject { key: place.into(), found });
        }
        (value, change) => *value = change,
    }
    Ok(())
}

/// The line, from 1, of a key with those around it, `training.max_steps`, in a JSON text; that of the
/// closest key around it that is there.
fn line_of(text: &[u8], key: &str) -> usize {
    let wanted: Vec<&str> = key.split('.').collect();
    let (mut line, mut found, mut depth_found) = (1, 1, 0);
    // The last key of every object that is open; an array has none.
    let mut keys: Vec<String> = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'\n' => line += 1,
            b'{' | b'[' => keys.push(String::new()),
            b'}' | b']' => drop(keys.pop()),
            b'"' => {
                let mut end = start;
                while let Some((at, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => {
                            end = at;
                            break;
                        }
                        _ => {}
                    }
                }
                let is_key = text[end + 1..].trim_ascii_start().first() == Some(&b':');
                let depth = keys.len();
                if let (true, Some(last)) = (is_key, keys.last_mut()) {
                    *last = String::from_utf8_lossy(&text[start + 1..end]).into_owned();
                    if depth > depth_found && depth <= wanted.len() && keys[..] == wanted[..depth] {
                        (found, depth_found) = (line, depth);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_on_its_line_by_all_keys_around_it() {
        let text = br#"{
            "a": {"\"b": [{"c": 1}],
                  "d": {"c": 2},
                  "c": "c:"},
            "c":
                3
        }"#;
        for (key, line) in [
            ("a", 2),
            ("a.c", 4),
            ("a.d.c", 3),
            ("c", 5),
            ("a.d.none", 3),
            ("none", 1),
            ("a.c.x", 4),
        ] {
            assert_eq!(line_of(text, key), line, "{key}");
        }
    }
}
