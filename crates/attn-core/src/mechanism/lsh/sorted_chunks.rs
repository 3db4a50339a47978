//! Which queries and keys meet: positions in the order of their buckets, cut into chunks.

use crate::mechanism::inputs::Visible;
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

/// `0..n`, of the type that other ints have: backends differ in it, and some between operations.
pub(super) fn numbers(n: usize, like: &Tensor<4, Int>) -> Tensor<1, Int> {
    Tensor::arange(0..n as i64, (&like.device(), like.dtype()))
}

/// How the positions of each round were sorted.
pub(super) struct Order {
    /// The position at each rank, `[b, h, r, n]`.
    pub(super) positions: Tensor<4, Int>,
    /// The rank of each position, `[b, h, r, n]`.
    pub(super) rank: Tensor<4, Int>,
}

/// Sizes of chunks: `n` ranks in `count` chunks of `size`, the last of which may lack some.
#[derive(Clone, Copy)]
pub(super) struct Chunks {
    pub(super) n: usize,
    pub(super) size: usize,
    pub(super) count: usize,
}

/// Rows in the order of an [`Order`], in chunks.
pub(super) struct Sorted {
    /// Which row of `[b · h · n, _]` each place takes, `[b · h · r · count · size]`.
    rows: Tensor<1, Int>,
    chunks: Chunks,
    /// `b · h · r`
    lists: usize,
}

impl Sorted {
    pub(super) fn new(order: &Order, chunks: Chunks) -> Self {
        let [b, h, r, n] = order.positions.dims();
        let missing = chunks.count * chunks.size - n;
        let positions = if missing > 0 {
            let fill = order.positions.zeros_like().slice_dim(3, 0..1).repeat_dim(3, missing);
            Tensor::cat(vec![order.positions.clone(), fill], 3)
        } else {
            order.positions.clone()
        };
        let first = numbers(b * h, &order.positions).reshape([b, h, 1, 1]) * n as i64;
        let rows = (positions + first).reshape([b * h * r * (n + missing)]);
        Self { rows, chunks, lists: b * h * r }
    }

    /// `[b, h, n, width]` → `[b · h · r, count, size, width]`
    pub(super) fn pick<K: Basic>(&self, x: Tensor<4, K>) -> Tensor<4, K> {
        let [b, h, n, width] = x.dims();
        let picked = x.reshape([b * h * n, width]).select(0, self.rows.clone());
        picked.reshape([self.lists, self.chunks.count, self.chunks.size, width])
    }

    /// The position at each place, `[b · h · r, count, size, 1]`.
    fn positions(&self) -> Tensor<4, Int> {
        let Chunks { n, size, count } = self.chunks;
        let rows = self.rows.clone().reshape([self.lists, count, size, 1]);
        rows.clone() - rows.div_scalar(n as i64).mul_scalar(n as i64)
    }
}

impl Chunks {
    /// Number of keys that a query is compared with.
    fn keys_per_chunk(&self) -> usize {
        if self.count > 1 { 2 * self.size } else { self.size }
    }

    /// Each chunk behind the one before it: `[_, count, size, _]` → `[_, count, met, _]`. The first
    /// chunk is behind itself, which [`real`](Self::real) says is not so.
    pub(super) fn look_back<K: Basic>(&self, x: Tensor<4, K>) -> Tensor<4, K> {
        if self.count == 1 {
            return x;
        }
        let before = x.clone().slice_dim(1, 0..self.count - 1);
        let before = Tensor::cat(vec![x.clone().slice_dim(1, 0..1), before], 1);
        Tensor::cat(vec![before, x], 2)
    }

    /// Where there is a key to compare with, `[1, count, 1, met]`.
    fn real(&self, device: &Device) -> Tensor<4, Bool> {
        let met = self.keys_per_chunk();
        let cells: Vec<bool> = (0..self.count * met)
            .map(|n| {
                let rank = (n / met * self.size + n % met + self.size).checked_sub(met);
                rank.is_some_and(|rank| rank < self.n)
            })
            .collect();
        Tensor::from_data(TensorData::new(cells, [1, self.count, 1, met]), device)
    }
}

