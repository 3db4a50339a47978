//! The search over a batch of sentences.

use super::{BeamConfig, sentence::Sentence};
use crate::{GenerateError, Hypothesis, Start, StepDecoder, logits::Scores, start::Position};

/// The most probable sequences the beam finds: for each row of `start`, up to `n_best` hypotheses,
/// the best first.
///
/// At every step the hypotheses of a sentence are extended by every token, and the `beams` most
/// probable extensions that do not end live on. An extension by the end token is a result if it is
/// among the `beams` most probable of all. Results are ranked by [`BeamConfig::score`]; a hypothesis
/// that is cut at its maximum length ranks behind all that ended. Fewer than `n_best` come back
/// only if the beam met no more.
///
/// A hypothesis is dropped as soon as none of its continuations can be a result, and a sentence is
/// done when none is left: the score of a continuation is at most `log_prob / lp(max_len)`. This
/// never changes the result, whatever the length penalty, so there is no option for it; a small
/// maximum length makes it bite early. What is dropped or done leaves the model's state.
///
/// With a beam as wide as there are sequences, the result is the true optimum; with one beam and
/// `length_penalty = 0`, that of [`greedy`](crate::greedy).
///
/// # Errors
/// If `config` or a row's own maximum length is out of range, the model's logits are no distribution,
/// or a coverage penalty is configured and the model returns no attention.
///
/// # Panics
/// If a coverage penalty is configured and the model's attention has not one row for each of its state.
pub fn beam_search<D: StepDecoder>(
    decoder: &D,
    start: Start<D::State>,
    config: &BeamConfig,
) -> Result<Vec<Vec<Hypothesis>>, GenerateError> {
    config.validate()?;
    let (mut position, rows) = start.split(config.limits.max_len)?;
    let mut sentences: Vec<_> = rows.iter().map(|row| Sentence::new(row.max_len)).collect();

    let mut step = 0;
    while let Some(from) = position {
        let (logits, state) = from.logits(decoder);
        config.limits.check_end(logits.vocab())?;
        let attention = match config.coverage_penalty {
            None => None,
            Some(_) => Some(decoder.attention(&state).ok_or(GenerateError::NoAttention)?),
        };
        if let Some(found) = attention.as_ref().map(Vec::len) {
            assert_eq!(found, logits.rows(), "{found} rows of attention for {}", logits.rows());
        }
        let hidden = config.limits.hidden_after(step);

        // The rows of the state are the live hypotheses, sentence after sentence.
        let (mut parents, mut tokens, mut first) = (Vec::new(), Vec::new(), 0);
        for (row, sentence) in sentences.iter_mut().enumerate() {
            let count = sentence.live.len();
            let mut extensions = Vec::new();
            for parent in 0..count {
                let scores = Scores::new(logits.row(first + parent), row, step)?;
                if let Some(attention) = &attention {
                    sentence.cover(parent, &attention[first + parent], row, step)?;
                }
                extensions.extend(sentence.extensions(parent, &scores, hidden, config));
            }
            parents.extend(sentence.advance(extensions, config).into_iter().map(|p| first + p));
            tokens.extend(sentence.live.iter().filter_map(|partial| partial.tokens.last()));
            if sentence.live.is_empty() && sentence.done.is_empty() {
                return Err(GenerateError::NothingAllowed { row, step });
            }
            first += count;
        }
        position = Position::follow(decoder, state, logits.rows(), &parents, tokens);
        step += 1;
    }
    Ok(sentences.into_iter().map(|sentence| sentence.done).collect())
}
