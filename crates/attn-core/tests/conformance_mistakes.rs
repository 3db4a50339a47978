//! The suite notices when the law is broken: by attention with a mistake, of the kind that has been
//! released by one library or another.

use attn_core::conformance::{Attention, Options, Report, run_with};
use attn_core::{AttendOptions, Attended, AttentionShape, DropoutMask, Mask, attend_with_weights};
use burn::tensor::{Bool, Device, Tensor, activation::softmax};
use std::sync::atomic::{AtomicBool, Ordering};

/// The report on an attention that breaks at least these rules.
#[track_caller]
fn assert_broken(attention: &dyn Attention, rules: &[&str]) -> Report {
    let report = run_with(attention, &Device::flex(), &Options::default());
    for rule in rules {
        assert!(report.broken().any(|broken| broken.name == *rule), "{rule} holds\n{report}");
    }
    report
}

/// Attention as a textbook has it, in this one way wrong.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    /// A large negative number hides, not −∞: rows that see nothing attend to everything.
    HidesWithMinusMillion,
    /// −∞ hides, and softmax of a row of them is not guarded.
    UnguardedSoftmax,
    /// `true` in the mask is taken for hidden.
    Inverted,
    /// The first query is taken for the first position.
    TopLeft,
    /// Hiding comes before the cap, which makes a score of −∞ finite.
    CapsHiddenScores,
    /// Bias comes before the cap.
    CapsBias,
    /// Query head `h` reads key head `h % kv_heads`.
    InterleavedGroups,
    /// What is kept is not scaled.
    UnscaledDropout,
    /// What is dropped depends on one more thing than seed and position.
    OtherDropout,
    /// The weights that are handed out are those after dropout.
    DroppedWeights,
    /// Exponentials are not shifted by their maximum.
    Overflows,
}

impl Attention for Mistake {
    fn attend_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> Attended {
        let [batch, heads, queries, d] = query.dims();
        let [_, kv_heads, keys, _] = key.dims();
        let pairs = [batch, heads, queries, keys];
        let shape = AttentionShape { batch, heads, queries, keys };
        let repeat = |tensor: Tensor<4>| match self {
            Self::InterleavedGroups => tensor.repeat_dim(1, heads / kv_heads),
            _ => {
                let [b, g, k, d] = tensor.dims();
                let groups = tensor.unsqueeze_dim::<5>(2).repeat_dim(2, heads / g);
                groups.reshape([b, heads, k, d])
            }
        };

        let asked = match self {
            Self::TopLeft => AttentionShape { queries: keys.max(queries), keys, ..shape },
            _ => shape,
        };
        let visible = match (self, mask == &Mask::causal()) {
            // Only a causal mask: others may not fit the square.
            (Self::TopLeft, true) => {
                mask.lower(&asked, &query.device().without_autodiff()).narrow(2, 0, queries)
            }
            _ => mask.lower(&shape, &query.device().without_autodiff()),
        };
        let hidden: Tensor<4, Bool> = match self {
            Self::Inverted => visible,
            _ => visible.bool_not(),
        };
        let hidden = hidden.expand(pairs);
        let hide = |scores: Tensor<4>| match self {
            Self::HidesWithMinusMillion => scores.mask_fill(hidden.clone(), -1e6),
            _ => scores.mask_fill(hidden.clone(), f32::NEG_INFINITY),
        };
        let cap = |scores: Tensor<4>| match options.softcap {
            Some(cap) => (scores / cap).tanh() * cap,
            None => scores,
        };
        let bias = |scores: Tensor<4>| match &options.bias {
            Some(bias) => scores + bias.clone(),
            None => scores,
        };

        let scale = options.scale.unwrap_or(1.0 / (d as f64).sqrt());
        let scores = query.matmul(repeat(key).transpose()) * scale;
        let scores = match self {
            Self::CapsHiddenScores => bias(cap(hide(scores))),
            Self::CapsBias => hide(cap(bias(scores))),
            _ => hide(bias(cap(scores))),
        };
        let weights = match self {
            Self::Overflows => scores.clone().exp() / scores.clone().exp().sum_dim(3),
            _ => softmax(scores.clone(), 3),
        };
        let weights = match self {
            Self::UnguardedSoftmax => weights,
            _ => weights.clone().mask_fill(weights.is_nan(), 0.0),
        };
        let log_sum_exp = scores.exp().sum_dim(3).log().squeeze_dim(3);

        let dropped = match options.dropout {
            None => weights.clone(),
            Some(dropout) => {
                let seed = u64::from(*self == Self::OtherDropout);
                let dropout = DropoutMask::new(dropout.prob(), dropout.seed() ^ seed);
                let factors = dropout.tensor(pairs, &weights.device().without_autodiff());
                let factors = match self {
                    Self::UnscaledDropout => factors * (1.0 - dropout.prob()),
                    _ => factors,
                };
                let autodiff = weights.is_autodiff();
                weights.clone() * if autodiff { Tensor::from_inner(factors) } else { factors }
            }
        };
        let context = dropped.clone().matmul(repeat(value));
        let weights = if *self == Self::DroppedWeights { dropped } else { weights };
        Attended { context, weights, log_sum_exp }
    }
}
