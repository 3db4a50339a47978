//! What the suite tries: proptest strategies over shapes, masks and options.

use super::masks::masks;
use super::noise::Noise;
use super::oracle::{Cotangents, Problem, Sink};
use crate::{AttentionShape, DropoutMask, Mask};
use burn::tensor::Device;
use proptest::prelude::*;
use proptest::sample::select;

/// Products of two numbers that [`Sizes::long`] asks for: what the oracle does in a moment.
const PRODUCTS: usize = 1 << 19;

/// All that it takes to make up a problem; the numbers in it follow from `seed`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The sizes.
    pub sizes: Sizes,
    /// The mask.
    pub mask: Mask,
    /// Factor of the scores.
    pub scale: Option<f64>,
    /// Soft-cap of the scores.
    pub softcap: Option<f64>,
    /// The dimensions in which there is a bias that is not broadcast, or no bias.
    pub bias: Option<[bool; 4]>,
    /// The kind of sink, if there is one.
    pub sink: Option<SinkKind>,
    /// Dropout of the weights.
    pub dropout: Option<DropoutMask>,
    /// Of queries, keys, values, bias and upstream gradients.
    pub seed: u64,
}

/// A sink, whose numbers, as all numbers, follow from the case's seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SinkKind {
    /// A logit of 0.
    Zero,
    /// A logit for each head.
    Learned,
}

/// Sizes of an attention. No two are equal, but for `kv_heads`, which equals `heads` in a group of
/// one: what swaps two axes cannot pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Batch rows.
    pub batch: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Query heads of each key/value head.
    pub group: usize,
    /// Queries, which are more than the keys as often as they are fewer.
    pub queries: usize,
    /// Keys.
    pub keys: usize,
    /// Width of a query and key.
    pub width: usize,
    /// Width of a value.
    pub value_width: usize,
}

impl Sizes {
    /// Sizes up to `max`, which must be at least 7: there are five besides the heads, and all differ.
    /// Heads are up to 9, whatever `max`.
    pub fn up_to(max: usize) -> impl Strategy<Value = Self> {
        let others = Just((1..=max).collect::<Vec<_>>()).prop_shuffle();
        (1_usize..=3, 1_usize..=3, others).prop_map(|(kv_heads, group, others)| {
            let taken = [kv_heads, kv_heads * group];
            let mut others = others.into_iter().filter(|size| !taken.contains(size));
            let mut next = || others.next().expect("seven sizes, of which two are taken");
            let (batch, queries, keys) = (next(), next(), next());
            Self { batch, kv_heads, group, queries, keys, width: next(), value_width: next() }
        })
    }

    /// Sizes at and around those by which kernels cut, up to `max_steps` queries and keys and up to
    /// `max_size` otherwise. In half of them there are `max_steps` keys. As many queries as the
    /// oracle has time for.
    pub fn long(max_size: usize, max_steps: usize) -> impl Strategy<Value = Self> {
        let heads = (1_usize..=2, 1_usize..=3);
        let keys = prop_oneof![Just(max_steps), near_seams(max_steps)];
        let widths = [near_seams(max_size), near_seams(max_size)];
        (1_usize..=3, heads, near_seams(max_steps), keys, widths)
            .prop_map(|(batch, (kv_heads, group), queries, keys, [width, value_width])| {
                let per_query = batch * kv_heads * group * keys * (width + value_width);
                let queries = queries.min(PRODUCTS.div_ceil(per_query));
                Self { batch, kv_heads, group, queries, keys, width, value_width }
            })
            .prop_filter("two sizes are equal", Self::differ)
    }

    fn differ(&self) -> bool {
        let Self { batch, kv_heads, group, queries, keys, width, value_width } = *self;
        let mut heads = vec![kv_heads, kv_heads * group];
        heads.dedup();
        let all: Vec<_> =
            [batch, queries, keys, width, value_width].into_iter().chain(heads).collect();
        all.iter().enumerate().all(|(index, size)| !all[..index].contains(size))
    }

    /// What a mask is asked about.
    pub fn shape(&self) -> AttentionShape {
        let &Self { batch, kv_heads, group, queries, keys, .. } = self;
        AttentionShape { batch, heads: kv_heads * group, queries, keys }
    }

    /// `[batch, heads, queries, keys]`
    pub fn pairs(&self) -> [usize; 4] {
        let AttentionShape { batch, heads, queries, keys } = self.shape();
        [batch, heads, queries, keys]
    }
}

