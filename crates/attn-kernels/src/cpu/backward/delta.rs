//! `D` of each query, and the gradient of a sink, which is a sum of them.

use super::super::pack::{all_finite, dot};
use super::super::problem::{Saved, Shape};
use super::super::simd::{Op, Real, Simd};
use super::Pass;
use std::sync::atomic::Ordering;

/// `D` of all queries of a head, and whether something there would leak.
pub(super) struct Delta<'a, 'b, T> {
    pub(super) pass: &'a Pass<'a, 'b, T>,
    pub(super) b: usize,
    pub(super) h: usize,
}

impl<T: Real> Op<T> for Delta<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = T>>(self, simd: S) {
        let Self { pass, b, h } = self;
        let Shape { heads, queries, width, value_width, .. } = pass.shape;
        let first = (b * heads + h) * queries;
        let context = pass.saved.context.rows(b, h);
        let gradient = pass.saved.grad_context.map(|gradient| gradient.rows(b, h));
        for i in 0..queries {
            // SAFETY: rows of tensors that have been checked, and the element of this query.
            unsafe {
                let mut delta = match gradient {
                    None => T::ZERO,
                    Some(rows) => dot(simd, rows.from(i).start, context.from(i).start, value_width),
                };
                if let Some(gradient) = pass.saved.grad_log_sum_exp {
                    delta = delta - gradient[first + i];
                }
                *pass.delta.at(first + i) = delta;
            }
        }
        if pass.mask.is_some() {
            // SAFETY: rows of tensors that have been checked.
            let finite = unsafe {
                all_finite(simd, pass.problem.query.rows(b, h), queries, width)
                    && gradient.is_none_or(|rows| all_finite(simd, rows, queries, value_width))
            };
            if !finite {
                pass.leaks.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// The gradient of a sink, a logit whose value is zero: `Σ exp(sink - L) · (0 - D)`.
pub(super) fn grad_sink<T: Real>(
    sink: &[T],
    shape: &Shape,
    saved: &Saved<T>,
    delta: &[T],
) -> Vec<T> {
    let Shape { batch, heads, queries, .. } = *shape;
    let of_head = |(h, &sink): (usize, &T)| {
        let mut sum = 0.0;
        if sink == T::NEG_INFINITY {
            return T::ZERO;
        }
        for b in 0..batch {
            let first = (b * heads + h) * queries;
            for (i, &delta) in delta[first..first + queries].iter().enumerate() {
                let [lse, remainder] = saved.log_sum_exp(first + i);
                let weight = (((sink - lse) - remainder) * T::LOG2_E).exp2();
                sum -= (weight * delta).to_f64();
            }
        }
        T::from_f64(sum)
    };
    sink.iter().enumerate().map(of_head).collect()
}
