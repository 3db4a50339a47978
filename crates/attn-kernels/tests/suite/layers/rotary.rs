//! Rotary positions.

use super::against_f64::check;
use attn_kernels::rotary::{Pairing, rotate};
use burn::tensor::{Tensor, TensorData};

#[test]
fn rotations_turn_pairs_of_features() {
    for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
        for [b, h, s, d] in [[1, 1, 1, 2], [2, 3, 5, 8], [3, 2, 70, 34]] {
            let angles = |rows, like: &Tensor<2>| {
                let to = (&like.device(), like.dtype());
                let of = |f: fn(f64) -> f64| {
                    let angle = |i| f64::from(f(i as f64 * 0.37) as f32);
                    let numbers = (0..rows * s * d / 2).map(angle).collect();
                    Tensor::<4>::from_data(
                        TensorData::new::<f64, _>(numbers, [rows, 1, s, d / 2]),
                        to,
                    )
                };
                [of(f64::cos), of(f64::sin)]
            };
            for rows in [1, b] {
                check("heads outside", &[[b * h * s, d]], [4.0, 8.0], |t| {
                    let [cos, sin] = angles(rows, &t[0]);
                    let x = t[0].clone().reshape([b, h, s, d]);
                    rotate(x, cos, sin, pairing).reshape([b * h * s, d])
                });
                check("heads inside", &[[b * s, h * d]], [4.0, 8.0], |t| {
                    let [cos, sin] = angles(rows, &t[0]);
                    let x = t[0].clone().reshape([b, s, h, d]).swap_dims(1, 2);
                    rotate(x, cos, sin, pairing).reshape([b * h * s, d])
                });
            }
        }
    }
}
