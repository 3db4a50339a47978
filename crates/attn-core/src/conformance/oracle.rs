//! What attention is, in plain loops of f64.
//!
//! Scaled dot-product attention (Vaswani et al. 2017, equation 1) under the law, forward and
//! backward, one pair of query and key at a time. A hidden pair is never visited, so that whatever
//! stands there cannot matter. Never optimized; the meaning of "correct" for [`attend`](crate::attend).
//!
//! For query `i` and key `j` that it sees, in every batch row and head:
//!
//! ```text
//! s_j = c tanh(scale (q_i · k_j) / c) + bias_ij        softmax:  w_j = exp(s_j) / Σ exp(s_l)
//! o   = Σ_j f_j w_j v_j                                dropout:  f_j is 0 or 1 / (1 - prob)
//! L   = ln Σ_j exp(s_j)
//! ```
//!
//! A sink is one more key with a score of its own and the value zero: part of the sums over `l` and
//! in `L`, and no part of `o`.
//!
//! and with upstream gradients `do` of the context, `dw` of the weights and `dL` of the
//! log-sum-exp (Dao et al. 2022, appendix B.2, extended by cap, bias, dropout and the last two):
//!
//! ```text
//! dv_j += f_j w_j do                                   g_j = f_j (do · v_j) + dw_j
//! ds_j  = w_j (g_j - Σ_l w_l g_l + dL)                 dbias_ij += ds_j
//! dz_j  = ds_j (1 - tanh²) scale                       dq_i += dz_j k_j,   dk_j += dz_j q_i
//! ```
//!
//! where `ds` of the sink has `g = 0`, and is the gradient of its logit.
//!
//! Nothing is expected of a score that is not finite and of what depends on it, nor of the gradients
//! of a query that sees a value that is not finite.

use super::approx::{Approx, softmax};
use super::array::{Array, At, indices};
use crate::{AttentionShape, DropoutMask, Mask};

/// One more score in each row, of the value zero.
#[derive(Clone, Debug)]
pub enum Sink {
    /// Of the logit 0.
    Zero,
    /// Of a logit for each head, `[1, heads, 1, 1]`.
    Learned(Array<f64>),
}

/// What attention is asked.
#[derive(Clone, Debug)]
pub struct Problem {
    /// `[batch, heads, queries, d]`
    pub query: Array<f64>,
    /// `[batch, kv_heads, keys, d]`
    pub key: Array<f64>,
    /// `[batch, kv_heads, keys, value_dim]`
    pub value: Array<f64>,
    /// What a device is told about which pairs are visible.
    pub mask: Mask,
    /// What that means, `[batch, heads, queries, keys]`.
    pub visible: Array<bool>,
    /// Factor of the scores; `None` is `1 / sqrt(d)`.
    pub scale: Option<f64>,
    /// Soft-cap `c` of the scores.
    pub softcap: Option<f64>,
    /// Added to the scores, of their shape or broadcast.
    pub bias: Option<Array<f64>>,
    /// The sink, if there is one.
    pub sink: Option<Sink>,
    /// Which weights are dropped.
    pub dropout: Option<DropoutMask>,
}

/// What attention answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `[batch, heads, queries, value_dim]`
    pub context: Array<Approx>,
    /// `[batch, heads, queries, keys]`, before dropout.
    pub weights: Array<Approx>,
    /// What the sink has of a row, `[batch, heads, queries, 1]`; 0 if there is none.
    pub sink_weight: Array<Approx>,
    /// `[batch, heads, queries, 1]`
    pub log_sum_exp: Array<Approx>,
}

/// Gradients of a loss with respect to the parts of an answer.
#[derive(Clone, Debug)]
pub struct Cotangents {
    /// Of the shape of [`Answer::context`].
    pub context: Array<f64>,
    /// Of the shape of [`Answer::weights`].
    pub weights: Array<f64>,
    /// Of the shape of [`Answer::log_sum_exp`].
    pub log_sum_exp: Array<f64>,
}

/// Gradients of that loss with respect to the parts of the problem, each of the part's shape.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of [`Problem::query`].
    pub query: Array<Approx>,
    /// Of [`Problem::key`].
    pub key: Array<Approx>,
    /// Of [`Problem::value`].
    pub value: Array<Approx>,
    /// Of [`Problem::bias`].
    pub bias: Option<Array<Approx>>,
    /// Of the logits of [`Sink::Learned`].
    pub sink: Option<Array<Approx>>,
}

