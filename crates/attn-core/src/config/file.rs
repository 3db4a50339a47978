//! Configurations in JSON files.

use super::{ValueError, check_version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// The file is not JSON, has an unknown key, lacks one, or has a value of the wrong type.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there, naming the key.
        message: String,
    },
    /// The file is well formed, but describes no model.
    #[error("{} describes no model", path.display())]
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
/// The key `version`, or [`first_version`] where there is none, is judged before other keys are looked
/// at: a version later than `newest` has keys unknown to this build, and that it is later is the
/// better message.
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
    if let Ok(Versioned { version }) = serde_json::from_slice(&bytes)
        && let Err(unknown) = check_version(version, newest)
    {
        return Err(ConfigFileError::Invalid { path, source: unknown.into() });
    }
    let config = match serde_json::from_slice(&bytes) {
        Ok(config) => config,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return Err(ConfigFileError::Parse { path, line, column, message: what(&error) });
        }
    };
    match validate(&config) {
        Ok(()) => Ok(config),
        Err(source) => Err(ConfigFileError::Invalid { path, source }),
    }
}

/// Writes a configuration to a JSON file: beside `path`, synced, and renamed. Whoever reads `path`, at
/// any time, finds a whole file.
///
/// # Errors
/// If the file cannot be written.
pub fn save<E: Error + 'static>(
    config: &impl Serialize,
    path: &Path,
) -> Result<(), ConfigFileError<E>> {
    let write = || -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(config)?;
        json.push(b'\n');
        let beside = beside(path)?;
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(&json)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&beside);
        })
    };
    write().map_err(|source| ConfigFileError::Write { path: path.to_path_buf(), source })
}

/// A name in the same folder, since a rename is atomic only within one file system; and a new one in
/// each call, since two threads may save at once.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut name = name.to_os_string();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{call}.tmp", std::process::id()));
    Ok(path.with_file_name(name))
}

/// The message without the place, which the error carries in fields.
fn what(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointer::{PointerError, PointerGeneratorConfig};
    use tempfile::TempDir;

    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    enum Refused {
        #[error(transparent)]
        Value(#[from] ValueError),
        #[error(transparent)]
        Pointer(#[from] PointerError),
    }

    fn load_from(path: &Path) -> Result<PointerGeneratorConfig, ConfigFileError<Refused>> {
        load(path, 1, |config: &PointerGeneratorConfig| Ok(config.validate()?))
    }

    fn load_text(json: &str) -> Result<PointerGeneratorConfig, ConfigFileError<Refused>> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, json).unwrap();
        load_from(&path)
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        for d_input in [6, 7] {
            let config = PointerGeneratorConfig::new(4, 5, d_input);
            save::<Refused>(&config, &path).unwrap();
            assert_eq!(load_from(&path).unwrap(), config);
        }
        assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));
        let files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files, [path]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = load_text("{\n  \"d_context\": 4,\n  \"d_contexts\": 3\n}").unwrap_err();
        let ConfigFileError::Parse { line: 3, .. } = &error else { panic!("{error:?}") };
        let message = error.to_string();
        assert!(message.contains("config.json:3:14: unknown field `d_contexts`"), "{message}");
        let message = load_text("{\"d_context\": \"four\"}").unwrap_err().to_string();
        assert!(message.contains("config.json:1:20: invalid type: string \"four\""), "{message}");
        let message = load_text("{\"d_context\": 4").unwrap_err().to_string();
        assert!(message.contains("config.json:1:15: EOF while parsing an object"), "{message}");
        assert!(!message.contains(" at line "), "{message}");
    }

    #[test]
    fn what_the_caller_refuses_is_the_source() {
        let error = load_text(r#"{"d_context": 4, "d_state": 0, "d_input": 6}"#).unwrap_err();
        assert!(error.to_string().ends_with("config.json describes no model"), "{error}");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "pointer-generator: d_state must be at least 1, got 0");
    }

    #[test]
    fn the_version_is_judged_before_unknown_keys() {
        let error = load_text(r#"{"version": 2, "a_key_of_version_2": true}"#).unwrap_err();
        let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source, Refused::Value(ValueError::Version { version: 2, newest: 1 }));
    }

    #[test]
    fn a_file_that_cannot_be_read_or_written_is_named() {
        let folder = TempDir::new().unwrap();
        let error = load_from(&folder.path().join("missing.json")).unwrap_err();
        assert!(matches!(error, ConfigFileError::Read { .. }), "{error:?}");
        assert!(error.to_string().contains("missing.json"), "{error}");

        let config = PointerGeneratorConfig::new(4, 5, 6);
        let save = |path: &Path| save::<Refused>(&config, path).unwrap_err();
        let error = save(&folder.path().join("no-such-folder").join("config.json"));
        assert!(matches!(error, ConfigFileError::Write { .. }), "{error:?}");
        // A folder in the place of the file: writing beside succeeds, renaming does not.
        let error = save(folder.path());
        assert!(matches!(error, ConfigFileError::Write { .. }), "{error:?}");
        assert!(matches!(save(Path::new("..")), ConfigFileError::Write { .. }));
    }
}
