//! Attention pair by pair, over the visible pairs alone: what is left to do where something that is
//! not a number is hidden from something that is. Multiplying it by a weight of zero would not do.
//! Slow and plain.

use super::problem::{Gradients, Problem, Saved, Shape};
use super::schedule::{SharedPtr, run_tasks};
use super::scores::normalizer;
use super::simd::Real;
use crate::layout::Output;

/// Context and statistics.
pub(super) fn forward<T: Real>(problem: &Problem<T>) -> (Output<T>, Vec<T>) {
    let shape = problem.shape();
    let Shape { batch, heads, queries, value_width, .. } = shape;
    let mut context = Output::like(&problem.query, [batch, heads, queries, value_width]);
    let rows = batch * heads * queries;
    let mut statistics = vec![T::ZERO; 2 * rows];
    let (to, statistics_to) = (context.shared(), SharedPtr(statistics.as_mut_ptr()));
    run_tasks(
        batch * heads,
        usize::MAX,
        || (),
        |(), head| {
            let [b, h] = [head / heads, head % heads];
            for i in 0..queries {
                let row = Row::new(problem, &shape, [b, h, i]);
                // SAFETY: the row of this query, which is this task's alone.
                unsafe {
                    *statistics_to.at(head * queries + i) = row.log_sum_exp;
                    *statistics_to.at(rows + head * queries + i) = row.remainder;
                    for column in 0..value_width {
                        let value = |seen: &Seen<T>| seen.kept * row.value(seen.key, column);
                        *to.row(b, h, i).add(column) =
                            row.seen.iter().map(value).fold(T::ZERO, |sum, x| sum + x);
                    }
                }
            }
        },
    );
    // SAFETY: the tasks have written every row of every head.
    (unsafe { context.finish() }, statistics)
}

/// The gradients.
pub(super) fn backward<T: Real>(problem: &Problem<T>, saved: &Saved<T>) -> Gradients<T> {
    let shape = problem.shape();
    saved.check(&shape);
    let Shape { batch, heads, group, queries, width, value_width, .. } = shape;
    let scale = T::from_f64(problem.options.scale);
    let zeros = |size| vec![T::ZERO; size];
    let mut query = Output::zeros(&problem.query, T::ZERO);
    let mut key = Output::zeros(&problem.key, T::ZERO);
    let mut value = Output::zeros(&problem.value, T::ZERO);
    let of_bias = problem.bias.filter(|_| saved.bias_gradient);
    let mut bias = of_bias.map(|bias| zeros(bias.shape.iter().product()));
    let mut sink = problem.sink.map(|sink| zeros(sink.len()));
    let (to_query, to_key, to_value) = (query.shared(), key.shared(), value.shared());

    for b in 0..batch {
        for h in 0..heads {
            let g = h / group;
            for i in 0..queries {
                let row = Row::new(problem, &shape, [b, h, i]);
                let index = (b * heads + h) * queries + i;
                let mut delta = T::ZERO;
                let gradient =
                    |column| saved.grad_context.map_or(T::ZERO, |view| view.at([b, h, i, column]));
                for column in 0..value_width {
                    delta += gradient(column) * saved.context.at([b, h, i, column]);
                }
                if saved.grad_context.is_none() {
                    delta = T::ZERO;
                }
                if let Some(gradients) = saved.grad_log_sum_exp {
                    delta = delta - gradients[index];
                }
                if let (Some(sinks), Some(to)) = (problem.sink, &mut sink)
                    && sinks[h] > T::NEG_INFINITY
                {
                    let weight = exp((sinks[h] - row.log_sum_exp) - row.remainder);
                    to[h] += weight * (T::ZERO - delta);
                }
                for seen in &row.seen {
                    let j = seen.key;
                    let mut of_weight = T::ZERO;
                    for column in 0..value_width {
                        let gradient = gradient(column);
                        of_weight += gradient * row.value(j, column);
                        // SAFETY: within the row; no other thread is at work.
                        unsafe { *to_value.row(b, g, j).add(column) += seen.kept * gradient };
                    }
                    // `kept` is the weight times what dropout multiplies it with.
                    let of_logit = seen.kept * of_weight - seen.weight * delta;
                    if let (Some(bias), Some(to)) = (problem.bias, &mut bias) {
                        to[bias.own_index([b, h, i, j])] += of_logit;
                    }
                    let of_score = of_logit * seen.slope * scale;
                    for column in 0..width {
                        let (q, k) = (row.query(column), row.key(j, column));
                        // SAFETY: as above.
                        unsafe {
                            *to_query.row(b, h, i).add(column) += of_score * k;
                            *to_key.row(b, g, j).add(column) += of_score * q;
                        }
                    }
                }
            }
        }
    }
    Gradients { query, key, value, bias, sink }
}