impl Problem {
    /// Plain attention of these under a mask, which means what [`Mask::is_visible`] says.
    pub fn new(query: Array<f64>, key: Array<f64>, value: Array<f64>, mask: Mask) -> Self {
        let [batch, heads, queries, _] = query.dims();
        let visible = Array::filled([batch, heads, queries, key.dims()[2]], true);
        Self {
            query,
            key,
            value,
            mask: Mask::open(),
            visible,
            scale: None,
            softcap: None,
            bias: None,
            sink: None,
            dropout: None,
        }
        .with_mask(mask)
    }

    /// The sizes that the mask is asked about.
    pub fn shape(&self) -> AttentionShape {
        let [batch, heads, queries, _] = self.query.dims();
        AttentionShape { batch, heads, queries, keys: self.key.dims()[2] }
    }

    /// The same question under another mask.
    pub fn with_mask(self, mask: Mask) -> Self {
        let shape = self.shape();
        let visible =
            Array::from_fn(self.visible.dims(), |[b, h, i, j]| mask.is_visible(&shape, b, h, i, j));
        Self { mask, visible, ..self }
    }

    /// The keys that a query sees.
    fn seen(&self, [b, h, i]: [usize; 3]) -> Vec<usize> {
        let keys = 0..self.key.dims()[2];
        keys.filter(|&j| self.visible[[b, h, i, j]]).collect()
    }

    /// The key head that a query head reads.
    fn kv_head(&self, head: usize) -> usize {
        head / (self.query.dims()[1] / self.key.dims()[1])
    }

    fn scale(&self) -> Approx {
        let width = self.query.dims()[3] as f64;
        Approx::rounded(self.scale.unwrap_or(1.0 / width.sqrt()))
    }

    /// A score, and its derivative with respect to the scaled product; NaN where that is not finite,
    /// although a cap would bound it.
    fn score(&self, at: At) -> (Approx, Approx) {
        let [b, h, i, j] = at;
        let g = self.kv_head(h);
        let products = (0..self.query.dims()[3]).map(|x| {
            Approx::exact(self.query[[b, h, i, x]]) * Approx::exact(self.key[[b, g, j, x]])
        });
        let product = products.sum::<Approx>() * self.scale();
        if !product.value.is_finite() {
            return (Approx::NAN, Approx::NAN);
        }
        let one = Approx::exact(1.0);
        let (score, slope) = match self.softcap {
            None => (product, one),
            Some(cap) => {
                let tanh = (product * Approx::rounded(1.0 / cap)).tanh();
                (tanh * Approx::rounded(cap), one - tanh * tanh)
            }
        };
        match &self.bias {
            None => (score, slope),
            Some(bias) => (score + Approx::exact(bias[at]), slope),
        }
    }

    /// Weights of keys of these scores in a row of a head, that of the sink (0 if there is none), and
    /// the log-sum-exp.
    fn softmax(&self, h: usize, scores: &[Approx], epsilon: f64) -> (Vec<Approx>, Approx, Approx) {
        let logit = match &self.sink {
            None => None,
            Some(Sink::Zero) => Some(0.0),
            Some(Sink::Learned(logits)) => Some(logits[[0, h, 0, 0]]),
        };
        let Some(logit) = logit else {
            let (weights, lse) = softmax(scores, epsilon);
            return (weights, Approx::ZERO, lse);
        };
        let scores = [scores, &[Approx::exact(logit)]].concat();
        let (mut weights, lse) = softmax(&scores, epsilon);
        let sink = weights.pop().expect("a weight for each score");
        (weights, sink, lse)
    }

    /// What dropout multiplies a weight with.
    fn factor(&self, [b, h, i, j]: At) -> Approx {
        let [_, heads, queries, _] = self.query.dims();
        match self.dropout {
            None => Approx::exact(1.0),
            Some(mask) if mask.keeps(((b * heads + h) * queries + i) as u64, j as u32) => {
                Approx::rounded(1.0 / (1.0 - mask.prob()))
            }
            Some(_) => Approx::ZERO,
        }
    }

