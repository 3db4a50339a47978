//! Whether the weights of a model fit into memory, before anything is allocated for them.

use attn_rnn::RecurrentConfig;
use attn_transformer::BlockConfig;

/// More weights than the memory of this machine holds.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the model has {weights} weights or more, which take {needed:.1} GiB; this machine has \
     {memory:.1} GiB"
)]
pub struct TooLarge {
    /// A lower bound of the number of weights.
    pub weights: u128,
    /// What they take, in GiB.
    pub needed: f64,
    /// What there is, in GiB.
    pub memory: f64,
}

/// Bytes of a weight.
const WEIGHT: u128 = 4;

/// What a machine is taken to have that does not say how much it has.
const USUAL: u128 = 1 << 40;

/// Refuses a model whose weights alone, which are drawn, saved and loaded there, are more than the
/// memory of this machine.
pub(crate) fn check(least_weights: u128) -> Result<(), TooLarge> {
    check_against(least_weights, machine_memory())
}

fn check_against(weights: u128, memory: u128) -> Result<(), TooLarge> {
    let needed = weights.saturating_mul(WEIGHT);
    if needed > memory {
        let gib = |bytes: u128| bytes as f64 / (1_u64 << 30) as f64;
        return Err(TooLarge { weights, needed: gib(needed), memory: gib(memory) });
    }
    Ok(())
}

/// Bytes of memory, as far as the system says.
fn machine_memory() -> u128 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|total| total.split_whitespace().next()?.parse::<u128>().ok());
    kilobytes.map_or(USUAL, |kilobytes| kilobytes * 1024)
}

/// `a · b`, however large.
fn product(a: usize, b: usize) -> u128 {
    a as u128 * b as u128
}

/// The least number of weights of so many blocks: queries, outputs and a feed-forward layer, and the
/// biases or norms that every feature has.
pub(crate) fn of_blocks(layers: usize, block: &BlockConfig) -> u128 {
    let d = block.d_model;
    let d_ff = block.d_ff.unwrap_or(d);
    let d_head = block.d_head.unwrap_or(d / block.heads.max(1));
    let of_heads = product(d, block.heads.saturating_mul(d_head)).saturating_mul(2);
    let weights = of_heads
        .saturating_add(product(d, d_ff).saturating_mul(2))
        .saturating_add(block.mechanism.least_weights());
    weights.saturating_add(1).saturating_mul(layers as u128)
}

/// The least number of weights of recurrent layers.
pub(crate) fn of_recurrent(config: &RecurrentConfig) -> u128 {
    let RecurrentConfig { d_input, d_hidden, layers, .. } = *config;
    // The simplest cells have three gates.
    let of_states = product(d_hidden, d_hidden).saturating_mul(3).saturating_add(1);
    of_states
        .saturating_mul(layers as u128)
        .saturating_add(product(d_input, d_hidden).saturating_mul(3))
}

/// A table of embeddings.
pub(crate) fn of_table(entries: usize, features: usize) -> u128 {
    product(entries, features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_sizes() {
        let error = check_against(1 << 30, (4 << 30) - 1).unwrap_err().to_string();
        assert_eq!(
            error,
            "the model has 1073741824 weights or more, which take 4.0 GiB; this machine has 4.0 GiB"
        );
        check_against(1 << 30, 4 << 30).unwrap();
        let block = BlockConfig { d_ff: Some(usize::MAX), ..BlockConfig::new(usize::MAX, 1) };
        let blocks = of_blocks(usize::MAX, &block);
        check(blocks).unwrap_err();
        check(of_recurrent(&RecurrentConfig::gru(usize::MAX, usize::MAX))).unwrap_err();
        check(of_table(usize::MAX, usize::MAX)).unwrap_err();
    }

    /// A bound from below: it refuses nothing that would fit.
    #[test]
    fn a_bound_is_no_more_than_what_there_is() {
        use attn_transformer::DecoderOnlyConfig;
        use burn::module::Module;
        use burn::tensor::Device;

        let block = BlockConfig { kv_heads: Some(1), d_ff: Some(5), ..BlockConfig::new(12, 3) };
        let config = DecoderOnlyConfig { layers: 2, ..DecoderOnlyConfig::new(7, block.clone()) };
        let weights = config.init(&Device::default()).num_params() as u128;
        let bound = of_blocks(2, &block) + of_table(7, 12);
        assert!(bound <= weights && weights < 2 * bound, "{bound} {weights}");
    }
}
