//! Generated and copied words in one distribution.

use super::SourceWords;
use attn_core::half::at_least_f32;
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{FloatDType, Tensor};

/// A copied probability below this counts as none: the smallest number whose inverse f32 holds,
/// which the gradient of its logarithm is.
const LEAST: f32 = f32::MIN_POSITIVE;

/// The log-probability of a word that can neither be generated nor copied, `ln 2⁻¹²⁶`: so a loss of
/// it is finite, and large.
pub const IMPOSSIBLE: f32 = -126.0 * std::f32::consts::LN_2;

/// Logarithms of `p_gen P_vocab + (1 - p_gen) P_copy`, for a negative log-likelihood.
///
/// Taken in logarithms from the start, so that a word of small probability keeps its gradient. Of a
/// word that is not in the source, `P_copy` is 0 and drops out. A word that cannot be generated
/// either has the probability 0: its logarithm is [`IMPOSSIBLE`], which is finite, without a
/// gradient.
///
/// The probabilities sum to 1, or where a step sees no key, so that all its weights are 0, to
/// `p_gen`. Half precision is computed in f32, and returned as the logits were stored.
///
/// # Shapes
/// - `gate`: `[batch, steps]`, the logit of `p_gen`
/// - `logits`: `[batch, steps, vocabulary]`
/// - `weights`: `[batch, steps, keys]`
/// - result: `[batch, steps, extended]`
///
/// # Panics
/// If the shapes do not fit together, or the vocabulary is larger than the extended one.
pub fn mixture(
    gate: Tensor<2>,
    logits: Tensor<3>,
    weights: Tensor<3>,
    source: &SourceWords,
) -> Tensor<3> {
    let [batch, steps, vocabulary] = logits.dims();
    let extended = source.extended();
    assert!(
        vocabulary <= extended,
        "pointer-generator: a vocabulary of {vocabulary} does not fit in an extended one of {extended}"
    );
    let found = [gate.dims(), [weights.dims()[0], weights.dims()[1]]];
    assert_eq!(
        found,
        [[batch, steps]; 2],
        "pointer-generator: gate and weights of {found:?} do not fit logits {:?}: batch and steps must agree",
        logits.dims()
    );
    let storage = FloatDType::from(logits.dtype());
    let (gate, logits, weights) = (at_least_f32(gate), at_least_f32(logits), at_least_f32(weights));
    let gate = gate.unsqueeze_dim::<3>(2); // [b, t, 1]
    let generated = log_softmax(logits, 2) + log_sigmoid(gate.clone()); // [b, t, vocabulary]

    let copied = source.copy(weights); // [b, t, extended]
    let none = copied.clone().detach().lower_elem(LEAST);
    let copied = copied.mask_fill(none.clone(), 1.0).log() + log_sigmoid(gate.neg());

    let words = 0..vocabulary;
    let both = log_add_exp(generated.clone(), copied.clone().slice_dim(2, words.clone()));
    let known = both.mask_where(none.clone().slice_dim(2, words), generated);
    if vocabulary == extended {
        return known.cast(storage);
    }
    let beyond = vocabulary..extended;
    let none = none.slice_dim(2, beyond.clone());
    let unknown = copied.slice_dim(2, beyond).mask_fill(none, IMPOSSIBLE);
    Tensor::cat(vec![known, unknown], 2).cast(storage)
}

/// `ln(exp(a) + exp(b))` for a finite `b`.
fn log_add_exp(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    // The result does not depend on the shift, so no gradient passes through it.
    let max = a.clone().detach().max_pair(b.clone().detach());
    ((a - max.clone()).exp() + (b - max.clone()).exp()).log() + max
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn mix(gate: [usize; 2], logits: [usize; 3], weights: [usize; 3]) -> Tensor<3> {
        let device = Device::flex();
        let source =
            SourceWords::new(Tensor::from_data([[0, 1, 2], [3, 4, 0]], &device), 9).unwrap();
        let [logits, weights] = [logits, weights].map(|dims| Tensor::ones(dims, &device));
        mixture(Tensor::ones(gate, &device), logits, weights, &source)
    }

    #[test]
    #[should_panic(expected = "a vocabulary of 10 does not fit in an extended one of 9")]
    fn an_extended_vocabulary_is_no_smaller() {
        mix([2, 4], [2, 4, 10], [2, 4, 3]);
    }

    #[test]
    #[should_panic(expected = "gate and weights of [[2, 5], [2, 4]] do not fit logits [2, 4, 8]")]
    fn steps_must_agree() {
        mix([2, 5], [2, 4, 8], [2, 4, 3]);
    }
}
