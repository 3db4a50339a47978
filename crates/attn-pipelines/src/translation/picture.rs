//! How a translation attended to its source, as a picture.

use std::path::Path;

use attn_train::tokenizer::EOS;
use attn_viz::AlignmentPicture;

use super::{Translation, Translator};
use crate::Error;

/// Writes a picture with a panel for every attention, such as a head of a layer, whose rows are the tokens
/// of the translation, each of which attends to the tokens of the source.
///
/// # Errors
///
/// Fails if the file cannot be written, or there is nothing to show: a model without attention, or
/// a source without tokens.
pub fn draw(
    translator: &Translator,
    source: &[u32],
    translation: &Translation,
    path: &Path,
) -> Result<(), Error> {
    let Some(alignments) = translator.alignments(source, translation) else {
        return Err(Error::NoAttention);
    };
    let vocabulary = translator.vocabulary();
    let title = format!("{} → {}", vocabulary.source.decode(source)?, translation.text);
    // One that was cut off at the longest length wrote no end.
    let end: &[u32] = if translation.finished { &[EOS] } else { &[] };
    let written = [translation.tokens.as_slice(), end].concat();
    AlignmentPicture::new(
        alignments.names.len(),
        vocabulary.target.labels(&written)?,
        vocabulary.source.labels(source)?,
        alignments.weights,
    )?
    .with_head_names(alignments.names)?
    .with_title(title)
    .with_axes("target", "source")
    .save(path)?;
    Ok(())
}
