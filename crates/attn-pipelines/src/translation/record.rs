//! What gives the weights of a translator their meaning beside its data.

use attn_train::RunRecord;

use super::{Architecture, Settings};
use crate::{Error, RunDir, run_record};

/// The settings of the model and both tokenizers.
///
/// # Errors
///
/// Fails if a tokenizer cannot be read.
pub(super) fn of_run<C: Architecture>(
    settings: &Settings<C>,
    run: &RunDir,
) -> Result<RunRecord, Error> {
    run_record::of_run(
        &settings.model,
        &[
            ("the source tokenizer", run.source_tokenizer()),
            ("the target tokenizer", run.target_tokenizer()),
        ],
    )
}
