//! Queries, keys and values as mechanisms that sum keys up need them: finite, zero where hidden, and
//! with word of those that were not.

use super::finite::{columns_of_heads, finite_rows};
use crate::half::at_least_f32;
use crate::mask::Factored;
use crate::{AttentionShape, Mask};
use attn_kernels::attention::unfused;
use burn::tensor::{Bool, DType, Device, FloatDType, Tensor};

/// What each query sees.
pub(crate) enum Visible {
    /// Every key that is not hidden, up to its position if causal.
    Rows {
        causal: bool,
        /// `[b, g, k, 1]`; `None`: no key is hidden.
        hidden: Option<Tensor<4, Bool>>,
    },
    /// Which pairs are visible, `[b, h, q, k]`.
    Pairs(Tensor<4, Bool>),
}

/// Inputs that may be multiplied and summed without harm.
///
/// A sum over keys has a hidden key's zero as factor of its value, and 0 · NaN is NaN. So what is
/// not finite, and what is hidden from all, is selected away first; a query that sees something
/// broken gets its NaN at the end, by [`finish`](Self::finish).
pub(crate) struct Inputs {
    /// `[b, h, q, d]`
    pub query: Tensor<4>,
    /// `[b, g, k, d]`
    pub key: Tensor<4>,
    /// `[b, g, k, value_dim]`
    pub value: Tensor<4>,
    pub visible: Visible,
    /// `[b, h, q, 1]`: queries that are not finite.
    broken: Tensor<4, Bool>,
    /// What the queries see of these keys, `[b, h, q, 1]`.
    seen: Seen,
    storage: DType,
}

/// What queries see.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Whether any key.
    pub any: Tensor<4, Bool>,
    /// Whether a key or value that is not finite.
    pub broken: Tensor<4, Bool>,
}

impl Inputs {
    /// Checks shapes. Key heads are repeated for each query head if `per_head`, or if the mask
    /// differs between the heads of a group.
    ///
    /// `Err` is the context where there is nothing to see.
    pub fn new(
        mechanism: &str,
        [query, key, value]: [Tensor<4>; 3],
        mask: &Mask,
        per_head: bool,
    ) -> Result<Self, Box<Tensor<4>>> {
        Self::by(mechanism, [query, key, value], per_head, |shape, device| {
            mask.factor(shape, device)
        })
    }

    /// Inputs that follow `before` other keys, under a mask over all of them that
    /// [is of keys](Mask::is_of_keys).
    pub fn after(
        before: usize,
        mechanism: &str,
        all: [Tensor<4>; 3],
        mask: &Mask,
        per_head: bool,
    ) -> Result<Self, Box<Tensor<4>>> {
        Self::by(mechanism, all, per_head, |shape, device| mask.factor_after(before, shape, device))
    }

    fn by(
        mechanism: &str,
        [query, key, value]: [Tensor<4>; 3],
        per_head: bool,
        factor: impl FnOnce(&AttentionShape, &Device) -> Factored,
    ) -> Result<Self, Box<Tensor<4>>> {
        let shape = check_shapes(mechanism, &query, &key, &value);
        let plain = query.device().without_autodiff();
        let factored = factor(&shape, &plain);
        let AttentionShape { batch: b, heads: h, queries: q, keys: k } = shape;
        let value_dim = value.dims()[3];
        if [b, h, q, k, value_dim, query.dims()[3]].contains(&0) {
            return Err(Box::new(unfused::empty_attention(query, k, value_dim, None).0));
        }
        let storage = query.dtype();
        let [query, key, value] = [query, key, value].map(at_least_f32);

        let group = h / key.dims()[1];
        let of_heads =
            matches!(&factored, Factored::Keys { keys: Some(keys), .. } if keys.dims()[1] > 1);
        let repeat = group > 1 && (per_head || of_heads);
        let [key, value] = [key, value].map(|x| if repeat { of_query_heads(x, group) } else { x });
        let group = h / key.dims()[1];

        let (query, broken_query) = finite_rows(query);
        let (key, broken_key) = finite_rows(key);
        let (value, broken_value) = finite_rows(value);
        let broken = broken_key.bool_or(broken_value); // [b, g, k, 1]
        let rows = broken.dims();
        match factored {
            Factored::Pairs(visible) => {
                let dims = visible.dims();
                let broken = columns_of_heads(broken, group).expand(dims);
                let seen = Seen {
                    any: visible.clone().any_dim(3),
                    broken: visible.clone().bool_and(broken).any_dim(3),
                };
                let visible = Visible::Pairs(visible);
                Ok(Self { query, key, value, visible, broken: broken_query, seen, storage })
            }
            Factored::Keys { causal, keys } => {
                let hidden = keys.map(|keys| keys.swap_dims(2, 3).bool_not().expand(rows));
                let (shown, broken) = match &hidden {
                    None => (Tensor::full(rows, true, &plain), broken),
                    Some(hidden) => {
                        let shown = hidden.clone().bool_not();
                        (shown.clone(), broken.bool_and(shown))
                    }
                };
                let [any, broken] = [shown, broken].map(|keys| sees(keys, causal, group, q));
                let seen = Seen { any, broken };
                let [key, value] = [key, value].map(|x| without(x, hidden.as_ref()));
                let visible = Visible::Rows { causal, hidden };
                Ok(Self { query, key, value, visible, broken: broken_query, seen, storage })
            }
        }
    }

