//! Small encoder–decoders of every flow, score and alignment.

use crate::support::{random_ids, rng, seeded};
use attn_core::alignment::{
    AlignmentConfig, EntmaxConfig, LocalMonotonicConfig, LocalPredictiveConfig, MonotonicConfig,
    SparsemaxConfig,
};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{
    AdditiveConfig, ConcatConfig, CoverageConfig, DotConfig, GeneralConfig, LocationAwareConfig,
    LocationConfig, ScoreConfig,
};
use attn_rnn::{
    BahdanauConfig, BridgeKind, CellKind, DecoderConfig, EncoderConfig, FlowConfig, LuongConfig,
    RecurrentConfig, Seq2Seq, Seq2SeqConfig,
};
use burn::tensor::Device;

/// The same products in another number of rows: what f32 loses in a dozen of them one after the
/// other, each with sums of up to 16 terms of order one.
pub const CLOSE: f64 = 1e-5;

pub const SOURCE_VOCAB: u32 = 13;
pub const VOCAB: u32 = 11;
pub const D_HIDDEN: usize = 8;
/// Both directions of states of 4, so that a dot product is a choice too.
pub const D_ANNOTATION: usize = 8;

pub fn attentions() -> Vec<AttentionConfig> {
    let general = || ScoreConfig::General(GeneralConfig::new(D_HIDDEN, D_ANNOTATION));
    let scores = [
        ScoreConfig::Dot(DotConfig::new()),
        general(),
        ScoreConfig::Additive(AdditiveConfig::new(D_HIDDEN, D_ANNOTATION, 5)),
        ScoreConfig::Concat(ConcatConfig::new(D_HIDDEN, D_ANNOTATION, 5)),
        ScoreConfig::Location(LocationConfig::new(D_HIDDEN, 9)),
        ScoreConfig::LocationAware(LocationAwareConfig::new(D_HIDDEN, D_ANNOTATION, 5, 2, 3)),
        ScoreConfig::Coverage(CoverageConfig::new(D_HIDDEN, D_ANNOTATION, 5)),
    ];
    let alignments = [
        AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(1)),
        AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, D_HIDDEN, 5)),
        AlignmentConfig::Monotonic(MonotonicConfig::new()),
        AlignmentConfig::Sparsemax(SparsemaxConfig::new()),
        AlignmentConfig::Entmax(EntmaxConfig::new()),
    ];
    let scores = scores.map(|score| AttentionConfig::new().with_score(score));
    let alignments = alignments
        .map(|alignment| AttentionConfig::new().with_score(general()).with_alignment(alignment));
    scores.into_iter().chain(alignments).collect()
}

pub fn flows_of(attention: &AttentionConfig) -> [FlowConfig; 3] {
    let luong = LuongConfig::new(attention.clone());
    [
        FlowConfig::Bahdanau(BahdanauConfig::new(attention.clone(), 6)),
        FlowConfig::Luong(luong.clone()),
        FlowConfig::Luong(LuongConfig { input_feeding: true, ..luong }),
    ]
}

pub fn flows() -> Vec<FlowConfig> {
    let mut flows: Vec<_> = attentions().iter().flat_map(flows_of).collect();
    flows.push(FlowConfig::Plain);
    flows
}

/// One flow of each kind.
pub fn few_flows() -> Vec<FlowConfig> {
    let mut flows = flows_of(&attentions()[2]).to_vec();
    flows.push(FlowConfig::Plain);
    flows
}

pub fn config(flow: FlowConfig, cell: CellKind, bridge: BridgeKind) -> Seq2SeqConfig {
    let reader = RecurrentConfig {
        layers: 2,
        bidirectional: true,
        ..RecurrentConfig::new(cell, 3, D_ANNOTATION / 2)
    };
    let writer = RecurrentConfig { layers: 2, ..RecurrentConfig::new(cell, 5, D_HIDDEN) };
    let decoder = DecoderConfig::new(VOCAB as usize, writer, flow);
    let encoder = EncoderConfig::new(SOURCE_VOCAB as usize, reader);
    Seq2SeqConfig { bridge, ..Seq2SeqConfig::new(encoder, decoder) }
}

/// With one layer each, for tests that compute many losses.
pub fn shallow(mut config: Seq2SeqConfig) -> Seq2SeqConfig {
    config.encoder.recurrent.layers = 1;
    config.decoder.recurrent.layers = 1;
    config
}

pub fn model(flow: FlowConfig, device: &Device) -> Seq2Seq {
    seeded(config(flow, CellKind::Lstm, BridgeKind::Dense).init(device), 20)
}

pub const LENGTHS: [usize; 3] = [4, 7, 1];

pub fn sources() -> Vec<Vec<u32>> {
    random_ids(&mut rng(21), [3, 7], SOURCE_VOCAB)
}

pub fn targets() -> Vec<Vec<u32>> {
    random_ids(&mut rng(22), [3, 5], VOCAB)
}
