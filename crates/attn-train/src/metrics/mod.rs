//! How good predictions and translations are.
//!
//! [`bleu`] and [`chrf`] give the scores of sacrebleu with its default settings; quote their
//! [signature](Bleu::signature) beside them.
//!
//! ```
//! use attn_train::metrics::{bleu, chrf};
//!
//! let (hypotheses, references) = (["The cat sat on a mat."], ["The cat sat on the mat."]);
//! assert_eq!(format!("{:.2}", bleu(&hypotheses, &references).score), "48.89");
//! assert_eq!(format!("{:.2}", chrf(&hypotheses, &references).score), "65.80");
//! ```

mod accuracy;
mod bleu;
mod chrf;
mod references;
mod tokenize_13a;

pub use accuracy::{Accuracy, perplexity, sequence_accuracy, token_accuracy};
pub use bleu::{Bleu, bleu, bleu_multi};
pub use chrf::{Chrf, chrf, chrf_multi};
pub use tokenize_13a::tokenize_13a;

/// White space as Python's `str.split` sees it: that of Unicode and four ASCII separators.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
