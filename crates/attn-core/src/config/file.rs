//! Configurations in JSON files.

use super::{ValueError, check_version};
use attn_files::json::{self, JsonError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a configuration could not be read from a file or written to one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError<E: Error + 'static> {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not JSON, has an unknown key or one twice, lacks one, or has a value of the wrong
    /// type.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with key and line.
        error: JsonError,
    },
    /// The file is well formed, but its values are out of range or contradict each other.
    #[error("{} is not a valid configuration", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why, naming the key and its value.
        source: E,
    },
    /// The file cannot be written. One that was there before is still whole.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file without the key `version` is taken for one of the first version.
pub fn first_version() -> u32 {
    1
}

/// All that is read of a file before its version is known.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default = "first_version")]
    version: u32,
}

/// Reads a configuration from a JSON file.
///
/// The key `version`, or [`first_version`] where there is none, is checked before other keys: a version
/// later than `newest` may have keys unknown to this build, and that it is later is the better message.
///
/// # Errors
/// If the file cannot be read, is not of the JSON form, is of an unknown version, or `validate` refuses
/// it.
pub fn load<C: DeserializeOwned, E: Error + From<ValueError> + 'static>(
    path: &Path,
    newest: u32,
    validate: impl FnOnce(&C) -> Result<(), E>,
) -> Result<C, ConfigFileError<E>> {
    let path = path.to_path_buf();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ConfigFileError::Read { path, source }),
    };
    // What is wrong elsewhere is found below, with the whole of it.
    if let Ok(Versioned { version }) = json::parse(&bytes)
        && let Err(unknown) = check_version(version, newest)
    {
        return Err(ConfigFileError::Invalid { path, source: unknown.into() });
    }
    let config = match json::parse(&bytes) {
        Ok(config) => config,
        Err(error) => return Err(ConfigFileError::Parse { path, error }),
    };
    match validate(&config) {
        Ok(()) => Ok(config),
        Err(source) => Err(ConfigFileError::Invalid { path, source }),
    }
}

/// Writes a configuration to a JSON file, by [`attn_files::write`]: whoever reads `path`, at any time,
/// finds a whole file.
///
/// # Errors
/// If the file cannot be written.
pub fn save<E: Error + 'static>(
    config: &impl Serialize,
    path: &Path,
) -> Result<(), ConfigFileError<E>> {
    json::write(path, config)
        .map_err(|source| ConfigFileError::Write { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check_nonzero;
    use tempfile::TempDir;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Widths {
        d_context: usize,
        d_state: usize,
    }

    fn load_from(path: &Path) -> Result<Widths, ConfigFileError<ValueError>> {
        load(path, 1, |config: &Widths| check_nonzero("d_state", config.d_state))
    }

    fn load_text(json: &str) -> Result<Widths, ConfigFileError<ValueError>> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, json).unwrap();
        load_from(&path)
    }

    #[test]
    fn a_saved_configuration_loads_and_nothing_is_left_beside_its_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        for d_state in [6, 7] {
            let config = Widths { d_context: 4, d_state };
            save::<ValueError>(&config, &path).unwrap();
            assert_eq!(load_from(&path).unwrap(), config);
        }
        assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_file_key_and_line() {
        let message = |json| load_text(json).unwrap_err().to_string();
        let unknown = message("{\n  \"d_context\": 4,\n  \"d_contexts\": 3\n}");
        assert!(unknown.contains("config.json: d_contexts, line 3: unknown field"), "{unknown}");
        let wrong = message("{\"d_context\": \"four\"}");
        assert!(
            wrong.ends_with(
                "config.json: d_context, line 1: invalid type: string \"four\", expected usize"
            ),
            "{wrong}"
        );
        let twice = message("{\"d_context\": 4,\n\"d_context\": 5}");
        assert!(twice.contains("line 2, column 15: the key `d_context` is there twice"), "{twice}");
        let cut = message("{\"d_context\": 4");
        assert!(cut.contains("EOF while parsing an object"), "{cut}");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let config = load_text("\u{feff}{\"d_context\": 4, \"d_state\": 5}").unwrap();
        assert_eq!(config, Widths { d_context: 4, d_state: 5 });
    }

    #[test]
    fn what_the_caller_refuses_is_the_source() {
        let error = load_text(r#"{"d_context": 4, "d_state": 0}"#).unwrap_err();
        assert!(error.to_string().ends_with("config.json is not a valid configuration"), "{error}");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "d_state is 0, must be at least 1");
    }

    #[test]
    fn the_version_is_checked_before_unknown_keys() {
        let error = load_text(r#"{"version": 2, "a_key_of_version_2": true}"#).unwrap_err();
        let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source, ValueError::Version { version: 2, newest: 1 });
    }

    #[test]
    fn a_file_that_cannot_be_read_or_written_is_named() {
        let folder = TempDir::new().unwrap();
        let error = load_from(&folder.path().join("missing.json")).unwrap_err();
        assert!(matches!(error, ConfigFileError::Read { .. }), "{error:?}");
        assert!(error.to_string().contains("missing.json"), "{error}");

        let config = Widths { d_context: 4, d_state: 5 };
        let save = |path: &Path| save::<ValueError>(&config, path).unwrap_err();
        let error = save(&folder.path().join("no-such-folder").join("config.json"));
        assert!(matches!(error, ConfigFileError::Write { .. }), "{error:?}");
        // A folder in the place of the file.
        let error = save(folder.path());
        assert!(matches!(error, ConfigFileError::Write { .. }), "{error:?}");
        assert!(matches!(save(Path::new("..")), ConfigFileError::Write { .. }));
    }
}
