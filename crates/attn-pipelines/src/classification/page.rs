//! A page of sentences with each word shaded by its weight.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::training::Prediction;
use super::words::words;
use super::{Review, SplitResult};
use crate::io_error::IoError;

/// Test sentences, and what models say of them.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Number of the split that they are of, from 1.
    pub(super) split: usize,
    pub(super) reviews: Vec<Review>,
    pub(super) models: Vec<ModelPredictions>,
}

/// What one model says of them, in their order.
#[derive(Debug, Clone)]
pub(super) struct ModelPredictions {
    pub(super) model: String,
    pub(super) predictions: Vec<Prediction>,
}

/// Writes the page of a split into a folder, whole or not at all; returns its path.
///
/// # Errors
///
/// Fails if the system refuses.
pub fn write(folder: &Path, result: &SplitResult) -> Result<PathBuf, IoError> {
    let path = folder.join("sentiment.html");
    attn_files::write(&path, page(&result.shown).as_bytes()).map_err(IoError::writing(&path))?;
    Ok(path)
}

/// Shades are of one hue that is readable behind the text of either scheme, up to this opacity.
const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 16px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  background: #fff; color: #1f2937; }
h1 { font-size: 1.4rem; }
article { border-top: 1px solid #8884; padding: .6rem 0; }
p { margin: .15rem 0; }
small { color: #6b7280; }
.wrong { color: #b42318; }
.word { background: rgb(37 99 235 / calc(var(--w) * .45)); border-radius: .2em; padding: .05em .1em; }
@media (prefers-color-scheme: dark) {
  body { background: #111827; color: #f3f4f6; }
  small { color: #9ca3af; }
  .wrong { color: #fda29b; }
  .word { background: rgb(96 165 250 / calc(var(--w) * .5)); }
}
";

/// The page as one document that needs no other.
fn page(shown: &Shown) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Where the models looked</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Where the models looked</h1>\n\
         <p>Test sentences of split {}, with each word shaded by its weight; the one with the \
         strongest shade has the largest. Point at a word to see the number.</p>\n",
        shown.split
    );
    for (number, review) in shown.reviews.iter().enumerate() {
        let _ = writeln!(html, "<article>\n<p><small>label: {}</small></p>", name(review.praise));
        for model in &shown.models {
            let prediction = &model.predictions[number];
            let Some(weights) = &prediction.weights else { continue };
            let class = if prediction.is_right(review.praise) { "right" } else { "wrong" };
            let praise = prediction.praise > 0.5;
            let sure = if praise { prediction.praise } else { 1.0 - prediction.praise };
            let _ = writeln!(
                html,
                "<p>{} <small>{}: <span class=\"{class}\">{}, {:.0} %</span></small></p>",
                shaded(&review.sentence, weights),
                escape(&model.model),
                name(praise),
                100.0 * sure
            );
        }
        html += "</article>\n";
    }
    html + "</body>\n</html>\n"
}

fn name(praise: bool) -> &'static str {
    if praise { "praise" } else { "complaint" }
}

/// The sentence with its words in spans; those behind the last weight are left plain.
fn shaded(sentence: &str, weights: &[f32]) -> String {
    let largest = weights.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut html = String::new();
    let mut end = 0;
    for (word, weight) in words(sentence).into_iter().zip(weights) {
        let share = weight / largest;
        let _ = write!(
            html,
            "{}<span class=\"word\" style=\"--w:{share:.3}\" title=\"{weight:.3}\">{}</span>",
            escape(&sentence[end..word.place.start]),
            escape(&sentence[word.place.clone()])
        );
        end = word.place.end;
    }
    html + &escape(&sentence[end..])
}

/// Text as HTML, also within quotation marks. Control characters, which HTML may not hold, are
/// replaced.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            c if c.is_control() => html.push(if c.is_whitespace() { ' ' } else { '\u{fffd}' }),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_shaded_and_escaped() {
        assert_eq!(
            shaded("a <b> &\u{85}\u{1}", &[0.2, 0.4]),
            "<span class=\"word\" style=\"--w:0.500\" title=\"0.200\">a</span> \
             <span class=\"word\" style=\"--w:1.000\" title=\"0.400\">&lt;</span>\
             b&gt; &amp; \u{fffd}"
        );
    }
}
