//! Attention by locality-sensitive hashing.

mod sorted_chunks;

use super::inputs::{Inputs, Visible, without};
use super::kernelized::{divide, with_one};
use super::normals::normal_rows;
use super::{Mechanism, MechanismError};
use crate::Mask;
use crate::score::normalize;
use burn::module::Module;
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sorted_chunks::{Chunks, HashedPairs, Order, Sorted, numbers};

/// Below any score.
const LOWEST: f64 = -1.0e30;

/// Configuration of an [`Lsh`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LshConfig {
    /// Width of queries and keys.
    pub d_head: usize,
    /// Number of buckets of a round, even.
    pub buckets: usize,
    /// How many times keys are hashed, each time by other rotations.
    #[serde(default = "rounds")]
    pub rounds: usize,
    /// How many queries in the order of their buckets look at the same keys: as many, and as many
    /// again before them.
    #[serde(default = "chunk")]
    pub chunk: usize,
    /// What the rotations are drawn from.
    #[serde(default)]
    pub seed: u64,
}

fn rounds() -> usize {
    4
}

fn chunk() -> usize {
    64
}

impl LshConfig {
    /// Four rounds, chunks of 64, seed 0.
    pub fn new(d_head: usize, buckets: usize) -> Self {
        Self { d_head, buckets, rounds: rounds(), chunk: chunk(), seed: 0 }
    }

    /// Another number of rounds.
    pub fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds, ..self }
    }

    /// Another size of chunks.
    pub fn with_chunk(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    /// Another seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// # Errors
    /// If a size is zero or the number of buckets odd, or the rotations are more than memory could
    /// hold.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_head, buckets, rounds, chunk, .. } = *self;
        let sizes =
            [("d_head", d_head), ("buckets", buckets), ("rounds", rounds), ("chunk", chunk)];
        MechanismError::check_sizes("lsh", &sizes)?;
        if !buckets.is_multiple_of(2) {
            let (field, range, value) = ("buckets", "even", buckets as f64);
            return Err(MechanismError::Range { mechanism: "lsh", field, range, value });
        }
        let fields = "d_head, rounds and buckets";
        MechanismError::check_product("lsh", fields, &[d_head, rounds, buckets])
    }

    /// The mechanism.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Lsh {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { d_head, buckets, rounds, chunk, seed } = *self;
        let width = rounds * buckets / 2;
        let cells = normal_rows(seed, d_head, width);
        let rotations = Tensor::from_data(TensorData::new(cells, [d_head, width]), device);
        Lsh { rotations, rounds, chunk }
    }
}

/// Attention by locality-sensitive hashing, Kitaev et al. (2020): each query looks only at keys that
/// point where it does.
///
/// A vector's bucket is `argmax([xR; -xR])` for a random `R` (section 2). Positions are sorted by
/// bucket and, within one, by position, and cut into chunks; a query looks at the keys of its chunk
/// and of the one before. That is done in several rounds, each with another `R`, and of all keys that
/// a query meets in any round, the context is the softmax average (appendix A): a key that is met in
/// `N` rounds counts once, as each time its score is less by `ln N`. Scores are
/// `q · k / (|k| √d)`; keys have the length 1.
///
/// The paper has one projection for queries and keys: give the same tensor as both. Others are taken
/// too, with queries and keys hashed and sorted each for itself; then what meets is by chance better
/// or worse. As in the paper, a position attends to itself only where it meets no other key that it
/// sees.
///
/// Time is `rounds · n · chunk · (rounds + d + value_dim)` and that of sorting, memory
/// `rounds · n · (chunk + d + value_dim)`, for `n` queries and as many keys; a mask that is not
/// causal, of keys, or both costs `n²` integers more. What it gives up: every pair that never meets;
/// and under a mask that is not the same for all queries, what one meets depends on keys that it does
/// not see, as under a causal mask on what is behind it: keys that others see take part in the
/// sorting. Keys that no query sees do not.
///
/// A query that sees a key which is not finite is NaN, whether it meets it or not. The rotations are
/// a function of the seed; they are not learned and not part of a record.
#[derive(Module, Debug)]
pub struct Lsh {
    /// `[d, rounds · buckets / 2]`
    rotations: Tensor<2>,
    rounds: usize,
    chunk: usize,
}

