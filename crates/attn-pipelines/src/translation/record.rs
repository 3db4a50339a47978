//! What gives the weights of a run their meaning beside its data.

use std::fs;

use attn_train::RunRecord;

use super::{Architecture, Settings};
use crate::{Error, IoError, RunDir};

/// The settings of the model, since with twice the heads the same weights are another model, and the
/// tokenizers, since with others the same ids are other words.
///
/// # Errors
///
/// Fails if a tokenizer cannot be read.
pub(super) fn of_run<C: Architecture>(
    settings: &Settings<C>,
    run: &RunDir,
) -> Result<RunRecord, Error> {
    let mut record = RunRecord::new().with_config("model", &settings.model);
    for (name, path) in [
        ("the source tokenizer", run.source_tokenizer()),
        ("the target tokenizer", run.target_tokenizer()),
    ] {
        let what = || format!("cannot read {}", path.display());
        let content = fs::read(&path).map_err(|source| IoError { what: what(), source })?;
        record = record.with_content(name, &content);
    }
    Ok(record)
}
