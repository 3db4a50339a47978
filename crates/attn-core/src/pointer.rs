//! Pointer-generator: words that are generated, or copied from what is attended to.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Device;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid};
use burn::tensor::{FloatDType, IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A copied probability below this counts as none: the smallest number whose inverse f32 holds,
/// which the gradient of its logarithm is.
const LEAST: f32 = f32::MIN_POSITIVE;

/// The log-probability of a word that can neither be generated nor copied, `ln 2⁻¹²⁶`: so a loss of
/// it is finite, and large.
pub const IMPOSSIBLE: f32 = -126.0 * std::f32::consts::LN_2;

/// What can be wrong with a pointer-generator or what it is to copy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// A size of zero.
    #[error("pointer-generator: {field} must be at least 1, got 0")]
    Zero {
        /// What it is the size of.
        field: &'static str,
    },
    /// A word that is not in the extended vocabulary.
    #[error(
        "source word {key} of row {row} has the id {id}, not in an extended vocabulary of {extended}"
    )]
    Id {
        /// The batch row.
        row: usize,
        /// The position in the source.
        key: usize,
        /// The id.
        id: i64,
        /// The size of the extended vocabulary.
        extended: usize,
    },
}

fn check_sizes(sizes: &[(&'static str, usize)]) -> Result<(), PointerError> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some(&(field, _)) => Err(PointerError::Zero { field }),
        None => Ok(()),
    }
}

/// The words of a batch of sources, as ids of a vocabulary that is extended by those it lacks.
///
/// Prepared once per batch, however many steps then copy from it.
#[derive(Clone, Debug)]
pub struct Source {
    /// `[batch, keys]`
    ids: Tensor<2, Int>,
    /// `[batch, keys, keys]`: 1 where the word of a row's key is first met at the column's.
    first: Tensor<3>,
    extended: usize,
}

impl Source {
    /// Sources whose ids are below `extended`, the size of the vocabulary with the out-of-vocabulary
    /// words of this batch behind it. The ids are read back to the host.
    ///
    /// Padding may have any id below that, as its weights are 0.
    ///
    /// # Shapes
    /// - `ids`: `[batch, keys]`
    ///
    /// # Errors
    /// If an id is negative or not below `extended`, or there is no batch, key or word at all.
    pub fn new(ids: Tensor<2, Int>, extended: usize) -> Result<Self, PointerError> {
        let [batch, keys] = ids.dims();
        check_sizes(&[("source batch", batch), ("source keys", keys), ("extended", extended)])?;
        let mut first = vec![0.0_f32; batch * keys * keys];
        let data = ids.clone().into_data();
        let (mut row, mut met) = (0, HashMap::new());
        for (n, id) in data.iter::<i64>().enumerate() {
            let key = n % keys;
            if n / keys != row {
                row = n / keys;
                met.clear();
            }
            if usize::try_from(id).map_or(true, |id| id >= extended) {
                return Err(PointerError::Id { row, key, id, extended });
            }
            first[n * keys + *met.entry(id).or_insert(key)] = 1.0;
        }
        let first = TensorData::new(first, [batch, keys, keys]);
        let first = Tensor::from_data(first, &ids.device().without_autodiff());
        Ok(Self { ids, first, extended })
    }

    /// Size of the extended vocabulary.
    pub fn extended(&self) -> usize {
        self.extended
    }

    /// The sources of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            ids: self.ids.select(0, rows.clone()),
            first: self.first.select(0, rows.clone()),
            ..self
        }
    }

    /// The copy distribution, the last term of See et al. (2017), equation 9: the weights of each
    /// word's positions in the source, summed.
    ///
    /// The same bits each time, on a GPU too: what a word got is summed by a product, of `keys²` per
    /// step, before it is scattered, so that no two numbers meet at one place.
    ///
    /// # Shapes
    /// - `weights`: `[batch, steps, keys]`
    /// - result: `[batch, steps, extended]`
    ///
    /// # Panics
    /// If the weights are of another batch or number of keys.
    pub fn copy(&self, weights: Tensor<3>) -> Tensor<3> {
        let [batch, steps, keys] = weights.dims();
        assert_eq!(
            [batch, keys],
            self.ids.dims(),
            "pointer-generator: weights {:?} do not fit a source of {:?}: batch and keys must agree",
            weights.dims(),
            self.ids.dims()
        );
        let (device, dtype) = (weights.device(), weights.dtype());
        let mut first = self.first.clone().cast(FloatDType::from(dtype));
        if device.is_autodiff() {
            first = Tensor::from_inner(first);
        }
        let words = weights.matmul(first); // [b, t, k]
        let ids = self.ids.clone().unsqueeze_dim::<3>(1).expand([batch, steps, keys]);
        let none = Tensor::zeros([batch, steps, self.extended], (&device, dtype));
        none.scatter(2, ids, words, IndexingUpdateOp::Add)
    }
}