    /// Context, weights and log-sum-exp, with bounds for a device of this epsilon.
    pub fn answer(&self, epsilon: f64) -> Answer {
        let [batch, heads, queries, _] = self.visible.dims();
        let [.., width] = self.value.dims();
        let mut context = Array::filled([batch, heads, queries, width], Approx::ZERO);
        let mut weights = Array::filled(self.visible.dims(), Approx::ZERO);
        let mut sink_weight = Array::filled([batch, heads, queries, 1], Approx::ZERO);
        let mut log_sum_exp = sink_weight.clone();

        for [b, h, i, _] in indices([batch, heads, queries, 1]) {
            let seen = self.seen([b, h, i]);
            let scores: Vec<_> = seen.iter().map(|&j| self.score([b, h, i, j]).0).collect();
            let (row, sink, lse) = self.softmax(h, &scores, epsilon);
            sink_weight[[b, h, i, 0]] = sink;
            log_sum_exp[[b, h, i, 0]] = lse;
            for (&j, w) in seen.iter().zip(row) {
                weights[[b, h, i, j]] = w;
                let dropped = w * self.factor([b, h, i, j]);
                for e in 0..width {
                    let v = Approx::exact(self.value[[b, self.kv_head(h), j, e]]);
                    context[[b, h, i, e]] += dropped * v;
                }
            }
        }
        Answer { context, weights, sink_weight, log_sum_exp }
    }

    /// Gradients, with bounds for a device of this epsilon.
    pub fn gradients(&self, upstream: &Cotangents, epsilon: f64) -> Gradients {
        let [batch, heads, queries, _] = self.visible.dims();
        let zeros = |array: &Array<f64>| Array::filled(array.dims(), Approx::ZERO);
        let (mut query, mut key) = (zeros(&self.query), zeros(&self.key));
        let (mut value, mut bias) = (zeros(&self.value), self.bias.as_ref().map(zeros));
        let mut sink = match &self.sink {
            Some(Sink::Learned(logits)) => Some(zeros(logits)),
            _ => None,
        };

        for [b, h, i, _] in indices([batch, heads, queries, 1]) {
            let g = self.kv_head(h);
            let seen = self.seen([b, h, i]);
            let scored: Vec<_> = seen.iter().map(|&j| self.score([b, h, i, j])).collect();
            let scores: Vec<_> = scored.iter().map(|&(score, _)| score).collect();
            let (mut weights, sink_weight, _) = self.softmax(h, &scores, epsilon);
            let values = 0..self.value.dims()[3];
            let is_finite = |j: usize| values.clone().all(|e| self.value[[b, g, j, e]].is_finite());
            if !seen.iter().all(|&j| is_finite(j)) {
                weights.fill(Approx::NAN);
            }

            let mut d_weights = Vec::new(); // g_j
            for (&j, &w) in seen.iter().zip(&weights) {
                let factor = self.factor([b, h, i, j]);
                let mut product = Approx::ZERO;
                for e in values.clone() {
                    let d_context = Approx::exact(upstream.context[[b, h, i, e]]);
                    product += d_context * Approx::exact(self.value[[b, g, j, e]]);
                    value[[b, g, j, e]] += w * factor * d_context;
                }
                let d_weight = Approx::exact(upstream.weights[[b, h, i, j]]);
                d_weights.push(factor * product + d_weight);
            }

            let mean: Approx = weights.iter().zip(&d_weights).map(|(&w, &g)| w * g).sum();
            let d_lse = Approx::exact(upstream.log_sum_exp[[b, h, i, 0]]);
            if let Some(sink) = &mut sink {
                sink[[0, h, 0, 0]] += sink_weight * (d_lse - mean);
            }
            for (n, &j) in seen.iter().enumerate() {
                let d_score = weights[n] * (d_weights[n] - mean + d_lse);
                if let Some(bias) = &mut bias {
                    bias[[b, h, i, j]] += d_score;
                }
                let d_product = d_score * scored[n].1 * self.scale();
                for x in 0..self.query.dims()[3] {
                    query[[b, h, i, x]] += d_product * Approx::exact(self.key[[b, g, j, x]]);
                    key[[b, g, j, x]] += d_product * Approx::exact(self.query[[b, h, i, x]]);
                }
            }
        }
        Gradients { query, key, value, bias, sink }
    }
}
