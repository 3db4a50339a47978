//! What gives the weights of a run their meaning beside its data.

use std::fs;
use std::path::PathBuf;

use attn_train::RunRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, IoError};

/// The settings of the model, since with twice the heads the same weights are another model, and the
/// content of the files that say which words its ids are.
///
/// # Errors
///
/// Fails if a file cannot be read.
pub(crate) fn of_run<C: Serialize + DeserializeOwned>(
    model: &C,
    vocabularies: &[(&'static str, PathBuf)],
) -> Result<RunRecord, Error> {
    let mut record = RunRecord::new().with_config("model", model);
    for (name, path) in vocabularies {
        let what = || format!("cannot read {}", path.display());
        let content = fs::read(path).map_err(|source| IoError { what: what(), source })?;
        record = record.with_content(*name, &content);
    }
    Ok(record)
}
