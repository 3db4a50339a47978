//! What is measured: one list. Whoever adds an attention adds a line to [`settings`].

use super::measure::Sizes;
use attn_core::mask::BigBird;
use attn_core::mechanism::{
    AttentionConfig, GatedDeltaConfig, LinearAttentionConfig, LinformerConfig, LshConfig,
    PerformerConfig, RetentionConfig,
};
use attn_core::{Mask, Mechanism};
use burn::tensor::Device;
use serde::Serialize;

/// The mechanism, and the mask for so many queries and keys.
pub type Make = fn(usize, Sizes, &Device) -> (Box<dyn Mechanism>, Mask);

/// One attention, at any length.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// What the table calls it; unique in the list.
    pub name: &'static str,
    /// How its time is claimed to grow.
    pub claim: Claim,
    /// Lengths above this take too long to be measured unasked.
    pub longest: usize,
    /// The mechanism, and the mask for so many queries and keys.
    pub make: Make,
}

/// An order of growth, as papers claim it: of the pairs that a mask shows. A kernel computes tiles, and
/// where the pairs are spread over all tiles, its time grows with these.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Claim {
    /// As papers write it.
    pub order: &'static str,
    /// The exponent of `n` in it.
    pub exponent: f64,
}

impl Claim {
    /// Every pair.
    pub const QUADRATIC: Self = Self { order: "n²", exponent: 2.0 };
    /// So many keys per query, however long the sequence.
    pub const WINDOW: Self = Self { order: "n·w", exponent: 1.0 };
    /// A stride of `√n`.
    pub const STRIDE: Self = Self { order: "n·√n", exponent: 1.5 };
    /// Chunks of a sequence that is sorted.
    pub const SORTED: Self = Self { order: "n·log n", exponent: 1.0 };
    /// No pairs at all.
    pub const LINEAR: Self = Self { order: "n", exponent: 1.0 };
}

/// The table, row by row.
pub fn settings() -> Vec<Setting> {
    let any = usize::MAX;
    let of = |name, claim, longest, make| Setting { name, claim, longest, make };
    vec![
        of("full", Claim::QUADRATIC, 4096, |_, _, device| attend(Mask::open(), device)),
        of("causal", Claim::QUADRATIC, any, |_, _, device| attend(Mask::causal(), device)),
        of("window 256", Claim::WINDOW, any, |_, _, device| {
            attend(Mask::window(Some(255), Some(0)), device)
        }),
        of("dilated window 2 × 128, every 2nd", Claim::WINDOW, any, |_, _, device| {
            attend(Mask::window(Some(256), Some(256)) & Mask::dilated(2), device)
        }),
        of("Longformer 2 × 128, 8 global", Claim::WINDOW, any, |_, _, device| {
            attend(Mask::longformer(128, 1, vec![(0..8).collect()]), device)
        }),
        of(
            "BigBird 2 × 96, 128 global, 3 random blocks of 64",
            Claim::WINDOW,
            any,
            |n, _, device| {
                let blocks = n.div_ceil(64);
                let random = blocks.min(3);
                let sizes = BigBird { size: 64, blocks, window: 96, global: 128, random, seed: 7 };
                attend(Mask::big_bird(sizes), device)
            },
        ),
        of("strided √n", Claim::STRIDE, any, |n, _, device| {
            attend(Mask::strided(n.isqrt()), device)
        }),
        of("fixed √n, 8 summary columns", Claim::STRIDE, any, |n, _, device| {
            let stride = n.isqrt();
            attend(Mask::fixed(stride, stride.min(8)), device)
        }),
        of("documents of 512", Claim::WINDOW, any, |_, _, device| {
            attend(Mask::causal() & Mask::local_blocks(512), device)
        }),
        of("linear, causal", Claim::LINEAR, any, |_, _, device| {
            (Box::new(LinearAttentionConfig::new().init(device)), Mask::causal())
        }),
        of(
            "Performer, 128 features, causal",
            Claim::LINEAR,
            any,
            |_, Sizes { width, .. }, device| {
                (Box::new(PerformerConfig::new(width, 128).init(device)), Mask::causal())
            },
        ),
        of("Linformer, 256 projected", Claim::LINEAR, any, |n, _, device| {
            (Box::new(LinformerConfig::new(n, 256).init(device)), Mask::open())
        }),
        of("LSH, 2 rounds, chunks of 64, causal", Claim::SORTED, any, |n, sizes, device| {
            // Buckets of about half a chunk, as the paper has them; an even number.
            let buckets = (n / 32).next_multiple_of(2).max(2);
            let config = LshConfig::new(sizes.width, buckets).with_rounds(2).with_chunk(64);
            (Box::new(config.init(device)), Mask::causal())
        }),
        of("retention, causal", Claim::LINEAR, any, |_, _, device| {
            (Box::new(RetentionConfig::new().init(device)), Mask::causal())
        }),
        of("gated delta rule, causal", Claim::LINEAR, any, |_, Sizes { heads, width }, device| {
            (Box::new(GatedDeltaConfig::new(width, heads).init(device)), Mask::causal())
        }),
    ]
}

/// Scaled dot-product attention, fused.
fn attend(mask: Mask, device: &Device) -> (Box<dyn Mechanism>, Mask) {
    (Box::new(AttentionConfig::new().init(device)), mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use attn_core::AttentionShape;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = settings().iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), settings().len());
    }

    #[test]
    fn masks_fit_every_length() {
        let device = device::default().device;
        for (setting, n) in settings().iter().flat_map(|s| [1, 64, 100, 1024].map(|n| (s, n))) {
            let (_, mask) = (setting.make)(n, Sizes { heads: 2, width: 16 }, &device);
            let shape = AttentionShape { batch: 1, heads: 2, queries: n, keys: n };
            assert!(mask.is_visible(&shape, 0, 1, n - 1, n - 1), "{} of {n}", setting.name);
        }
    }
}
