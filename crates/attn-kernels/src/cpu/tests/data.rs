//! The inputs of a case, and the results.

use super::super::simd::{Isa, Real};
use super::super::{Gradients, Problem, Saved, backward, forward, pairwise};
use super::case::Case;
use super::mask::Mask;
use crate::layout::View;
use crate::parameters::Options;
use crate::random::combine;
use std::sync::Arc;

/// Uniform in `[-1, 1)`, exact in f32.
pub(super) fn noise<T: Real>(size: usize, seed: u64) -> Vec<T> {
    let number = |i| (combine(seed, i as u64) >> 40) as f64 / f64::from(1 << 23) - 1.0;
    (0..size).map(|i| T::from_f64(number(i))).collect()
}

/// The numbers of a case.
pub(super) struct Data<T> {
    pub(super) case: Case,
    pub(super) query: Vec<T>,
    pub(super) key: Vec<T>,
    pub(super) value: Vec<T>,
    pub(super) bias: Option<Vec<T>>,
    pub(super) sink: Option<Vec<T>>,
    pub(super) gradient: Vec<T>,
    pub(super) lse_gradient: Vec<T>,
    pub(super) options: Options,
}

impl Case {
    pub(super) fn data<T: Real>(&self) -> Data<T> {
        let &Case { batch, kv_heads, queries, keys, width, value_width, .. } = self;
        let heads = self.heads();
        let mask = Mask { kind: self.kind, queries, keys };
        Data {
            case: self.clone(),
            query: noise(batch * heads * queries * width, 1),
            key: noise(batch * kv_heads * keys * width, 2),
            value: noise(batch * kv_heads * keys * value_width, 3),
            bias: self.bias_shape().map(|shape| noise(shape.iter().product(), 4)),
            sink: self.sink.then(|| noise(heads, 5)),
            gradient: noise(batch * heads * queries * value_width, 6),
            lse_gradient: noise(batch * heads * queries, 7),
            options: Options {
                scale: self.scale,
                softcap: self.softcap,
                dropout: self.dropout,
                mask: Some(Arc::new(mask)),
            },
        }
    }
}

fn view<T>(data: &[T], shape: [usize; 4], heads_inside: bool) -> View<'_, T> {
    let [_, heads, steps, width] = shape;
    let strides = if heads_inside {
        [heads * steps * width, width, heads * width, 1]
    } else {
        [heads * steps * width, steps * width, width, 1]
    };
    View {
        data,
        shape,
        strides: std::array::from_fn(|a| if shape[a] == 1 { 0 } else { strides[a] }),
    }
}

/// Context, log-sum-exp and all gradients, as numbers in the order of memory.
pub(super) type Answer<T> = Vec<(&'static str, Vec<T>)>;

impl<T: Real> Data<T> {
    pub(super) fn inputs(&mut self) -> Vec<&mut Vec<T>> {
        let always = [&mut self.query, &mut self.key, &mut self.value, &mut self.gradient];
        let others = [Some(&mut self.lse_gradient), self.bias.as_mut(), self.sink.as_mut()];
        always.into_iter().chain(others.into_iter().flatten()).collect()
    }

    pub(super) fn problem(&self) -> Problem<'_, T> {
        let &Case { batch, kv_heads, queries, keys, width, value_width, heads_inside, .. } =
            &self.case;
        let view =
            |data, heads, steps, width| view(data, [batch, heads, steps, width], heads_inside);
        Problem {
            query: view(&self.query, self.case.heads(), queries, width),
            key: view(&self.key, kv_heads, keys, width),
            value: view(&self.value, kv_heads, keys, value_width),
            bias: self
                .case
                .bias_shape()
                .zip(self.bias.as_ref())
                .map(|(shape, bias)| self::view(bias, shape, false)),
            sink: self.sink.as_deref(),
            options: &self.options,
        }
    }

    /// By an instruction set, or pair by pair.
    pub(super) fn answer(&self, isa: Option<Isa>) -> Answer<T> {
        let problem = self.problem();
        let expect = "nothing but numbers";
        let (context, statistics) = match isa {
            Some(isa) => forward::forward(isa, &problem).expect(expect),
            None => pairwise::forward(&problem),
        };
        let gradient =
            View { data: &self.gradient, ..view(&[], context.shape, context.heads_inside) };
        let saved = Saved {
            context: view(&context.data, context.shape, context.heads_inside),
            statistics: &statistics,
            grad_context: Some(gradient),
            grad_log_sum_exp: Some(&self.lse_gradient),
            bias_gradient: true,
        };
        let gradients = match isa {
            Some(isa) => backward::backward(isa, &problem, &saved).expect(expect),
            None => pairwise::backward(&problem, &saved),
        };
        let Gradients { query, key, value, bias, sink } = gradients;
        let mut answer = vec![
            ("context", context.data),
            ("log-sum-exp", statistics[..statistics.len() / 2].to_vec()),
            ("d query", query.data),
            ("d key", key.data),
            ("d value", value.data),
        ];
        answer.extend(bias.map(|bias| ("d bias", bias)));
        answer.extend(sink.map(|sink| ("d sink", sink)));
        answer
    }
}
