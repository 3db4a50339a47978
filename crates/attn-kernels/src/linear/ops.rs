//! The linear map as an operation of the processor backends.

use crate::cpu::isa;
use crate::cpu::linear::{Addend, product, product_into, row_invariant_product, sum_rows};
use crate::cpu::matrix::Matrix;
use crate::gradient_accumulator::GradientAccumulator;
use crate::operation::{Inputs, Operation, Parents, run};
use crate::slices::{SliceBackend, contiguous, memory, modified, slice, tensor};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

pub(super) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    is_row_invariant: bool,
) -> Tensor<D> {
    let mut dims = x.dims();
    let [d_input, d_output] = weight.dims();
    let rows = dims[..D - 1].iter().product::<usize>();
    dims[D - 1] = d_output;
    let operation = Linear { is_row_invariant, accumulator: GradientAccumulator::default() };
    map(operation, x.reshape([rows, d_input]), weight, bias).reshape(dims)
}

pub(super) fn linear_maps<const D: usize, const N: usize>(
    x: Tensor<D>,
    maps: [(Tensor<2>, Option<Tensor<1>>); N],
) -> [Tensor<D>; N] {
    let mut dims = x.dims();
    let width = dims[D - 1];
    // An accumulated tensor and the operations that know its accumulator have no other node between them.
    let rows = dims[..D - 1].iter().product::<usize>();
    let (x, accumulator) = GradientAccumulator::new(x.reshape([rows, width]));
    maps.map(|(weight, bias)| {
        dims[D - 1] = weight.dims()[1];
        let operation = Linear { is_row_invariant: false, accumulator: accumulator.clone() };
        map(operation, x.clone(), weight, bias).reshape(dims)
    })
}

fn map(operation: Linear, x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    run(operation, [x, weight].map(Tensor::into_dispatch), bias.map(Tensor::into_dispatch))
}

/// The tensor, copied if a dimension runs backwards.
pub(crate) fn readable<B: SliceBackend<f32>>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    if B::memory(&tensor).is_some_and(|memory| memory.strides.iter().all(|&stride| stride >= 0)) {
        tensor
    } else {
        B::to_contiguous(tensor)
    }
}

/// Of a tensor that is [readable].
pub(crate) fn matrix<B: SliceBackend<f32>>(tensor: &FloatTensor<B>) -> Matrix<'_> {
    let dims = tensor.shape().dims::<2>();
    let memory = memory::<B, f32>(tensor);
    let strides = std::array::from_fn(|axis| match dims[axis] {
        // That of a single index means nothing, and backends write there what they like.
        1 => 1,
        _ => memory.strides[axis].unsigned_abs(),
    });
    Matrix::new(memory.data, dims, strides)
}

/// `[rows, d_input] · [d_input, d_output] + [d_output]`, of `x`, weight and bias.
#[derive(Clone, Debug)]
struct Linear {
    is_row_invariant: bool,
    /// Of the gradients of `x`.
    accumulator: GradientAccumulator,
}

impl Operation<3, 2> for Linear {
    /// Whether the weight lies column by column in memory, as its gradient then should.
    type Saved<B: SliceBackend<f32>> = bool;

    fn forward<B: SliceBackend<f32>>(
        &self,
        inputs: Inputs<B>,
        _: [bool; 3],
    ) -> (FloatTensor<B>, bool) {
        let ([x, weight], bias) = inputs.split();
        let device = x.device();
        let is_column_major = B::memory(&weight)
            .is_some_and(|memory| memory.strides[0] == 1 && memory.strides[1] > 1);
        let (x, weight) = (readable::<B>(x), readable::<B>(weight));
        let bias = bias.map(contiguous::<B, f32>);
        let (x, weight) = (matrix::<B>(&x), matrix::<B>(&weight));
        let bias = bias.as_ref().map(slice::<B, f32>);
        let product = if self.is_row_invariant { row_invariant_product } else { product };
        let y = product(x, weight, bias);
        (tensor::<B, f32>(y, [x.rows(), weight.columns()], &device), is_column_major)
    }

    fn backward<B: SliceBackend<f32>>(
        self,
        is_column_major: bool,
        [x, weight]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        mut parents: Parents<B, 3>,
    ) {
        let gradient = contiguous::<B, f32>(gradient);
        let device = gradient.device();
        let dims = gradient.shape().dims::<2>();
        let output = Matrix::row_major(slice::<B, f32>(&gradient), dims[1]);
        if parents.wants(0) {
            let weight = readable::<B>(weight);
            let weight = matrix::<B>(&weight).transposed();
            self.accumulator.register(&mut parents, 0, |sum| match sum {
                None => {
                    let of_x = product(output, weight, None);
                    tensor::<B, f32>(of_x, [dims[0], weight.columns()], &device)
                }
                Some(sum) => modified::<B, f32>(sum, |sum| {
                    product_into(output, weight, Addend::Previous, sum);
                }),
            });
        }
        if parents.wants(1) {
            let x = readable::<B>(x);
            let x = matrix::<B>(&x);
            let of_weight = if is_column_major {
                let of_weight = product(output.transposed(), x, None);
                let of_weight = tensor::<B, f32>(of_weight, [dims[1], x.columns()], &device);
                B::float_swap_dims(of_weight, 0, 1)
            } else {
                let of_weight = product(x.transposed(), output, None);
                tensor::<B, f32>(of_weight, [x.columns(), dims[1]], &device)
            };
            parents.register(1, of_weight);
        }
        if parents.wants(2) {
            let of_bias = sum_rows(isa(), slice::<B, f32>(&gradient), dims[1]);
            parents.register(2, tensor::<B, f32>(of_bias, [dims[1]], &device));
        }
    }
}
