//! What a step of decoding costs: one layer of attention, one sequence.

use attn_core::mechanism::{
    AnyState, AttentionConfig, GatedDeltaConfig, LinearAttentionConfig, MechanismConfig,
    MechanismState, PerformerConfig, RetentionConfig,
};
use attn_core::{Mask, Stepwise};
use burn::tensor::{Device, Distribution, Tensor};
use std::time::Instant;

/// Tokens before the steps that are timed.
const LENGTHS: [usize; 3] = [1 << 10, 1 << 13, 1 << 16];
const HEADS: usize = 8;
const D_HEAD: usize = 64;
/// Tokens that are read at once before.
const CHUNK: usize = 512;
/// Steps that are timed; the median counts.
const TIMED: usize = 33;

/// One mechanism at one length.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Tokens per second of one layer.
    pub tokens_per_second: f64,
    /// Bytes of the state.
    pub bytes: usize,
}

/// Softmax attention and the mechanisms whose state does not grow.
pub fn members() -> Vec<(&'static str, MechanismConfig)> {
    vec![
        ("scaled-dot", MechanismConfig::Attention(AttentionConfig::new())),
        ("linear", MechanismConfig::LinearAttention(LinearAttentionConfig::new())),
        ("performer", MechanismConfig::Performer(PerformerConfig::new(D_HEAD, 2 * D_HEAD))),
        ("retention", MechanismConfig::Retention(RetentionConfig::new())),
        ("gated-delta", MechanismConfig::GatedDelta(GatedDeltaConfig::new(D_HEAD, HEADS))),
    ]
}

/// Steps of a mechanism behind so many tokens each.
pub fn measure(config: &MechanismConfig, lengths: &[usize], device: &Device) -> Vec<Cost> {
    let mechanism = config.init(device);
    let mut state = AnyState::default();
    // Softmax attention keeps keys whatever the queries see; what these few see is soon computed.
    let fill = match config {
        MechanismConfig::Attention(_) => Mask::window(Some(0), Some(0)),
        _ => Mask::causal(),
    };
    let step = |state: &mut AnyState, tokens: usize, mask: &Mask| {
        let draw = || Tensor::random([1, HEADS, tokens, D_HEAD], Distribution::Default, device);
        let (query, key, value) = (draw(), draw(), draw());
        let before = Instant::now();
        let context = mechanism.step(state, query, key, value, mask);
        // Until the device is done.
        let _ = context.sum().into_scalar::<f32>();
        before.elapsed().as_secs_f64()
    };
    let mut costs = Vec::new();
    for &length in lengths {
        while state.len() < length {
            let tokens = CHUNK.min(length - state.len());
            step(&mut state, tokens, &fill);
        }
        let bytes = state.bytes();
        let mut at_length = state.clone();
        // The first writes to a copy, as the state before is still there.
        step(&mut at_length, 1, &Mask::causal());
        let mut times: Vec<f64> =
            (0..TIMED).map(|_| step(&mut at_length, 1, &Mask::causal())).collect();
        times.sort_by(f64::total_cmp);
        costs.push(Cost { tokens_per_second: times[TIMED / 2].recip(), bytes });
    }
    costs
}

/// The head of a table in Markdown.
pub fn head() -> String {
    let columns = LENGTHS.map(|length| format!("{length}: tokens/s | {length}: MiB"));
    let (columns, rules) = (columns.join(" | "), "--:|".repeat(2 * LENGTHS.len()));
    format!(
        "one layer, {HEADS} heads of width {D_HEAD}, one sequence: tokens per second, and MiB of \
         state, behind so many tokens\n\n| mechanism | {columns} |\n|---|{rules}\n"
    )
}

/// The row of a mechanism.
pub fn row(name: &str, config: &MechanismConfig, device: &Device) -> String {
    let costs = measure(config, &LENGTHS, device);
    let cells = costs.iter().map(|Cost { tokens_per_second, bytes }| {
        format!("{tokens_per_second:.0} | {:.3}", *bytes as f64 / f64::from(1 << 20))
    });
    format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::super::family::{self, Member};
    use super::*;

    #[test]
    fn softmax_keeps_more_and_more_and_the_others_do_not() {
        let device = Device::flex();
        for (name, config) in members() {
            let [short, long] = measure(&config, &[8, 80], &device)[..] else { panic!("{name}") };
            assert_eq!(
                long.bytes > short.bytes,
                name == "scaled-dot",
                "{name}: {short:?} {long:?}"
            );
            assert!(short.tokens_per_second > 0.0 && long.tokens_per_second > 0.0, "{name}");
        }
    }

    #[test]
    fn they_are_named_as_in_the_other_table() {
        let names: Vec<_> = family::members().into_iter().map(|Member { name, .. }| name).collect();
        assert!(members().iter().all(|(name, _)| names.contains(name)));
    }
}