fn exp<T: Real>(x: T) -> T {
    (x * T::LOG2_E).exp2()
}

/// A key that a query sees.
struct Seen<T> {
    key: usize,
    weight: T,
    /// The weight after dropout.
    kept: T,
    /// Of the soft-cap.
    slope: T,
}

/// What a query sees.
struct Row<'a, 'b, T> {
    problem: &'a Problem<'b, T>,
    at: [usize; 3],
    g: usize,
    seen: Vec<Seen<T>>,
    log_sum_exp: T,
    remainder: T,
}

impl<'a, 'b, T: Real> Row<'a, 'b, T> {
    fn new(problem: &'a Problem<'b, T>, shape: &Shape, at: [usize; 3]) -> Self {
        let [b, h, i] = at;
        let g = h / shape.group;
        let seen = Vec::new();
        let [log_sum_exp, remainder] = normalizer(T::ZERO, T::ZERO);
        let mut row = Self { problem, at, g, seen, log_sum_exp, remainder };
        let options = problem.options;
        let scale = T::from_f64(options.scale);
        let sees = |key: usize| {
            let mask = options.mask.as_ref();
            mask.is_none_or(|mask| mask.bits(b, h, i, key - key % 64) >> (key % 64) & 1 == 1)
        };
        // First the logits, in place of the weights.
        for key in (0..shape.keys).filter(|&key| sees(key)) {
            let products = (0..shape.width).map(|column| row.query(column) * row.key(key, column));
            let mut logit = products.fold(T::ZERO, |sum, x| sum + x) * scale;
            let mut slope = T::ONE;
            if let Some(cap) = options.softcap {
                let cap = T::from_f64(cap);
                let tanh = (logit / cap).tanh();
                slope = T::ONE - tanh * tanh;
                logit = cap * tanh;
            }
            if let Some(bias) = problem.bias {
                logit += bias.at([b, h, i, key]);
            }
            row.seen.push(Seen { key, weight: logit, kept: T::ZERO, slope });
        }
        let sink = problem.sink.map(|sink| sink[h]);
        let logits = || row.seen.iter().map(|seen| seen.weight).chain(sink);
        let largest =
            logits().fold(T::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a });
        if largest == T::NEG_INFINITY {
            row.seen.iter_mut().for_each(|seen| seen.weight = T::ZERO);
            return row;
        }
        let total = logits().map(|logit| exp(logit - largest)).fold(T::ZERO, |a, b| a + b);
        [row.log_sum_exp, row.remainder] = normalizer(largest, total);
        let index = ((b * shape.heads + h) * shape.queries + i) as u64;
        for seen in &mut row.seen {
            seen.weight = exp(seen.weight - largest) / total;
            seen.kept = match options.dropout {
                None => seen.weight,
                Some(mask) if mask.keeps(index, seen.key as u32) => {
                    seen.weight * T::from_f64(mask.kept_factor())
                }
                Some(_) => T::ZERO,
            };
        }
        row
    }

    fn query(&self, column: usize) -> T {
        let [b, h, i] = self.at;
        self.problem.query.at([b, h, i, column])
    }

    fn key(&self, j: usize, column: usize) -> T {
        self.problem.key.at([self.at[0], self.g, j, column])
    }

    fn value(&self, j: usize, column: usize) -> T {
        self.problem.value.at([self.at[0], self.g, j, column])
    }
}
