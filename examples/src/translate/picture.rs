//! How a translation attended to its source, as a picture.

use std::path::Path;

use attn_train::tokenizer::EOS;
use attn_viz::AlignmentPicture;

use super::{Error, Translation, Translator};

/// Writes a picture with a panel for every head of every decoder layer, whose rows are the tokens
/// of the translation, each of which looks at the tokens of the source.
///
/// # Errors
///
/// Fails if the file cannot be written, or there is nothing to show: a source without tokens.
pub fn draw(
    translator: &Translator,
    source: &[u32],
    translation: &Translation,
    path: &Path,
) -> Result<(), Error> {
    let alignments = translator.alignments(source, &translation.tokens);
    let panels = alignments.layers * alignments.heads;
    let name = |panel| {
        let (layer, head) = (panel / alignments.heads, panel % alignments.heads);
        format!("layer {}, head {}", layer + 1, head + 1)
    };
    let vocabulary = translator.vocabulary();
    let title = format!("{} → {}", vocabulary.source.decode(source)?, translation.text);
    let written = [translation.tokens.as_slice(), &[EOS]].concat();
    AlignmentPicture::new(
        panels,
        vocabulary.target.labels(&written)?,
        vocabulary.source.labels(source)?,
        alignments.weights,
    )?
    .with_head_names((0..panels).map(name))?
    .with_title(title)
    .with_axes("target", "source")
    .save(path)?;
    Ok(())
}