/// Configuration of a [`PointerGenerator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerGeneratorConfig {
    /// Width of a context, what attention returns.
    pub d_context: usize,
    /// Width of a decoder state.
    pub d_state: usize,
    /// Width of a decoder input, the embedding of the last word.
    pub d_input: usize,
}

impl PointerGeneratorConfig {
    /// A pointer-generator for contexts, states and inputs of these widths.
    pub fn new(d_context: usize, d_state: usize, d_input: usize) -> Self {
        Self { d_context, d_state, d_input }
    }

    /// # Errors
    /// If a width is zero.
    pub fn validate(&self) -> Result<(), PointerError> {
        let Self { d_context, d_state, d_input } = *self;
        check_sizes(&[("d_context", d_context), ("d_state", d_state), ("d_input", d_input)])
    }

    /// The gate, with random weights.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> PointerGenerator {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let linear = |from, bias| LinearConfig::new(from, 1).with_bias(bias).init(device);
        PointerGenerator {
            context: linear(self.d_context, false),
            state: linear(self.d_state, false),
            input: linear(self.d_input, true),
        }
    }
}

/// Pointer-generator, See et al. (2017), equations 8–9: at each step a gate
/// `p_gen = σ(w_h · h* + w_s · s + w_x · x + b)` decides between generating a word and copying one,
/// `P(w) = p_gen P_vocab(w) + (1 - p_gen) Σ_{j: w_j = w} a_j`.
///
/// The vocabulary is that of the model, extended by the words of the batch's sources that it lacks
/// ([`Source`]): these can only be copied. With several heads of attention, the caller says which
/// weights are copied: those of one, or their mean.
///
/// Time and memory `keys² + extended` per step.
#[derive(Module, Debug)]
pub struct PointerGenerator {
    /// `w_h`, without bias.
    pub context: Linear,
    /// `w_s`, without bias.
    pub state: Linear,
    /// `w_x` and `b`.
    pub input: Linear,
}

/// What a [`PointerGenerator`] returns.
#[derive(Clone, Debug)]
pub struct Pointed {
    /// `[batch, steps, extended]`: logarithms of the probabilities of all words.
    pub log_probs: Tensor<3>,
    /// `[batch, steps]`: `p_gen`, the probability to generate.
    pub generate: Tensor<2>,
}

impl PointerGenerator {
    /// The logit of `p_gen`.
    ///
    /// # Shapes
    /// - `context`: `[batch, steps, d_context]`
    /// - `state`: `[batch, steps, d_state]`
    /// - `input`: `[batch, steps, d_input]`
    /// - result: `[batch, steps]`
    ///
    /// # Panics
    /// If a shape is another.
    pub fn gate(&self, context: Tensor<3>, state: Tensor<3>, input: Tensor<3>) -> Tensor<2> {
        let [batch, steps, _] = context.dims();
        let parts = [
            ("context", context, &self.context),
            ("state", state, &self.state),
            ("input", input, &self.input),
        ];
        let logits = parts.map(|(name, tensor, linear)| {
            let expected = [batch, steps, linear.weight.dims()[0]];
            let found = tensor.dims();
            assert_eq!(
                found, expected,
                "pointer-generator: {name} {found:?} does not fit, expected {expected:?}"
            );
            linear.forward(tensor) // [b, t, 1]
        });
        let [context, state, input] = logits;
        (context + state + input).squeeze_dim(2)
    }

