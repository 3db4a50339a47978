//! Rotation in plain tensor operations: what "correct" means, and what runs on every device.

use crate::parameters::Pairing;
use burn::tensor::{Tensor, s};

/// [`rotate`](super::rotate).
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>, pairing: Pairing) -> Tensor<4> {
    let dims @ [b, h, steps, d] = x.dims();
    let half = d / 2;
    let (first, second) = match pairing {
        Pairing::HalfSplit => {
            (x.clone().slice_dim(3, s![..half]), x.slice_dim(3, s![half..])) // [b, h, s, d/2]
        }
        Pairing::Interleaved => {
            let pairs = x.reshape([b, h, steps, half, 2]);
            let first = pairs.clone().slice_dim(4, s![0..1]).squeeze_dim(4); // [b, h, s, d/2]
            (first, pairs.slice_dim(4, s![1..2]).squeeze_dim(4))
        }
    };
    let turned =
        [first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin];
    match pairing {
        Pairing::HalfSplit => Tensor::cat(turned.into(), 3), // [b, h, s, d]
        Pairing::Interleaved => Tensor::stack::<5>(turned.into(), 4).reshape(dims),
    }
}
