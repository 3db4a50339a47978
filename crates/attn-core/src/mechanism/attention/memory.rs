//! What attention reads and returns.

use crate::alignment::Draw;
use crate::mechanism::finite::select_rows;
use burn::tensor::{Bool, Int, Tensor};

/// Keys and values that are attended to, prepared once for however many steps attend to them, by
/// [`Attention::project_memory`](super::Attention::project_memory) or
/// [`AnyMechanism::project_memory`](crate::mechanism::AnyMechanism::project_memory).
#[derive(Clone, Debug)]
pub struct KeyValueMemory {
    /// `[b, g, k, d]`, projected as the score wants them where [`broken`](Self::broken) is there.
    pub(crate) key: Tensor<4>,
    /// `[b, g, k, 1]`: keys that held what is not a number, where the keys are projected.
    pub(crate) broken: Option<Tensor<4, Bool>>,
    pub(crate) value: Tensor<4>,
}

impl KeyValueMemory {
    /// `[batch, kv_heads, keys, value_dim]`
    pub fn value(&self) -> &Tensor<4> {
        &self.value
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.value.dims()[2]
    }

    /// The memory of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            key: self.key.select(0, rows.clone()),
            broken: self.broken.map(|broken| select_rows(broken, rows)),
            value: self.value.select(0, rows.clone()),
        }
    }
}

/// What [`Attention::cross_attend`](super::Attention::cross_attend) returns.
#[derive(Clone, Debug)]
pub struct AttentionOutput {
    /// `[batch, heads, queries, value_dim]`
    pub context: Tensor<4>,
    /// `[batch, heads, queries, keys]`, before dropout; mixed, where heads talk.
    pub weights: Tensor<4>,
    /// The draw, where the weights were drawn.
    pub draw: Option<Draw>,
}
