//! What a model in Rust does for a side.

use crate::setting::Inputs;
use burn::module::Module;
use burn::tensor::Tensor;

/// A model of burn modules that reads tokens and says what follows each.
pub trait LanguageModel: Module {
    /// Logits of each token's successor: `[batch, steps]` → `[batch, steps, vocabulary]`.
    fn logits(&self, inputs: Inputs) -> Tensor<3>;

    /// The same one step after the other, with a cache.
    fn decode(&self, inputs: Inputs);
}

/// What an encoder–decoder reads.
pub(crate) const SOURCE: &str = "the batch of an encoder-decoder has a source";
