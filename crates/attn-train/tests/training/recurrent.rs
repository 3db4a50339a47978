//! Recurrent encoder–decoders: a run that is stopped after any step and resumed is the run that was
//! not stopped, whatever is drawn at random on the way.

use attn_core::alignment::{AlignmentConfig, GumbelSoftmaxConfig, HardConfig, SoftmaxConfig};
use attn_core::mechanism::AttentionConfig;
use attn_core::random;
use attn_core::score::{AdditiveConfig, ScoreConfig};
use attn_rnn::{
    BahdanauConfig, CellKind, CopyConfig, DecoderConfig, EncoderConfig, FlowConfig, LuongConfig,
    RecurrentConfig, Seq2Seq, Seq2SeqConfig,
};
use attn_train::batch::{PairBatch, TokenPair};
use attn_train::loss::LossSum;
use attn_train::{
    Objective, PairSource, Progress, Schedule, SequenceLoss, StopReason, StopSignal, Trainer,
    TrainerConfig,
};
use burn::tensor::Device;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cell::Cell;

use crate::{bits, devices};

/// Ids 4 to 10 are words; a target is its source backwards.
const VOCAB: usize = 11;
const STEPS: usize = 4;

fn pairs(count: usize, seed: u64) -> Vec<TokenPair> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pair = || {
        let steps = random.random_range(1..5);
        let source: Vec<u32> = (0..steps).map(|_| random.random_range(4..VOCAB as u32)).collect();
        TokenPair { target: source.iter().rev().copied().collect(), source }
    };
    (0..count).map(|_| pair()).collect()
}

/// An epoch is two steps and a half.
fn sources(config: &TrainerConfig) -> (PairSource, PairSource) {
    let train = PairSource::new(pairs(25, 1), config.train_plan()).unwrap();
    let valid = PairSource::new(pairs(3, 2), config.valid_plan()).unwrap();
    (train, valid)
}

fn config() -> TrainerConfig {
    TrainerConfig {
        seed: 3,
        max_steps: Some(STEPS),
        batch_tokens: 24,
        accumulate: 2,
        schedule: Schedule::InverseSquareRoot { peak: 5e-3, warmup: 4 },
        eval_every: 2,
        ..TrainerConfig::default()
    }
}

/// Two layers with dropout on embeddings, between layers, on states, on weights and before the output.
fn with(flow: impl Fn(AttentionConfig) -> FlowConfig, alignment: AlignmentConfig) -> Seq2SeqConfig {
    let layers = |d_input, d_hidden, bidirectional| RecurrentConfig {
        layers: 2,
        bidirectional,
        dropout: 0.2,
        recurrent_dropout: 0.25,
        ..RecurrentConfig::new(CellKind::Lstm, d_input, d_hidden)
    };
    let score = ScoreConfig::Additive(AdditiveConfig::new(8, 6, 5));
    let attention = AttentionConfig::new().with_score(score).with_alignment(alignment);
    let writer = layers(4, 8, false);
    Seq2SeqConfig::new(
        EncoderConfig { dropout: 0.1, ..EncoderConfig::new(VOCAB, layers(4, 3, true)) },
        DecoderConfig {
            dropout: 0.1,
            ..DecoderConfig::new(VOCAB, writer, flow(attention.with_dropout(0.15)))
        },
    )
}

/// Every kind of draw, in each flow.
fn configs() -> Vec<(&'static str, Seq2SeqConfig)> {
    let bahdanau = |attention| FlowConfig::Bahdanau(BahdanauConfig::new(attention, 7));
    let luong = |attention| FlowConfig::Luong(LuongConfig::new(attention));
    let feeding = |attention| {
        FlowConfig::Luong(LuongConfig { input_feeding: true, ..LuongConfig::new(attention) })
    };
    let soft = || AlignmentConfig::Softmax(SoftmaxConfig::default());
    let hard = || AlignmentConfig::Hard(HardConfig::new());
    let gumbel = || AlignmentConfig::GumbelSoftmax(GumbelSoftmaxConfig::default());
    let mut gru = with(luong, hard());
    (gru.encoder.recurrent.cell, gru.decoder.recurrent.cell) = (CellKind::Gru, CellKind::Gru);
    let mut copying = with(bahdanau, hard());
    copying.decoder.copy = Some(CopyConfig::new());
    vec![
        ("bahdanau, soft", with(bahdanau, soft())),
        ("bahdanau, hard, copying", copying),
        ("luong, hard, gru", gru),
        ("luong with feeding, hard", with(feeding, hard())),
        ("luong with feeding, gumbel", with(feeding, gumbel())),
    ]
}

/// [`SequenceLoss`] that gives the signal in the first batch of step `at`.
struct Stopping {
    loss: SequenceLoss,
    at: Option<usize>,
    calls: Cell<usize>,
    stop: StopSignal,
}

