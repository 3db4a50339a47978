//! A step of AdamW in one pass over memory.

use super::elementwise::{Change, change};
use super::simd::{Isa, Simd};
use crate::parameters::Step;

/// Takes a parameter and its moments a step along a gradient.
pub(crate) fn step(
    isa: Isa,
    parameter: &mut [f32],
    gradient: &[f32],
    [first, second]: [&mut [f32]; 2],
    step: &Step,
) {
    let rule = Rule { step: *step, corrections: step.corrections() };
    change(isa, [gradient], [parameter, first, second], rule);
}

#[derive(Clone, Copy)]
struct Rule {
    step: Step,
    /// Of both moments: they are the same for all elements.
    corrections: [f64; 2],
}

impl Change<1, 3> for Rule {
    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S, [g]: [S::V; 1], [w, m, v]: [S::V; 3]) -> [S::V; 3] {
        let Self { step, corrections: [first, second] } = self;
        let Step { beta_1, beta_2, epsilon, weight_decay, rate, scale, .. } = step;
        let g = simd.mul(g, simd.splat(scale as f32));
        let fresh = simd.mul(g, simd.splat((1.0 - beta_1) as f32));
        let m = simd.fma(m, simd.splat(beta_1 as f32), fresh);
        let fresh = simd.mul(simd.mul(g, g), simd.splat((1.0 - beta_2) as f32));
        let v = simd.fma(v, simd.splat(beta_2 as f32), fresh);
        let root = simd.sqrt(simd.mul(v, simd.splat(second as f32)));
        let mean = simd.mul(m, simd.splat(first as f32));
        let direction = simd.div(mean, simd.add(root, simd.splat(epsilon as f32)));
        let kept = simd.mul(w, simd.splat((1.0 - rate * weight_decay) as f32));
        [simd.sub(kept, simd.mul(direction, simd.splat(rate as f32))), m, v]
    }
}
