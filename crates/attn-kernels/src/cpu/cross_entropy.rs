//! Cross-entropy of logits against smoothed labels, without a matrix of probabilities.

use super::chunks::{for_each_chunk, load, overwrite, select_first};
use super::simd::{Isa, Op, Real, Simd};

/// Rows of a task.
const CHUNK: usize = 8;

/// The label of each row, which is `None` for a row that does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels<'a> {
    pub(crate) of_rows: &'a [Option<u32>],
    pub(crate) smoothing: f64,
}

impl Labels<'_> {
    fn chunk(self, index: usize) -> Self {
        let rows = index * CHUNK..self.of_rows.len().min((index + 1) * CHUNK);
        Self { of_rows: &self.of_rows[rows], ..self }
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
pub(crate) fn forward(isa: Isa, logits: &[f32], labels: Labels) -> (Vec<f32>, LogSumExps) {
    let count = labels.of_rows.len();
    let size = CHUNK * (logits.len() / count);
    let mut results = [(); 3].map(|()| vec![0.0; count]);
    let slices = results.each_mut().map(Vec::as_mut_slice);
    for_each_chunk(slices, [CHUNK; 3], 8 * logits.len(), |index, results| {
        let logits = &logits[index * size..logits.len().min((index + 1) * size)];
        f32::run(isa, Forward { logits, labels: labels.chunk(index), results });
    });
    let [costs, largest, rest] = results;
    (costs, LogSumExps { largest, rest })
}

/// Turns logits into their gradient, where that of every cost is `gradient`.
pub(crate) fn backward(
    isa: Isa,
    logits: &mut [f32],
    labels: Labels,
    saved: &LogSumExps,
    gradient: f32,
) {
    let size = CHUNK * (logits.len() / labels.of_rows.len());
    let work = 8 * logits.len();
    for_each_chunk([logits], [size], work, |index, [logits]| {
        let saved = [&saved.largest, &saved.rest].map(|saved| &saved[index * CHUNK..]);
        f32::run(isa, Backward { logits, labels: labels.chunk(index), saved, gradient });
    });
}

/// [`forward`] and [`backward`] while a row is in the cache: the costs; the logits become the
/// gradient of their sum.
pub(super) fn forward_and_backward(isa: Isa, logits: &mut [f32], labels: Labels) -> Vec<f32> {
    let count = labels.of_rows.len();
    let size = CHUNK * (logits.len() / count);
    let work = 16 * logits.len();
    let mut costs = vec![0.0; count];
    for_each_chunk([logits, &mut costs], [size, CHUNK], work, |index, [logits, costs]| {
        let labels = labels.chunk(index);
        let [mut largest, mut rest] = [[0.0; CHUNK]; 2];
        let count = costs.len();
        let results = [costs, &mut largest[..count], &mut rest[..count]];
        f32::run(isa, Forward { logits, labels, results });
        f32::run(isa, Backward { logits, labels, saved: [&largest, &rest], gradient: 1.0 });
    });
    costs
}

struct Forward<'a> {
    logits: &'a [f32],
    labels: Labels<'a>,
    /// Costs, largest logits, and the rest of the log-sum-exps.
    results: [&'a mut [f32]; 3],
}

impl Op<f32> for Forward<'_> {
    type Output = ();

    /// `log Z - (1 - e) z_y - e · mean(z)`, relative to the largest logit.
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { logits, labels: Labels { of_rows, smoothing }, results } = self;
        let [costs, largests, rests] = results;
        let (nothing, zero) = (simd.splat(f32::NEG_INFINITY), simd.splat(0.0));
        let log2_e = simd.splat(std::f32::consts::LOG2_E);
        let width = logits.len() / of_rows.len();
        for (index, (logits, label)) in logits.chunks_exact(width).zip(of_rows).enumerate() {
            let Some(label) = label else {
                for to in [&mut *costs, largests, rests] {
                    to[index] = 0.0;
                }
                continue;
            };
            let mut largest = nothing;
            for at in (0..width).step_by(S::LANES) {
                largest = simd
                    .max(select_first(simd, width - at, load(simd, logits, at), nothing), largest);
            }
            let largest = simd.largest(largest);
            let shift = simd.splat(largest);
            let (mut total, mut sum) = (zero, zero);
            for at in (0..width).step_by(S::LANES) {
                let relative = simd.sub(load(simd, logits, at), shift);
                let power = simd.exp2(simd.mul(relative, log2_e));
                total = simd.add(total, select_first(simd, width - at, power, zero));
                sum = simd.add(sum, select_first(simd, width - at, relative, zero));
            }
            let log_total = f64::from(simd.sum(total)).ln();
            let right = f64::from(logits[*label as usize] - largest);
            // Not 0 times the mean, which may be -∞.
            let mean = f64::from(simd.sum(sum)) / width as f64;
            let spread = if smoothing > 0.0 { smoothing * mean } else { 0.0 };
            costs[index] = (log_total - (1.0 - smoothing) * right - spread) as f32;
            largests[index] = largest;
            rests[index] = log_total as f32;
        }
    }
}

struct Backward<'a> {
    logits: &'a mut [f32],
    labels: Labels<'a>,
    /// Largest logits, and the rest of the log-sum-exps.
    saved: [&'a [f32]; 2],
    gradient: f32,
}

impl Op<f32> for Backward<'_> {
    type Output = ();

    /// `p - e / v - (1 - e) [label]`, times the gradient of the cost.
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { logits, labels: Labels { of_rows, smoothing }, saved, gradient } = self;
        let [largests, rests] = saved;
        let width = logits.len() / of_rows.len();
        let factor = simd.splat(gradient);
        let share = simd.splat(-gradient * (smoothing / width as f64) as f32);
        let log2_e = simd.splat(std::f32::consts::LOG2_E);
        for (index, (logits, label)) in logits.chunks_exact_mut(width).zip(of_rows).enumerate() {
            let Some(label) = label else {
                logits.fill(0.0);
                continue;
            };
            let (largest, rest) = (simd.splat(largests[index]), simd.splat(rests[index]));
            for at in (0..width).step_by(S::LANES) {
                let relative = simd.sub(simd.sub(load(simd, logits, at), largest), rest);
                let power = simd.exp2(simd.mul(relative, log2_e));
                overwrite(simd, logits, at, simd.fma(power, factor, share));
            }
            logits[*label as usize] -= gradient * (1.0 - smoothing) as f32;
        }
    }
}