/// `2ⁿ` and `3 · 2ⁿ`, where kernels cut, and the numbers beside them.
fn near_seams(max: usize) -> impl Strategy<Value = usize> {
    let powers = (0..usize::BITS - 2).map(|n| 1 << n).take_while(|&power| power <= max);
    let near = powers.flat_map(|power| [power, 3 * power]).flat_map(|n| [n - 1, n, n + 1]);
    select(near.filter(|n| (1..=max).contains(n)).collect::<Vec<_>>())
}

/// Cases of the given sizes, for a device. Failing ones shrink towards the first sizes and the plainest options.
pub fn cases(sizes: Vec<Sizes>, device: &Device) -> BoxedStrategy<Case> {
    let scale = select(vec![None, Some(0.125), Some(1.7)]);
    let softcap = select(vec![None, Some(0.5), Some(20.0)]);
    let bias = proptest::option::of(any::<[bool; 4]>());
    let sink = select(vec![None, Some(SinkKind::Zero), Some(SinkKind::Learned)]);
    let dropout = proptest::option::of((select(vec![0.1, 0.5, 0.9]), any::<u64>()))
        .prop_map(|dropout| dropout.map(|(prob, seed)| DropoutMask::new(prob, seed)));
    let device = device.clone();
    let with_mask =
        select(sizes).prop_flat_map(move |sizes| (Just(sizes), masks(sizes.shape(), &device)));
    (with_mask, scale, softcap, bias, sink, dropout, any::<u64>())
        .prop_map(|((sizes, mask), scale, softcap, bias, sink, dropout, seed)| Case {
            sizes,
            mask,
            scale,
            softcap,
            bias,
            sink,
            dropout,
            seed,
        })
        .boxed()
}

impl Case {
    /// The problem, of numbers in `[-1, 1)`.
    pub fn problem(&self) -> Problem {
        let Sizes { batch, kv_heads, group, queries, keys, width, value_width } = self.sizes;
        let pairs = self.sizes.pairs();
        let array = |name, dims| self.noise(name).array(dims);
        let bias_dims = |full: [bool; 4]| -> [usize; 4] {
            std::array::from_fn(|axis| if full[axis] { pairs[axis] } else { 1 })
        };
        let plain = Problem::new(
            array("query", [batch, kv_heads * group, queries, width]),
            array("key", [batch, kv_heads, keys, width]),
            array("value", [batch, kv_heads, keys, value_width]),
            self.mask.clone(),
        );
        Problem {
            scale: self.scale,
            softcap: self.softcap,
            bias: self.bias.map(|full| array("bias", bias_dims(full))),
            sink: self.sink.map(|kind| match kind {
                SinkKind::Zero => Sink::Zero,
                SinkKind::Learned => Sink::Learned(array("sink", [1, kv_heads * group, 1, 1])),
            }),
            dropout: self.dropout,
            ..plain
        }
    }

    /// Upstream gradients of its answer.
    pub fn cotangents(&self) -> Cotangents {
        let [batch, heads, queries, keys] = self.sizes.pairs();
        let array = |name, dims| self.noise(name).array(dims);
        Cotangents {
            context: array("d context", [batch, heads, queries, self.sizes.value_width]),
            weights: array("d weights", [batch, heads, queries, keys]),
            log_sum_exp: array("d log-sum-exp", [batch, heads, queries, 1]),
        }
    }

    /// A stream of further random numbers.
    pub fn noise(&self, name: &str) -> Noise {
        Noise::new(self.seed, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest! {
        #[test]
        fn no_two_sizes_are_equal(sizes in (7_usize..20).prop_flat_map(Sizes::up_to)) {
            prop_assert!(sizes.differ());
        }

        #[test]
        fn long_sizes_stay_within_their_limits(sizes in Sizes::long(80, 600)) {
            prop_assert!(sizes.differ());
            prop_assert!(sizes.queries <= 600 && sizes.keys <= 600);
            prop_assert!(sizes.width <= 80 && sizes.value_width <= 80);
        }

        #[test]
        fn every_case_makes_a_problem(case in Sizes::up_to(9).prop_flat_map(|sizes| {
            cases(vec![sizes], &Device::flex())
        })) {
            let problem = case.problem();
            prop_assert_eq!(problem.visible.dims(), case.sizes.pairs());
            prop_assert_eq!(problem.shape(), case.sizes.shape());
        }
    }
}
