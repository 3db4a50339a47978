//! How much attention a key receives.

use super::tiles::{Frame, Part, walk};
use crate::{AttendOptions, Mask};
use burn::tensor::Tensor;

/// The attention that each key receives, `Σ_i w_ij` over the queries: the column sums of the
/// weights. Keys that take weight that no query needs elsewhere, "attention sinks" (Xiao et al. 2024, section 3.1),
/// stand out, and so do those that no query attends to.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, d]`
/// - `key`: `[batch, kv_heads, keys, d]`
/// - result: `[batch, heads, keys]`, of query heads
///
/// # Panics
/// As [`attend`](crate::attend).
#[track_caller]
pub fn received(
    query: Tensor<4>,
    key: Tensor<4>,
    mask: &Mask,
    options: &AttendOptions,
) -> Tensor<3> {
    let frame = Frame::of(&query, &key, options);
    let mut mass = Mass::new(&frame);
    walk(&frame, query, key, mask, options, |part| mass.add(&part));
    mass.finish()
}

/// What the keys have received so far.
pub(super) struct Mass {
    frame: Frame,
    /// In f64: a sum over all queries.
    mass: Vec<f64>,
}

impl Mass {
    pub(super) fn new(frame: &Frame) -> Self {
        let [batch, heads, _, keys] = frame.dims;
        Self { frame: frame.clone(), mass: vec![0.0; batch * heads * keys] }
    }

    pub(super) fn add(&mut self, part: &Part) {
        let [.., keys] = self.frame.dims;
        let Part { weights, cols, .. } = part;
        let sums: Vec<f64> = weights.clone().sum_dim(2).into_data().iter::<f64>().collect();
        for (matrix, sums) in sums.chunks_exact(cols.len()).enumerate() {
            let mass = &mut self.mass[matrix * keys..][cols.clone()];
            mass.iter_mut().zip(sums).for_each(|(mass, sum)| *mass += sum);
        }
    }

    pub(super) fn finish(self) -> Tensor<3> {
        let [batch, heads, _, keys] = self.frame.dims;
        self.frame.tensor(self.mass, [batch, heads, keys])
    }
}
