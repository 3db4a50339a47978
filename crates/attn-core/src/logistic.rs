//! The logistic function, in the precision of what it is given.

use burn::tensor::Tensor;

/// `σ(x)` and `1 - σ(x) = σ(-x)`, both to the last digits, however small.
///
/// With `e = exp(-|x|)`, the smaller of them is `e / (1 + e)` and the other `1 / (1 + e)`: nothing
/// overflows and nothing cancels. Not burn's own, which goes through f32 and through a logarithm on
/// most backends.
pub fn logistic<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let positive = x.clone().detach().greater_elem(0.0);
    // Not through `abs`, whose gradient at 0 is 0.
    let e = x.clone().mask_where(positive.clone(), x.neg()).exp();
    let larger = (e.clone() + 1.0).recip();
    let smaller = e * larger.clone();
    let up = smaller.clone().mask_where(positive.clone(), larger.clone());
    (up, larger.mask_where(positive, smaller))
}

/// `σ(x) = 1 / (1 + exp(-x))`
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    logistic(x).0
}