impl Lsh {
    /// The bucket of each vector in each round.
    ///
    /// # Shapes
    /// - `x`: `[batch, heads, n, d]`
    /// - result: `[batch, heads, rounds, n]`
    ///
    /// # Panics
    /// If the vectors are not `d_head` wide.
    pub fn buckets(&self, x: Tensor<4>) -> Tensor<4, Int> {
        let [b, h, n, d] = x.dims();
        let [d_head, width] = self.rotations.dims();
        assert_eq!(d, d_head, "lsh: {:?} has width {d}, expected {d_head}", x.dims());
        let rotations = self.rotations.clone().cast(FloatDType::from(x.dtype()));
        let rotated = x.detach().matmul(rotations.reshape([1, 1, d, width]));
        let rotated = rotated.reshape([b, h, n, self.rounds, width / self.rounds]);
        let both = Tensor::cat(vec![rotated.clone(), rotated.neg()], 4);
        both.argmax(4).reshape([b, h, n, self.rounds]).swap_dims(2, 3)
    }

    /// Positions in the order of their buckets; those that `last` marks, `[b, h, 1, n]`, behind all.
    fn sort(&self, x: Tensor<4>, last: Option<&Tensor<4, Bool>>) -> Order {
        let buckets = self.buckets(x); // [b, h, r, n]
        let dims = buckets.dims();
        let n = dims[3];
        let behind = 2 * self.rotations.dims()[1] / self.rounds; // the number of buckets
        let buckets = match last {
            None => buckets,
            Some(last) => buckets.mask_fill(last.clone().expand(dims), behind as i64),
        };
        let positions = numbers(n, &buckets).reshape([1, 1, 1, n]);
        // No two are the same, so that every way of sorting gives the same order.
        let order = (buckets * n as i64 + positions).argsort(3);
        let rank = order.clone().argsort(3);
        Order { positions: order, rank }
    }
}

impl Mechanism for Lsh {
    /// # Panics
    /// Also if queries and keys differ in number or are not `d_head` wide, or there are more pairs than
    /// an integer of the device counts under a mask that is not causal, of keys, or both.
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        let [queries, keys] = [query.dims()[2], key.dims()[2]];
        assert_eq!(queries, keys, "lsh: {queries} queries and {keys} keys, needs as many");
        let inputs = match Inputs::new("lsh", [query, key, value], mask, true) {
            Ok(inputs) => inputs,
            Err(nothing) => return *nothing,
        };
        let [b, h, n, d] = inputs.query.dims();
        let size = self.chunk.min(n);
        let chunks = Chunks { n, size, count: n.div_ceil(size) };

        // Positions whose key no query sees come last, or what it holds would change the order of the others.
        let unseen = match &inputs.visible {
            Visible::Rows { hidden, .. } => hidden.clone().map(|hidden| hidden.swap_dims(2, 3)),
            Visible::Pairs(visible) => Some(visible.clone().any_dim(2).bool_not()),
        }; // [b, h, 1, n]
        let by_query = self.sort(inputs.query.clone(), unseen.as_ref());
        let by_key = self.sort(inputs.key.clone(), unseen.as_ref());
        let queries = Sorted::new(&by_query, chunks);
        let keys = Sorted::new(&by_key, chunks);

