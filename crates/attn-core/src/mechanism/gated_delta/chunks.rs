//! The recurrence chunk by chunk: the WY form.

use crate::cut::cut;
use burn::tensor::{Bool, Tensor};

/// Below any logarithm of a product of decays that f32 holds.
const LOWEST: f64 = -1.0e30;

/// What is written: unit keys, values, and how.
pub(super) struct Writes {
    /// `[b, g, k, d]`
    pub(super) key: Tensor<4>,
    /// `[b, g, k, value_dim]`
    pub(super) value: Tensor<4>,
    /// `ln α`, `[b, g, k, 1]`
    pub(super) log_decay: Tensor<4>,
    /// `β`, `[b, g, k, 1]`
    pub(super) strength: Tensor<4>,
}

impl Writes {
    /// In chunks of `chunk`, of which the last is filled up with writes that change nothing.
    fn fill_up(self, chunk: usize) -> Self {
        let keys = self.key.dims()[2];
        let missing = keys.next_multiple_of(chunk) - keys;
        let fill = |x: Tensor<4>| {
            let [b, g, _, width] = x.dims();
            if missing == 0 {
                return x;
            }
            let zeros = Tensor::zeros([b, g, missing, width], (&x.device(), x.dtype()));
            Tensor::cat(vec![x, zeros], 2)
        };
        Self {
            key: fill(self.key),
            value: fill(self.value),
            log_decay: fill(self.log_decay),
            strength: fill(self.strength),
        }
    }
}

/// The writes of `C` keys, and how queries read what they leave.
///
/// With `Γ_i` the product of a chunk's decays up to `i` and `u_i = β_i (v_i - k_iᵀ α_i S_{i-1})`, a
/// state is `S_i = Γ_i S_0 + Σ_{j ≤ i} Γ_i / Γ_j k_j u_jᵀ`, and so
/// `(I + A) U = β (V - Γ K S_0)` with `A_ij = β_i Γ_i / Γ_j k_i · k_j` below the diagonal.
pub(super) struct Chunk {
    writes: Writes,
    /// `Γ`, `[b, g, C, 1]`
    decay: Tensor<4>,
    /// `Γ_i / Γ_j` where `j <= i`, `[b, g, C, C]`
    between: Tensor<4>,
    /// `(I + A)⁻¹`, `[b, g, C, C]`
    solve: Tensor<4>,
}

impl Chunk {
    /// All writes in chunks of `chunk`.
    pub(super) fn all(writes: Writes, chunk: usize) -> Vec<Self> {
        let writes = writes.fill_up(chunk);
        let [b, g, k, d] = writes.key.dims();
        let folded = |x: &Tensor<4>| {
            let width = x.dims()[3];
            x.clone().reshape([b, g * k / chunk, chunk, width])
        };
        let plain = writes.key.device().without_autodiff();
        // `tril_mask` is true above the diagonal that is named.
        let above = |diagonal| {
            Tensor::<2, Bool>::tril_mask([chunk, chunk], diagonal, &plain)
                .reshape([1, 1, chunk, chunk])
                .expand([b, g * k / chunk, chunk, chunk])
        };

        let log_decay = folded(&writes.log_decay);
        let options = (&log_decay.device(), log_decay.dtype());
        let ones = Tensor::ones([b, g * k / chunk, chunk, chunk], options);
        let lower = ones.mask_fill(above(0), 0.0);
        let log_decay_so_far = lower.matmul(log_decay); // [b, g · k / C, C, 1]
        let between = log_decay_so_far.clone() - log_decay_so_far.clone().transpose();
        let between = between.mask_fill(above(0), LOWEST).exp();

        let key = folded(&writes.key);
        let overlap = key.clone().matmul(key.reshape([b, g * k / chunk, chunk, d]).transpose());
        let a = (overlap * between.clone() * folded(&writes.strength)).mask_fill(above(-1), 0.0);
        let parts = |x: Tensor<4>| {
            let width = x.dims()[3];
            cut(x.reshape([b, g, k, width]), chunk).into_iter()
        };
        let Writes { key, value, log_decay, strength } = writes;
        let shared = parts(log_decay_so_far.exp()).zip(parts(between)).zip(parts(inverse(a)));
        let writes = parts(key).zip(parts(value)).zip(parts(log_decay)).zip(parts(strength));
        let writes = writes.map(|(((key, value), log_decay), strength)| Writes {
            key,
            value,
            log_decay,
            strength,
        });
        let chunk = |(writes, ((decay, between), solve))| Self { writes, decay, between, solve };
        writes.zip(shared).map(chunk).collect()
    }

    /// Writes the chunk, and reads at each of its positions if there are queries, `[b, h, C, d]`.
    pub(super) fn advance(
        &self,
        state: &mut Tensor<4>,
        query: Option<Tensor<4>>,
    ) -> Option<Tensor<4>> {
        let Self { writes: Writes { key, value, strength, .. }, decay, between, solve } = self;
        let n = key.dims()[2];
        let [key, value, strength] = [key, value, strength].map(Tensor::clone);
        let [decay, between, solve] = [decay, between, solve].map(Tensor::clone);
        let read = key.clone().matmul(state.clone()) * decay.clone(); // [b, g, C, value_dim]
        let u = solve.matmul((value - read) * strength);

        let context = query.map(|query| {
            let [b, h, _, d] = query.dims();
            let [_, g, _, width] = u.dims();
            let rows = h / g * n;
            let of_group = |x: Tensor<4>| x.repeat_dim(2, h / g);
            let query = query.reshape([b, g, rows, d]);
            let weights = query.clone().matmul(key.clone().transpose()); // [b, g, rows, C]
            let here = (weights * of_group(between.clone())).matmul(u.clone());
            let before = query.matmul(state.clone()) * of_group(decay.clone());
            (here + before).reshape([b, h, n, width])
        });
        let to_end = between.slice_dim(2, n - 1..n).transpose(); // [b, g, C, 1]
        let across = decay.slice_dim(2, n - 1..n); // [b, g, 1, 1]
        *state = state.clone() * across + (key * to_end).transpose().matmul(u);
        context
    }
}

/// `(I + a)⁻¹` of `a` that is 0 on the diagonal and above, `[.., .., n, n]`: half by half, which
/// errs no more than forward substitution and is a few products for all chunks together.
fn inverse(a: Tensor<4>) -> Tensor<4> {
    let [b, g, n, _] = a.dims();
    let options = (&a.device(), a.dtype());
    if n == 1 {
        return Tensor::ones([b, g, 1, 1], options);
    }
    let half = n / 2;
    let block = |rows: std::ops::Range<usize>, cols: std::ops::Range<usize>| {
        a.clone().slice_dim(2, rows).slice_dim(3, cols)
    };
    let first = inverse(block(0..half, 0..half));
    let last = inverse(block(half..n, half..n));
    let below = last.clone().matmul(block(half..n, 0..half)).matmul(first.clone()).neg();
    let above = Tensor::zeros([b, g, half, n - half], options);
    Tensor::cat(vec![Tensor::cat(vec![first, above], 3), Tensor::cat(vec![below, last], 3)], 2)
}
