//! A path in a JSON file: as text, or, if it is none, as its bytes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    Text(String),
    /// A file name in Latin-1, for example: what a Unix system takes, which is any bytes.
    Bytes {
        bytes: Vec<u8>,
    },
}

pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let record = match path.to_str() {
        Some(text) => Record::Text(text.to_owned()),
        None => Record::Bytes { bytes: path.as_os_str().as_encoded_bytes().to_vec() },
    };
    record.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    match Record::deserialize(deserializer)? {
        Record::Text(text) => Ok(text.into()),
        Record::Bytes { bytes } => from_bytes(bytes)
            .map(PathBuf::from)
            .ok_or_else(|| serde::de::Error::custom("the bytes are no path on this system")),
    }
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(Into::into)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Holder(#[serde(with = "super")] PathBuf);

    #[test]
    fn every_path_survives_its_record() {
        for (bytes, json) in [
            (&b"caf\xc3\xa9.tsv"[..], "\"café.tsv\""),
            (b"caf\xe9", r#"{"bytes":[99,97,102,233]}"#),
        ] {
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
            let text = serde_json::to_string(&Holder(path.clone())).unwrap();
            assert_eq!(text, json);
            assert_eq!(serde_json::from_str::<Holder>(&text).unwrap().0, path);
        }
    }
}
