//! Cross-entropy of logits that a linear map makes, a chunk of rows at a time.

use super::cross_entropy::{Labels, forward, forward_and_backward};
use super::elementwise::{Change, change};
use super::linear::{Addend, product_into, sum_rows};
use super::matrix::Matrix;
use super::pages::prefer_large_pages;
use super::simd::{Isa, Simd};

/// Logits that are there at once, about: 16 MiB of them. With fewer the weight would be packed more
/// often, once for each chunk and product.
const LOGITS_AT_ONCE: usize = 1 << 22;

/// What linear maps make of rows is compared with labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    pub(crate) x: Matrix<'a>,
    pub(crate) weight: Matrix<'a>,
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) labels: Labels<'a>,
}

/// Of the sum of the costs; `None` where it was not requested.
#[derive(Debug, Default)]
pub(crate) struct Gradients {
    /// By rows.
    pub(crate) x: Option<Vec<f32>>,
    /// By columns, if the weight is; else by rows.
    pub(crate) weight: Option<Vec<f32>>,
    pub(crate) bias: Option<Vec<f32>>,
}

/// Which [`Gradients`] are requested.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WantedGradients {
    pub(crate) x: bool,
    pub(crate) weight: bool,
    pub(crate) bias: bool,
}

/// The sum of the costs, and its gradients.
///
/// Rows without a label are left out before anything is computed of them.
pub(crate) fn sum(isa: Isa, problem: Problem, wanted: WantedGradients) -> (f32, Gradients) {
    let Problem { x, weight, bias, labels } = problem;
    let counted: Vec<usize> = (0..x.rows()).filter(|&row| labels.of_rows[row].is_some()).collect();
    if counted.len() == x.rows() {
        return all_labeled(isa, problem, wanted);
    }
    let rows = x.select(&counted);
    let of_rows: Vec<_> = counted.iter().map(|&row| labels.of_rows[row]).collect();
    let problem = Problem {
        x: Matrix::new(&rows, [counted.len(), x.columns()], [x.columns(), 1]),
        weight,
        bias,
        labels: Labels { of_rows: &of_rows, ..labels },
    };
    let (cost, mut gradients) = all_labeled(isa, problem, wanted);
    gradients.x = gradients.x.map(|of_counted| {
        let width = x.columns();
        let mut of_x = vec![0.0; x.rows() * width];
        for (&row, gradient) in counted.iter().zip(of_counted.chunks_exact(width.max(1))) {
            of_x[row * width..][..width].copy_from_slice(gradient);
        }
        of_x
    });
    (cost, gradients)
}

/// [`sum`], where all rows have labels.
fn all_labeled(isa: Isa, problem: Problem, wanted: WantedGradients) -> (f32, Gradients) {
    let Problem { x, weight, bias, labels } = problem;
    let (n, d, v) = (x.rows(), weight.rows(), weight.columns());
    // Not a matter of threads: it decides how gradients are summed.
    let chunk = (LOGITS_AT_ONCE / v).clamp(256, 1024);
    let zeros = |count, wanted: bool| {
        wanted.then(|| {
            let zeros = vec![0.0_f32; count];
            prefer_large_pages(zeros.as_ptr(), count);
            zeros
        })
    };
    let mut gradients = Gradients {
        x: zeros(n * d, wanted.x),
        weight: zeros(d * v, wanted.weight),
        bias: zeros(v, wanted.bias),
    };
    let mut logits = zeros(n.min(chunk) * v, true).unwrap_or_default();
    // Once, not for each chunk: the weight as its products read it, and its transpose.
    let (is_column_major, transposed) = (weight.is_column_major(), weight.transposed());
    let weight_by_rows = weight.row_major_copy_for(n);
    let transposed_by_rows = if wanted.x { transposed.row_major_copy_for(n) } else { None };
    let weight = weight.or_row_major(&weight_by_rows);
    let transposed = transposed.or_row_major(&transposed_by_rows);
    let is_needed = wanted.x || wanted.weight || wanted.bias;
    let mut cost = 0.0;
    for start in (0..n).step_by(chunk) {
        let rows = start..n.min(start + chunk);
        let x = x.part(rows.clone());
        let logits = &mut logits[..rows.len() * v];
        product_into(x, weight, bias.map_or(Addend::None, Addend::Row), logits);
        let labels = Labels { of_rows: &labels.of_rows[rows.clone()], ..labels };
        let costs = if is_needed {
            forward_and_backward(isa, logits, labels)
        } else {
            forward(isa, logits, labels).0
        };
        cost = costs.into_iter().map(f64::from).fold(cost, |sum, cost| sum + cost);
        let gradient = Matrix::row_major(logits, v);
        if let Some(of_x) = &mut gradients.x {
            let of_x = &mut of_x[rows.start * d..rows.end * d];
            product_into(gradient, transposed, Addend::None, of_x);
        }
        if let Some(of_weight) = &mut gradients.weight {
            let plus = if start == 0 { Addend::None } else { Addend::Previous };
            if is_column_major {
                product_into(gradient.transposed(), x, plus, of_weight);
            } else {
                product_into(x.transposed(), gradient, plus, of_weight);
            }
        }
        if let Some(of_bias) = &mut gradients.bias {
            let sums = sum_rows(isa, logits, v);
            of_bias.iter_mut().zip(sums).for_each(|(of_bias, sum)| *of_bias += sum);
        }
    }
    (cost as f32, gradients)
}

/// Multiplies all elements.
pub(crate) fn scale(isa: Isa, elements: &mut [f32], factor: f32) {
    if factor != 1.0 {
        change(isa, [], [elements], Scale(factor));
    }
}

#[derive(Clone, Copy)]
struct Scale(f32);

impl Change<0, 1> for Scale {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, []: [S::V; 0], [x]: [S::V; 1]) -> [S::V; 1] {
        [simd.mul(x, simd.splat(self.0))]
    }
}