/// That a number of this type can say which pair of all it is: one that wrapped around would let a
/// hidden key through.
fn assert_countable(pairs: [usize; 4], counter: DType) {
    let most = if counter == DType::I64 { i64::MAX as u128 } else { i32::MAX as u128 };
    let count: u128 = pairs.iter().map(|&size| size as u128).product();
    assert!(
        count <= most,
        "lsh: a mask of {pairs:?} pairs, but the device counts to {most}; causal masks and masks of \
         keys need no counting"
    );
}

/// The pairs of queries and keys that are compared, `[b · h · r, count, size, met]`.
pub(super) struct HashedPairs<'a> {
    pub(super) queries: &'a Sorted,
    pub(super) keys: &'a Sorted,
    pub(super) chunks: Chunks,
}

impl HashedPairs<'_> {
    fn dims(&self) -> [usize; 4] {
        [self.queries.lists, self.chunks.count, self.chunks.size, self.chunks.keys_per_chunk()]
    }

    /// Which of them the mask lets through; no position sees itself.
    pub(super) fn visible(&self, visible: &Visible, [b, h]: [usize; 2]) -> Tensor<4, Bool> {
        let dims = self.dims();
        let Chunks { n, .. } = self.chunks;
        let i = self.queries.positions().expand(dims);
        let j = self.chunks.look_back(self.keys.positions()).swap_dims(2, 3).expand(dims);
        let met = self.chunks.real(&i.device()).expand(dims);
        let met = met.bool_and(i.clone().not_equal(j.clone()));
        match visible {
            Visible::Rows { causal, hidden } => {
                let met = match hidden {
                    None => met,
                    Some(hidden) => {
                        // As ints: burn-flex selects from booleans what are none afterwards.
                        let hidden = self.keys.pick(hidden.clone().int());
                        let hidden = self.chunks.look_back(hidden).swap_dims(2, 3);
                        met.bool_and(hidden.equal_elem(0).expand(dims))
                    }
                };
                if *causal { met.bool_and(j.lower_equal(i)) } else { met }
            }
            Visible::Pairs(pairs) => {
                assert_countable([b, h, n, n], i.dtype());
                let lists = dims[0] / (b * h);
                let matrix = numbers(b * h, &i);
                let matrix = matrix.reshape([b * h, 1]).repeat_dim(1, lists);
                let matrix = matrix.reshape([b * h * lists, 1, 1, 1]).expand(dims);
                let pair = (matrix * n as i64 + i) * n as i64 + j;
                let pairs = pairs.clone().int().reshape([b * h * n * n]);
                let pairs = pairs.select(0, pair.reshape([dims.iter().product::<usize>()]));
                met.bool_and(pairs.reshape(dims).equal_elem(1))
            }
        }
    }

    /// In how many rounds each pair meets, as numbers without a gradient.
    pub(super) fn times(&self, by_query: &Order, by_key: &Order) -> Tensor<4> {
        let dims = self.dims();
        let chunk_of = |order: &Order| {
            order.rank.clone().div_scalar(self.chunks.size as i64).swap_dims(2, 3) // [b, h, n, r]
        };
        let query = self.queries.pick(chunk_of(by_query)); // [b · h · r, count, size, r]
        let key = self.chunks.look_back(self.keys.pick(chunk_of(by_key)));
        let rounds = query.dims()[3];
        let meets = |round: usize| {
            let query = query.clone().slice_dim(3, round..round + 1).expand(dims);
            let key = key.clone().slice_dim(3, round..round + 1).swap_dims(2, 3).expand(dims);
            let before = query.clone() - 1;
            key.clone().equal(query).bool_or(key.equal(before)).int()
        };
        let times = (1..rounds).fold(meets(0), |times, round| times + meets(round));
        // Where there is no key to meet, any number that has a logarithm.
        times.clamp_min(1).float()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_as_far_as_the_device_counts() {
        assert_countable([1, 1, 46_340, 46_340], DType::I32);
        assert_countable([1, 1, 46_341, 46_341], DType::I64);
    }

    #[test]
    #[should_panic(
        expected = "lsh: a mask of [1, 1, 46341, 46341] pairs, but the device counts to"
    )]
    fn more_pairs_than_can_be_counted_are_refused() {
        assert_countable([1, 1, 46_341, 46_341], DType::I32);
    }
}
