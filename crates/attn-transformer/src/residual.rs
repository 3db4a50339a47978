//! The residual connection and the place of its norm, wired once for all blocks.

use crate::Norm;
use attn_core::{Dropout, DropoutConfig};
use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Where the norm of a sub-layer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormOrder {
    /// Before the sub-layer, `x + f(norm(x))`: trains without warm-up (Xiong et al. 2020,
    /// section 3). The stack then ends in a norm of its own.
    #[default]
    Pre,
    /// After the sum, `norm(x + f(x))`: the paper's (Vaswani et al. 2017, section 3.1).
    Post,
}

/// The residual connection around a sub-layer (Vaswani et al. 2017, sections 3.1 and 5.4), with
/// dropout on what the sub-layer adds.
#[derive(Module, Debug)]
pub struct Residual {
    /// Acts on the output of the sub-layer.
    pub dropout: Dropout,
    #[module(skip)]
    order: NormOrder,
}

impl Residual {
    /// # Panics
    /// If `dropout` is not in `[0, 1)`.
    pub fn new(order: NormOrder, dropout: f64) -> Self {
        Self { dropout: DropoutConfig::new(dropout).init(), order }
    }

    /// `x` plus what `inner` makes of it, normed by `norm` before or after.
    ///
    /// # Shapes
    /// - `x`, the argument and the result of `inner`, and the result: `[b, s, m]`
    pub fn around(
        &self,
        x: Tensor<3>,
        norm: &Norm,
        inner: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        match self.order {
            NormOrder::Pre => {
                let [normed, x] = norm.forward_with_residual(x);
                self.dropout.forward_and_add(inner(normed), x)
            }
            NormOrder::Post => norm.forward(self.dropout.forward_and_add(inner(x.clone()), x)),
        }
    }
}
