//! Norms, and dropout.

use super::against_f64::{check, devices};
use crate::cases::matrices::row;
use attn_kernels::DropoutMask;
use attn_kernels::norm::{layer_norm, norm_with_residual, rms_norm};
use burn::tensor::Tensor;

#[test]
fn norms_are_their_equations() {
    for [rows, width] in [[1, 1], [3, 5], [65, 16], [130, 100], [2, 257]] {
        let shapes = [[rows, width], [1, width], [1, width]];
        // Rows of a single number, or of near ones, are divided by little.
        let sizes = [(rows.max(width) + 8) as f64, 64.0];
        check("layer norm", &shapes, sizes, |t| {
            layer_norm(t[0].clone(), row(&t[1]), row(&t[2]), 0.1)
        });
        check("rms norm", &shapes[..2], sizes, |t| rms_norm(t[0].clone(), row(&t[1]), 0.1));
        check("layer norm and its input", &shapes, sizes, |t| {
            let [y, x] = norm_with_residual(t[0].clone(), row(&t[1]), Some(row(&t[2])), 0.1);
            x.clone() * y + x * 0.5
        });
        check("rms norm and its input", &shapes[..2], sizes, |t| {
            let [y, x] = norm_with_residual(t[0].clone(), row(&t[1]), None, 0.1);
            Tensor::cat(vec![y, x, t[0].clone()], 1)
        });
        check("an input whose norm is not read", &shapes[..1], sizes, |t| {
            let gamma = Tensor::<1>::ones([width], &t[0].device()).cast(t[0].dtype());
            norm_with_residual(t[0].clone(), gamma, None, 0.1)[1].clone() * 3.0
        });
        check("layer norm of columns", &[[width, rows], shapes[1], shapes[2]], sizes, |t| {
            layer_norm(t[0].clone().transpose(), row(&t[1]), row(&t[2]), 0.1)
        });
    }
}

#[test]
fn dropout_is_a_product_with_its_factors() {
    for [rows, width] in [[1, 1], [3, 5], [70, 16], [130, 100], [2, 5000]] {
        let mask = DropoutMask::new(0.3, 7);
        check("dropout", &[[rows, width]], [2.0, 8.0], |t| mask.apply(t[0].clone()));
        check("dropout and residual", &[[rows, width]; 2], [2.0, 8.0], |t| {
            mask.apply_and_add(t[0].clone(), t[1].clone())
        });
        for device in devices() {
            let one = Tensor::<2>::ones([rows, width], &device);
            let dropped = mask.apply(one).into_data().try_into_vec::<f32>().expect("f32");
            assert_eq!(dropped, mask.factors(rows, width));
        }
    }
}