impl Objective<Seq2Seq, PairBatch> for Stopping {
    fn loss(&self, model: &Seq2Seq, batch: &PairBatch, device: &Device) -> LossSum {
        if self.at.is_some_and(|at| self.calls.get() == 2 * (at - 1)) {
            self.stop.stop();
        }
        self.calls.set(self.calls.get() + 1);
        self.loss.loss(model, batch, device)
    }

    fn validation_loss(&self, model: &Seq2Seq, batch: &PairBatch, device: &Device) -> LossSum {
        self.loss.validation_loss(model, batch, device)
    }
}

fn trainer(
    config: &TrainerConfig,
    model: Seq2Seq,
    at: Option<usize>,
    device: &Device,
) -> Trainer<Seq2Seq, Stopping> {
    let stop = StopSignal::new();
    let loss = config.sequence_loss();
    let objective = Stopping { loss, at, calls: Cell::new(0), stop: stop.clone() };
    Trainer::new(config.clone(), model, objective, device)
        .unwrap()
        .with_progress(Progress::Hidden)
        .with_stop(stop)
}

#[test]
fn a_resumed_run_of_a_recurrent_model_is_the_uninterrupted_run_bit_by_bit() {
    let config = config();
    // Each on one backend: that draws are the same on both is for `attn-core` to say.
    for (device, (what, model)) in devices().iter().cycle().zip(configs()) {
        let start = model.init(device);
        let (mut train, mut valid) = sources(&config);
        let mut whole = trainer(&config, start.clone(), None, device);
        whole.fit(&mut train, &mut valid).unwrap();
        assert_eq!(whole.state().batches, 5);

        for steps in 1..STEPS {
            let run = tempfile::tempdir().unwrap();
            let (mut train, mut valid) = sources(&config);
            let first = trainer(&config, start.clone(), Some(steps), device);
            let mut first = first.save_to(&run).unwrap();
            let outcome = first.fit(&mut train, &mut valid).unwrap();
            assert_eq!((outcome.reason, outcome.step), (StopReason::Interrupted, steps));

            // What a new process has: other weights, other random numbers, data from the start.
            random::seed(99);
            let (mut train, mut valid) = sources(&config);
            let second = trainer(&config, model.init(device), None, device);
            let mut second = second.resume_from(&run).unwrap();
            assert_eq!(bits(second.model()), bits(first.model()), "{what}, {steps}");
            let outcome = second.fit(&mut train, &mut valid).unwrap();
            assert_eq!((outcome.reason, outcome.step), (StopReason::MaxSteps, STEPS));
            assert_eq!(bits(second.model()), bits(whole.model()), "{what}, {steps}");
        }
    }
}

/// Else the test above would not see whether they are drawn again.
#[test]
fn every_draw_of_a_recurrent_model_has_a_part_in_a_step() {
    let device = &devices()[1];
    let without = |change: fn(&mut Seq2SeqConfig)| {
        let still = |recurrent: &mut RecurrentConfig| {
            (recurrent.dropout, recurrent.recurrent_dropout) = (0.0, 0.0);
        };
        let (_, mut model) = configs().remove(0);
        still(&mut model.encoder.recurrent);
        still(&mut model.decoder.recurrent);
        (model.encoder.dropout, model.decoder.dropout) = (0.0, 0.0);
        with_attention(&mut model, |attention| attention.dropout = 0.0);
        change(&mut model);
        let start = model.init(device);
        // The data's order is drawn as well, so that it is one batch.
        let batch = [PairBatch::from_pairs(&pairs(6, 1))];
        let step = |seed| {
            let config = TrainerConfig { seed, ..config() };
            let mut trainer = trainer(&config, start.clone(), None, device);
            trainer.step(&batch).unwrap();
            bits(trainer.model())
        };
        assert_eq!(step(1), step(1));
        step(1) != step(2)
    };
    assert!(!without(|_| {}));
    assert!(without(|model| model.encoder.dropout = 0.1));
    assert!(without(|model| model.decoder.dropout = 0.1));
    assert!(without(|model| model.encoder.recurrent.dropout = 0.2));
    assert!(without(|model| model.decoder.recurrent.recurrent_dropout = 0.25));
    assert!(without(|model| with_attention(model, |attention| attention.dropout = 0.15)));
    assert!(without(|model| with_attention(model, |attention| {
        attention.alignment = AlignmentConfig::Hard(HardConfig::new());
    })));
    assert!(without(|model| with_attention(model, |attention| {
        attention.alignment = AlignmentConfig::GumbelSoftmax(GumbelSoftmaxConfig::default());
    })));
}

fn with_attention(model: &mut Seq2SeqConfig, change: fn(&mut AttentionConfig)) {
    let FlowConfig::Bahdanau(flow) = &mut model.decoder.flow else { panic!("bahdanau") };
    change(&mut flow.attention);
}