        let query = queries.pick(inputs.query.clone()) * (d as f64).powf(-0.5);
        let key = chunks.look_back(keys.pick(normalize(inputs.key.clone())));
        let value = chunks.look_back(keys.pick(with_one(inputs.value.clone())));
        let met = HashedPairs { queries: &queries, keys: &keys, chunks };
        let hidden = met.visible(&inputs.visible, [b, h]).bool_not();
        let scores = query.matmul(key.transpose()); // [b · h · r, count, size, met]
        let scores = match self.rounds {
            1 => scores,
            _ => scores.clone() - met.times(&by_query, &by_key).cast(scores.dtype()).log(),
        };

        let scores = scores.mask_fill(hidden.clone(), LOWEST);
        let largest = scores.clone().detach().max_dim(3); // [b · h · r, count, size, 1]
        let weights = (scores - largest.clone()).exp().mask_fill(hidden, 0.0);
        let sums = weights.matmul(value); // [b · h · r, count, size, value_dim + 1]

        let context = self.over_rounds(sums, largest, &by_query);
        inputs.finish(or_itself(context, &inputs))
    }
}

impl Lsh {
    /// What each position found in all rounds, `[b, h, n, value_dim + 1]`; `largest` was divided
    /// out, as a logarithm.
    fn over_rounds(&self, sums: Tensor<4>, largest: Tensor<4>, order: &Order) -> Tensor<4> {
        let [b, h, r, n] = order.rank.dims();
        let [lists, count, size, _] = sums.dims();
        let first = numbers(lists, &order.rank).reshape([b, h, r, 1]);
        let rows = (order.rank.clone() + first * (count * size) as i64).reshape([lists * n]);
        let by_position = |x: Tensor<4>| {
            let width = x.dims()[3];
            let x = x.reshape([lists * count * size, width]).select(0, rows.clone());
            x.reshape([b * h, r, n, width])
        };
        let largest = by_position(largest);
        let scale = (largest.clone() - largest.max_dim(1)).exp(); // [b · h, r, n, 1]
        let sums = (by_position(sums) * scale).sum_dim(1); // [b · h, 1, n, _]
        let width = sums.dims()[3];
        sums.reshape([b, h, n, width])
    }
}

/// The average of what each position found, or its own value where it found nothing and sees that.
fn or_itself(sums: Tensor<4>, inputs: &Inputs) -> Tensor<4> {
    let [b, h, n, width] = sums.dims();
    let nothing = sums.clone().detach().slice_dim(3, width - 1..width).lower_equal_elem(0.0);
    let own = match &inputs.visible {
        // The value of a hidden key is 0.
        Visible::Rows { .. } => inputs.value.clone(),
        Visible::Pairs(visible) => {
            let diagonal = Tensor::<2, Bool>::diag_mask([n, n], 0, &visible.device()).bool_not();
            let diagonal = diagonal.reshape([1, 1, n, n]).expand([b, h, n, n]);
            let hidden = visible.clone().bool_and(diagonal).any_dim(3).bool_not();
            without(inputs.value.clone(), Some(&hidden))
        }
    };
    divide(sums).mask_where(nothing.expand([b, h, n, width - 1]), own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "lsh: rounds must be at least 1, got 0")]
    fn no_rounds_are_refused() {
        LshConfig::new(8, 4).with_rounds(0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "lsh: buckets must be even, got 5")]
    fn an_odd_number_of_buckets_is_refused() {
        LshConfig::new(8, 5).init(&Device::flex());
    }

    fn forward(queries: usize, width: usize) {
        let device = Device::flex();
        let lsh = LshConfig::new(8, 4).init(&device);
        let key = Tensor::ones([2, 2, 7, width], &device);
        lsh.forward(Tensor::ones([2, 4, queries, width], &device), key.clone(), key, &Mask::open());
    }

    #[test]
    #[should_panic(expected = "lsh: 6 queries and 7 keys, needs as many")]
    fn as_many_queries_as_keys_are_needed() {
        forward(6, 8);
    }

    #[test]
    #[should_panic(expected = "lsh: [2, 4, 7, 5] has width 5, expected 8")]
    fn queries_have_the_configured_width() {
        forward(7, 5);
    }
}
