//! Rotation of pairs of features.

use super::chunks::{for_each_chunk, load, store};
use super::simd::{Isa, Op, Real, Simd};
use crate::layout::{Output, View};
use crate::parameters::Pairing;
use std::mem::MaybeUninit;

/// Rows of a task.
const CHUNK: usize = 64;

/// Cosines and sines, `[batch | 1, steps, width / 2]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Angles<'a> {
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
}

/// By the angles, or back by them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Forwards,
    Backwards,
}

/// Turns the rows of `[batch, heads, steps, width]`; the result lies in memory as they do.
///
/// # Panics
/// If the angles are not those of the rows.
pub(crate) fn rotate(
    isa: Isa,
    x: &View<f32>,
    angles: Angles,
    pairing: Pairing,
    direction: Direction,
) -> Output<f32> {
    let [batch, heads, steps, width] = x.shape;
    let half = width / 2;
    let of_one = steps * half;
    assert_eq!(angles.cos.len(), angles.sin.len(), "cosines and sines");
    assert!([of_one, batch * of_one].contains(&angles.cos.len()), "{} angles", angles.cos.len());
    let mut output = Output::like(x, x.shape);
    let heads_inside = output.heads_inside;
    let size = batch * heads * steps * width;
    let to = &mut output.data.spare_capacity_mut()[..size];
    for_each_chunk([to], [CHUNK * width], 4 * size, |index, [to]| {
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let row = index * CHUNK + row;
            let (b, rest) = (row / (heads * steps), row % (heads * steps));
            let (h, i) = if heads_inside {
                (rest % heads, rest / heads)
            } else {
                (rest / steps, rest % steps)
            };
            let [of_batch, of_head, of_step, _] = x.strides;
            let from = &x.data[b * of_batch + h * of_head + i * of_step..][..width];
            let first = if angles.cos.len() == of_one { 0 } else { b * of_one } + i * half;
            let cos = &angles.cos[first..first + half];
            let sin = &angles.sin[first..first + half];
            f32::run(isa, Row { from, to, cos, sin, pairing, direction });
        }
    });
    // SAFETY: every row has been written, and they are all of it.
    unsafe { output.finish() }
}

struct Row<'a> {
    from: &'a [f32],
    to: &'a mut [MaybeUninit<f32>],
    cos: &'a [f32],
    sin: &'a [f32],
    pairing: Pairing,
    direction: Direction,
}

impl Op<f32> for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd<T = f32>>(self, simd: S) {
        let Self { from, to, cos, sin, pairing, direction } = self;
        let sign = if direction == Direction::Forwards { 1.0 } else { -1.0 };
        match pairing {
            Pairing::HalfSplit => {
                let half = cos.len();
                let (first, second) = from.split_at(half);
                let (to_first, to_second) = to.split_at_mut(half);
                for at in (0..half).step_by(S::LANES) {
                    let (x, y) = (load(simd, first, at), load(simd, second, at));
                    let cos = load(simd, cos, at);
                    let sin = simd.mul(load(simd, sin, at), simd.splat(sign));
                    let turned = simd.sub(simd.mul(x, cos), simd.mul(y, sin));
                    store(simd, to_first, at, turned);
                    store(simd, to_second, at, simd.fma(y, cos, simd.mul(x, sin)));
                }
            }
            Pairing::Interleaved => {
                let pairs = from.chunks_exact(2).zip(to.chunks_exact_mut(2));
                for ((from, to), (cos, sin)) in pairs.zip(cos.iter().zip(sin)) {
                    let ([x, y], sin) = ([from[0], from[1]], sin * sign);
                    to[0].write(x * cos - y * sin);
                    to[1].write(y * cos + x * sin);
                }
            }
        }
    }
}