    /// The context, NaN where it must be, as the inputs were stored.
    pub fn finish(&self, context: Tensor<4>) -> Tensor<4> {
        self.poisoned(context, &self.seen)
    }

    /// [`finish`](Self::finish) for queries that each see all keys of the steps before, too: what one
    /// of them sees, `[b, h, 1, 1]`, all that follow do.
    pub fn finish_after(&self, before: &mut Option<Seen>, context: Tensor<4>) -> Tensor<4> {
        let seen = match before.take() {
            None => self.seen.clone(),
            Some(before) => {
                let dims = self.broken.dims();
                let or = |own: &Tensor<4, Bool>, before: Tensor<4, Bool>| {
                    own.clone().bool_or(before.expand(dims))
                };
                Seen {
                    any: or(&self.seen.any, before.any),
                    broken: or(&self.seen.broken, before.broken),
                }
            }
        };
        let queries = self.query.dims()[2];
        let last = |x: &Tensor<4, Bool>| x.clone().slice_dim(2, queries - 1..queries);
        *before = Some(Seen { any: last(&seen.any), broken: last(&seen.broken) });
        self.poisoned(context, &seen)
    }

    fn poisoned(&self, context: Tensor<4>, seen: &Seen) -> Tensor<4> {
        let dims = context.dims();
        let poison = self.broken.clone().bool_and(seen.any.clone()).bool_or(seen.broken.clone());
        let context = context.mask_fill(poison.expand(dims), f32::NAN);
        context.cast(FloatDType::from(self.storage))
    }
}

fn check_shapes(
    mechanism: &str,
    query: &Tensor<4>,
    key: &Tensor<4>,
    value: &Tensor<4>,
) -> AttentionShape {
    let [batch, heads, queries, d] = query.dims();
    let [_, kv_heads, keys, _] = key.dims();
    assert!(
        key.dims()[0] == batch && key.dims()[3] == d,
        "{mechanism}: query {:?} does not fit key {:?}: batch and width must agree",
        query.dims(),
        key.dims()
    );
    assert_eq!(
        key.dims()[..3],
        value.dims()[..3],
        "{mechanism}: key {:?} does not fit value {:?}: batch, heads and keys must agree",
        key.dims(),
        value.dims()
    );
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{mechanism}: {heads} query heads do not split evenly over {kv_heads} key/value heads"
    );
    AttentionShape { batch, heads, queries, keys }
}

/// `x` with 0 in hidden rows, `[b, g, k, 1]`.
pub(crate) fn without(x: Tensor<4>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<4> {
    match hidden {
        None => x,
        Some(hidden) => {
            let dims = x.dims();
            x.mask_fill(hidden.clone().expand(dims), 0.0)
        }
    }
}

/// `[b, g, k, d]` → `[b, g · group, k, d]`
pub(crate) fn of_query_heads(x: Tensor<4>, group: usize) -> Tensor<4> {
    let [b, g, k, d] = x.dims();
    x.reshape([b, g, 1, k, d]).expand([b, g, group, k, d]).reshape([b, g * group, k, d])
}

/// Which queries see a marked key: `[b, g, k, 1]` → `[b, g · group, q, 1]`.
fn sees(marked: Tensor<4, Bool>, causal: bool, group: usize, queries: usize) -> Tensor<4, Bool> {
    let [b, g, keys, _] = marked.dims();
    let seen = if causal {
        let so_far = marked.int().cumsum(2).greater_elem(0); // [b, g, k, 1]
        if queries > keys {
            let blind = Tensor::full([b, g, queries - keys, 1], false, &so_far.device());
            Tensor::cat(vec![blind, so_far], 2)
        } else {
            so_far.slice_dim(2, keys - queries..keys)
        }
    } else {
        marked.any_dim(2).expand([b, g, queries, 1])
    };
    let seen = seen.reshape([b, g, 1, queries, 1]).expand([b, g, group, queries, 1]);
    seen.reshape([b, g * group, queries, 1])
}
