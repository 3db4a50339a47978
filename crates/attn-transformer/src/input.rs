//! From tokens to what the first block reads.

use crate::{BlockConfig, PositionConfig, Positions, Rotation, init, sinusoids};
use attn_core::{Dropout, DropoutConfig};
use attn_kernels::embedding::embedding;
use burn::module::{Module, Param};
use burn::nn::Embedding;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Turns tokens into vectors that know their position (Vaswani et al. 2017, sections 3.4, 3.5 and
/// 5.4): `dropout(scale · embedding + position)`.
///
/// The table of embeddings is an argument, because a model may have one for several uses.
#[derive(Module, Debug)]
pub struct InputLayer {
    /// `[max_len, m]`; only of [`PositionConfig::Learned`].
    pub learned: Option<Param<Tensor<2>>>,
    /// Acts on the sum.
    pub dropout: Dropout,
    #[module(skip)]
    positions: PositionConfig,
    scale: f64,
    d_head: usize,
}

impl InputLayer {
    /// The input layer of a model of such blocks; with `scaled`, embeddings are multiplied by
    /// `sqrt(d_model)`.
    pub(crate) fn new(
        block: &BlockConfig,
        positions: &PositionConfig,
        scaled: bool,
        device: &Device,
    ) -> Self {
        let learned = match positions {
            PositionConfig::Learned { max_len } => {
                Some(init::table(*max_len, block.d_model, device))
            }
            _ => None,
        };
        Self {
            learned,
            dropout: DropoutConfig::new(block.dropout).init(),
            positions: positions.clone(),
            scale: if scaled { (block.d_model as f64).sqrt() } else { 1.0 },
            d_head: block.d_head(),
        }
    }

    /// The number of steps a sequence may have; `None` if there is no bound.
    pub fn max_len(&self) -> Option<usize> {
        self.positions.max_len()
    }

    /// The input of the first block, and the rotation for all of them if positions are rotary.
    ///
    /// `offset` steps went before these tokens.
    ///
    /// # Shapes
    /// - `tokens`: `[b, s]`
    /// - `vectors`: `[vocab, m]`
    /// - result: `[b, s, m]`
    ///
    /// # Panics
    /// If a position is beyond those learned, or `positions` is for another batch.
    pub fn forward(
        &self,
        tokens: Tensor<2, Int>,
        vectors: &Embedding,
        positions: &Positions,
        offset: usize,
    ) -> (Tensor<3>, Option<Rotation>) {
        let [b, s] = tokens.dims();
        let embedded = embedding(vectors.weight.val(), tokens); // [b, s, m]
        let x = if self.scale == 1.0 { embedded } else { embedded * self.scale };
        let [_, _, m] = x.dims();
        let (device, dtype) = (x.device(), x.dtype());
        let rows = positions.rows(b, offset..offset + s);
        let x = match (&self.positions, &self.learned) {
            (PositionConfig::Sinusoidal, _) => x + sinusoids(&rows, m, (&device, dtype)),
            (_, Some(table)) => x + look_up(table.val(), &rows),
            _ => x,
        };
        let rotation = match &self.positions {
            PositionConfig::Rotary(rotary) => {
                Some(rotary.rotation(&rows, self.d_head, &device, dtype))
            }
            _ => None,
        };
        (self.dropout.forward(x), rotation)
    }
}

/// Rows of `table`, `[b | 1, s, m]`.
fn look_up(table: Tensor<2>, positions: &[Vec<usize>]) -> Tensor<3> {
    let [max_len, _] = table.dims();
    if let Some(position) = positions.iter().flatten().find(|&&position| position >= max_len) {
        panic!("position {position} is out of range: the model has learned {max_len} positions");
    }
    let dims = [positions.len(), positions.first().map_or(0, Vec::len)];
    let indices = positions.iter().flatten().map(|&position| position as i64).collect();
    let device = table.device();
    embedding(table, Tensor::from_data(TensorData::new::<i64, _>(indices, dims), &device))
}
