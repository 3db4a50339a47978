//! Activations and gates.

use super::cases::matrices::ACTIVATIONS;
use super::{STEPS, TANH, check};
use attn_kernels::activation::Activation;

/// From -6 to 6: into the tails. What comes out is below 6, times a gate and a weight below 2 each.
///
/// The slope of GELU by tanh is `(1 + t + x (1 - t²) u') / 2`: an error of `t` goes into it
/// `|x t u' + 1 / 2|` times, and `|x u'|` is 28 at most. Its weights are of 4.
#[test]
fn activations_and_gates_are_their_twins() {
    for f in ACTIVATIONS {
        let sizes = if f == Activation::GeluTanh { [29.0 * TANH, 4.0] } else { [STEPS, 24.0] };
        check("activation", &[[3, 7]], sizes, |t| f.forward(t[0].clone() * 3.0));
        check("gate", &[[3, 7]; 2], sizes, |t| f.gate(t[0].clone() * 3.0, t[1].clone()));
    }
}
