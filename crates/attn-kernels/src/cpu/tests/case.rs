//! What a case is made of, and any of them.

use super::mask::Kind;
use crate::parameters::DropoutMask;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) batch: usize,
    pub(super) kv_heads: usize,
    pub(super) group: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) width: usize,
    pub(super) value_width: usize,
    pub(super) kind: Kind,
    pub(super) scale: f64,
    pub(super) softcap: Option<f64>,
    /// Of which dimensions the bias has more than one element.
    pub(super) bias: Option<[bool; 4]>,
    pub(super) sink: bool,
    pub(super) dropout: Option<DropoutMask>,
    /// Whether heads lie inside of steps in memory.
    pub(super) heads_inside: bool,
}

/// Of a property.
pub(super) const CASES: u32 = 48;

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        Just(Kind::Open),
        Just(Kind::Causal),
        (1_usize..200).prop_map(Kind::Window),
        any::<u64>().prop_map(Kind::Noise),
    ];
    // Around the sizes of tiles, panels, cells and blocks.
    let queries = prop_oneof![1_usize..=20, 40_usize..=56, Just(100)];
    let keys = prop_oneof![1_usize..=40, 60_usize..=70, 120_usize..=140, 505_usize..=520];
    let width = prop_oneof![1_usize..=20, 31_usize..=33, Just(64)];
    let sizes = (1_usize..=2, 1_usize..=2, 1_usize..=3, queries, keys, width.clone(), width);
    let softcap = proptest::option::of(0.5_f64..5.0);
    let bias = proptest::option::of(any::<[bool; 4]>());
    let dropout = proptest::option::of((0.05_f64..0.9, any::<u64>()));
    let options = (-2.0_f64..2.0, softcap, bias, any::<bool>(), dropout, any::<bool>());
    (sizes, kind, options).prop_map(|(sizes, kind, options)| {
        let (batch, kv_heads, group, queries, keys, width, value_width) = sizes;
        let (scale, softcap, bias, sink, dropout, heads_inside) = options;
        let scale = scale / (width as f64).sqrt();
        let dropout = dropout.map(|(prob, seed)| DropoutMask::new(prob, seed));
        Case {
            batch,
            kv_heads,
            group,
            queries,
            keys,
            width,
            value_width,
            kind,
            scale,
            softcap,
            bias,
            sink,
            dropout,
            heads_inside,
        }
    })
}

impl Case {
    pub(super) fn heads(&self) -> usize {
        self.kv_heads * self.group
    }

    pub(super) fn bias_shape(&self) -> Option<[usize; 4]> {
        let full = [self.batch, self.heads(), self.queries, self.keys];
        self.bias.map(|own| std::array::from_fn(|axis| if own[axis] { full[axis] } else { 1 }))
    }
}