    /// The distribution over the extended vocabulary, as [`mixture`] makes it.
    ///
    /// # Shapes
    /// - `context`: `[batch, steps, d_context]`
    /// - `state`: `[batch, steps, d_state]`
    /// - `input`: `[batch, steps, d_input]`
    /// - `logits`: `[batch, steps, vocabulary]`, of the words that can be generated
    /// - `weights`: `[batch, steps, keys]`
    ///
    /// # Panics
    /// If a shape is another, or the vocabulary is larger than the extended one.
    pub fn forward(
        &self,
        context: Tensor<3>,
        state: Tensor<3>,
        input: Tensor<3>,
        logits: Tensor<3>,
        weights: Tensor<3>,
        source: &Source,
    ) -> Pointed {
        let gate = self.gate(context, state, input);
        let log_probs = mixture(gate.clone(), logits, weights, source);
        Pointed { log_probs, generate: sigmoid(gate) }
    }
}

/// Logarithms of `p_gen P_vocab + (1 - p_gen) P_copy`, for a negative log-likelihood.
///
/// Taken in logarithms from the start, so that a word of small probability keeps its gradient. Of a
/// word that is not in the source, `P_copy` is 0 and drops out. A word that cannot be generated
/// either has the probability 0: its logarithm is [`IMPOSSIBLE`], which is finite, without a
/// gradient.
///
/// The probabilities sum to 1, or where a step sees no key, so that all its weights are 0, to
/// `p_gen`.
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
    source: &Source,
) -> Tensor<3> {
    let [batch, steps, vocabulary] = logits.dims();
    let extended = source.extended;
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
    let gate = gate.unsqueeze_dim::<3>(2); // [b, t, 1]
    let generated = log_softmax(logits, 2) + log_sigmoid(gate.clone()); // [b, t, vocabulary]

    let copied = source.copy(weights); // [b, t, extended]
    let none = copied.clone().detach().lower_elem(LEAST);
    let copied = copied.mask_fill(none.clone(), 1.0).log() + log_sigmoid(gate.neg());

    let words = 0..vocabulary;
    let both = log_add_exp(generated.clone(), copied.clone().slice_dim(2, words.clone()));
    let known = both.mask_where(none.clone().slice_dim(2, words), generated);
    if vocabulary == extended {
        return known;
    }
    let beyond = vocabulary..extended;
    let none = none.slice_dim(2, beyond.clone());
    let unknown = copied.slice_dim(2, beyond).mask_fill(none, IMPOSSIBLE);
    Tensor::cat(vec![known, unknown], 2)
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

    fn source(ids: [[i64; 3]; 2], extended: usize) -> Result<Source, PointerError> {
        Source::new(Tensor::from_data(ids, &Device::flex()), extended)
    }

    #[test]
    fn an_id_beyond_the_extended_vocabulary_is_refused() {
        let error = source([[0, 1, 2], [3, 7, 0]], 7).unwrap_err();
        let text = "source word 1 of row 1 has the id 7, not in an extended vocabulary of 7";
        assert_eq!(error.to_string(), text);
        let error = source([[0, 1, -2], [3, 7, 0]], 7).unwrap_err();
        assert_eq!(error, PointerError::Id { row: 0, key: 2, id: -2, extended: 7 });
    }

    #[test]
    #[should_panic(expected = "pointer-generator: d_state must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        PointerGeneratorConfig::new(3, 0, 5).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "state [2, 4, 5] does not fit, expected [2, 4, 6]")]
    fn states_have_the_configured_width() {
        let device = Device::flex();
        let ones = |width| Tensor::ones([2, 4, width], &device);
        PointerGeneratorConfig::new(3, 6, 7).init(&device).gate(ones(3), ones(5), ones(7));
    }

    fn mix(gate: [usize; 2], logits: [usize; 3], weights: [usize; 3]) -> Tensor<3> {
        let (device, source) = (Device::flex(), source([[0, 1, 2], [3, 4, 0]], 9).unwrap());
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

    #[test]
    #[should_panic(expected = "weights [2, 4, 5] do not fit a source of [2, 3]")]
    fn keys_must_agree() {
        mix([2, 4], [2, 4, 8], [2, 4, 5]);
    }
}
