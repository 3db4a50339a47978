//! What the mechanisms that sum keys up keep of the steps so far.

use super::finite::select_rows;
use super::inputs::{Inputs, Seen};
use super::key_values::KeyValues;
use super::state::{MechanismState, bytes_of};
use crate::Mask;
use burn::tensor::{Device, Int, Tensor};

/// The state of [`LinearAttention`](super::LinearAttention), [`Performer`](super::Performer),
/// [`Retention`](super::Retention) and [`GatedDelta`](super::GatedDelta): a sum over all keys so far,
/// whose size does not depend on their number.
///
/// That is so under masks that are causal, of keys, or both, at each step. A mask that is not, such as
/// a window, asks for keys that a sum does not give back. A sequence that begins with such a mask has
/// its keys and values kept in place of a sum, and each step costs what
/// [`forward`](super::Mechanism::forward) over all of them does.
#[derive(Clone, Debug, Default)]
pub struct LinearState {
    len: usize,
    sums: Sums,
    seen: Option<Seen>,
    /// Under a mask that no sum serves.
    kept: KeyValues,
}

/// A sum over keys, and the scale that it is relative to.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// `[b, g, features, width]`, `g` the query heads where each has its own decay.
    pub(super) total: Option<Tensor<4>>,
    /// `[b, g, 1, 1]`, of features that have one: [`total`](Self::total) is divided by its
    /// exponential.
    pub(super) log_scale: Option<Tensor<4>>,
}

impl LinearState {
    /// Moves on by as many keys as queries: `by_sums` under a mask that is causal, of keys, or both;
    /// else `by_pairs`, on the queries and all keys and values.
    ///
    /// # Panics
    /// If there are not as many keys as queries, the shapes do not fit, or the mask asks for keys that
    /// were summed up.
    pub(super) fn step(
        &mut self,
        mechanism: &str,
        [query, key, value]: [Tensor<4>; 3],
        mask: &Mask,
        per_head: bool,
        by_sums: impl FnOnce(&Inputs, &mut Sums) -> Tensor<4>,
        by_pairs: impl FnOnce([Tensor<4>; 3]) -> Tensor<4>,
    ) -> Tensor<4> {
        let [queries, keys] = [query.dims()[2], key.dims()[2]];
        assert_eq!(queries, keys, "{mechanism}: a step has as many queries as keys");
        let before = self.len;
        self.len += keys;
        if before > 0 && self.kept.is_empty() {
            assert!(
                mask.is_of_keys(),
                "{mechanism}: the mask {mask:?} asks for single keys, but the {before} before were \
                 summed up"
            );
        } else if !mask.is_of_keys() || !self.kept.is_empty() {
            let (key, value) = self.kept.append(key, value);
            return by_pairs([query, key, value]);
        }
        let all = [query, key, value];
        match Inputs::after(before, mechanism, all, mask, per_head) {
            Ok(inputs) => {
                let context = by_sums(&inputs, &mut self.sums);
                inputs.finish_after(&mut self.seen, context)
            }
            Err(nothing) => *nothing,
        }
    }
}

impl MechanismState for LinearState {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self) -> Option<(usize, Device)> {
        let summed = self.sums.total.as_ref().map(|total| (total.dims()[0], total.device()));
        summed.or_else(|| self.kept.batch())
    }

    fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        let select = |x: Option<Tensor<4>>| x.map(|x| x.select(0, rows.clone()));
        Self {
            len: self.len,
            sums: Sums { total: select(self.sums.total), log_scale: select(self.sums.log_scale) },
            seen: self.seen.map(|Seen { any, broken }| Seen {
                any: select_rows(any, rows),
                broken: select_rows(broken, rows),
            }),
            kept: self.kept.select_rows(rows),
        }
    }

    fn bytes(&self) -> usize {
        let Sums { total, log_scale } = &self.sums;
        let summed: usize = [total, log_scale].into_iter().flatten().map(bytes_of).sum();
        let seen = self.seen.as_ref().map_or(0, |Seen { any, broken }| {
            any.shape().num_elements() + broken.shape().num_elements()
        });
        summed + seen + self.kept.bytes()
    }
}
