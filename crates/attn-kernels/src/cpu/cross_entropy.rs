//! Cross-entropy of logits against smoothed labels, without a matrix of probabilities.

use super::fill::{Fresh, fill, first, load, store};
use super::simd::{Isa, Op, Real, Simd};

/// Rows of a task.
const CHUNK: usize = 8;

/// Rows of `width` logits and the label of each, which is `None` for a row that does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) logits: &'a [f32],
    pub(crate) width: usize,
    pub(crate) labels: &'a [Option<u32>],
    pub(crate) smoothing: f64,
}

impl<'a> Rows<'a> {
    fn chunk(self, index: usize) -> Self {
        let rows = index * CHUNK..self.labels.len().min((index + 1) * CHUNK);
        let logits = &self.logits[rows.start * self.width..rows.end * self.width];
        Self { logits, labels: &self.labels[rows], ..self }
    }

    fn each(&self) -> impl Iterator<Item = (&'a [f32], Option<u32>)> {
        self.logits.chunks_exact(self.width).zip(self.labels.iter().copied())
    }
}

/// The log-sum-exps of rows, in two parts: their sum would round away what is left of a large one.
#[derive(Clone, Debug)]
pub(crate) struct LogSumExps {
    largest: Vec<f32>,
    /// Log-sum-exp relative to the largest.
    rest: Vec<f32>,
}

/// The cost of each row, 0 of one that does not count, and the log-sum-exps.
pub(crate) fn forward(isa: Isa, rows: Rows) -> (Vec<f32>, LogSumExps) {
    let count = rows.labels.len();
    // SAFETY: a chunk writes the results of all its rows.
    let [costs, largest, rest] = unsafe {
        fill(
            [count; 3],
            [CHUNK; 3],
            8 * rows.logits.len(),
            || (),
            |(), index, results| {
                f32::run(isa, Forward { rows: rows.chunk(index), results });
            },
        )
    };
    (costs, LogSumExps { largest, rest })
}

/// The gradient of the logits, where that of every cost is `gradient`.
pub(crate) fn backward(isa: Isa, rows: Rows, saved: &LogSumExps, gradient: f32) -> Vec<f32> {
    let size = rows.logits.len();
    // SAFETY: a chunk writes all of its rows.
    let [d_logits] = unsafe {
        fill(
            [size],
            [CHUNK * rows.width],
            8 * size,
            || (),
            |(), index, [to]| {
                let saved = [&saved.largest, &saved.rest].map(|saved| &saved[index * CHUNK..]);
                f32::run(isa, Backward { rows: rows.chunk(index), saved, gradient, to });
            },
        )
    };
    d_logits
}

struct Forward<'a> {
    rows: Rows<'a>,
    /// Costs, largest logits, and the rest of the log-sum-exps.
    results: [&'a mut Fresh; 3],
}

impl Op<f32> for Forward<'_> {
    type Output = ();

    /// `log Z - (1 - e) z_y - e · mean(z)`, relative to the largest logit.
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { rows, results: [costs, largests, rests] } = self;
        let Rows { width, smoothing, .. } = rows;
        let nothing = simd.splat(f32::NEG_INFINITY);
        let zero = simd.splat(0.0);
        let log2_e = simd.splat(std::f32::consts::LOG2_E);
        for (index, (logits, label)) in rows.each().enumerate() {
            let Some(label) = label else {
                for to in [&mut *costs, largests, rests] {
                    to[index].write(0.0);
                }
                continue;
            };
            let mut largest = nothing;
            for at in (0..width).step_by(S::LANES) {
                largest =
                    simd.max(first(simd, width - at, load(simd, logits, at), nothing), largest);
            }
            let largest = simd.largest(largest);
            let shift = simd.splat(largest);
            let (mut total, mut sum) = (zero, zero);
            for at in (0..width).step_by(S::LANES) {
                let relative = simd.sub(load(simd, logits, at), shift);
                let power = simd.exp2(simd.mul(relative, log2_e));
                total = simd.add(total, first(simd, width - at, power, zero));
                sum = simd.add(sum, first(simd, width - at, relative, zero));
            }
            let log_total = f64::from(simd.sum(total)).ln();
            let mean = f64::from(simd.sum(sum)) / width as f64;
            let right = f64::from(logits[label as usize] - largest);
            let smoothed = if smoothing > 0.0 { smoothing * mean } else { 0.0 };
            costs[index].write((log_total - (1.0 - smoothing) * right - smoothed) as f32);
            largests[index].write(largest);
            rests[index].write(log_total as f32);
        }
    }
}

struct Backward<'a> {
    rows: Rows<'a>,
    /// Largest logits, and the rest of the log-sum-exps.
    saved: [&'a [f32]; 2],
    gradient: f32,
    to: &'a mut Fresh,
}

impl Op<f32> for Backward<'_> {
    type Output = ();

    /// `p - e / v - (1 - e) [label]`, times the gradient of the cost.
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { rows, saved: [largests, rests], gradient, to } = self;
        let Rows { width, smoothing, .. } = rows;
        let factor = simd.splat(gradient);
        let share = simd.splat(-gradient * (smoothing / width as f64) as f32);
        let log2_e = simd.splat(std::f32::consts::LOG2_E);
        let rows = rows.each().zip(to.chunks_exact_mut(width));
        for (index, ((logits, label), to)) in rows.enumerate() {
            let Some(label) = label else {
                to.iter_mut().for_each(|to| _ = to.write(0.0));
                continue;
            };
            let (largest, rest) = (simd.splat(largests[index]), simd.splat(rests[index]));
            for at in (0..width).step_by(S::LANES) {
                let relative = simd.sub(simd.sub(load(simd, logits, at), largest), rest);
                let power = simd.exp2(simd.mul(relative, log2_e));
                store(simd, to, at, simd.fma(power, factor, share));
            }
            let right = &mut to[label as usize];
            // SAFETY: the vectors have written all of the row.
            let before = unsafe { right.assume_init() };
            right.write(before - gradient * (1.0 - smoothing) as f32);
        }
    }
}
