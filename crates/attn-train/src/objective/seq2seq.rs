//! The loss of an encoder–decoder, REINFORCE for drawn attention weights included.

use attn_core::alignment::Draw;
use attn_core::teacher_forcing::{Prediction, SequenceToSequence, TokenScores};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::{Objective, SequenceLoss, token_loss};
use crate::batch::{PairBatch, TokenBatch};
use crate::loss::LossSum;

/// By teacher forcing. Where the attention weights were drawn (hard attention), the score that they
/// were drawn by is trained by REINFORCE (Xu et al. 2015, section 4.1). The reward of a sentence is the
/// logarithm of its likelihood. Its baseline is not the moving average of the paper but what the other
/// sentences of the batch reach per token, times its tokens: it does not depend on the sentence's own
/// draw, like the leave-one-out baseline of Kool et al. (2019), and needs no memory from step to step.
/// The value of the loss is the cross-entropy all the same.
impl<M: SequenceToSequence> Objective<M, PairBatch> for SequenceLoss {
    fn loss(&self, model: &M, batch: &PairBatch, device: &Device) -> LossSum {
        let Prediction { scores, draw } = predict(model, batch, device);
        let targets = &batch.target_out;
        let loss = token_loss(scores.clone(), targets, self.label_smoothing);
        match draw {
            Some(draw) => add_reinforce_loss(draw, scores, targets, loss),
            None => loss,
        }
    }

    fn validation_loss(&self, model: &M, batch: &PairBatch, device: &Device) -> LossSum {
        token_loss(predict(model, batch, device).scores, &batch.target_out, 0.0)
    }
}

fn predict<M: SequenceToSequence>(model: &M, batch: &PairBatch, device: &Device) -> Prediction {
    let source = batch.source.tensor(device); // [b, s]
    let target = batch.target_in.tensor(device); // [b, t]
    model.predict_target(source, &batch.source.lengths, target)
}

/// The loss with the term that trains the scores of the draws; its value stays.
fn add_reinforce_loss(
    draw: Draw,
    scores: TokenScores,
    targets: &TokenBatch,
    LossSum { sum, tokens }: LossSum,
) -> LossSum {
    let logits = scores.detach().logits(); // [b, t, v]
    let real = real_steps(targets, &logits); // [b, t]
    let reward = log_likelihood(logits, targets, real.clone()); // [b]
    LossSum { sum: sum + reinforce(draw, reward, real), tokens }
}

/// `log p(target | source)` of each row, `[b]`; `real` marks the real steps.
fn log_likelihood(logits: Tensor<3>, targets: &TokenBatch, real: Tensor<2>) -> Tensor<1> {
    let [b, t, _] = logits.dims();
    let ids: Tensor<3, Int> = targets.tensor(&logits.device()).unsqueeze_dim(2);
    let log_probs = activation::log_softmax(logits, 2).gather(2, ids).reshape([b, t]);
    (log_probs * real).sum_dim(1).reshape([b])
}

/// 1 for a real step, 0 for padding, `[b, t]`.
fn real_steps(targets: &TokenBatch, like: &Tensor<3>) -> Tensor<2> {
    let steps = 0..targets.width;
    let of_row = |&length: &usize| steps.clone().map(move |step| f32::from(step < length));
    let real: Vec<f32> = targets.lengths.iter().flat_map(of_row).collect();
    let data = TensorData::new(real, [targets.rows(), targets.width]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// A term whose gradient is `-Σ (reward - baseline) ∂ log p(draw)`, and whose value is 0.
fn reinforce(draw: Draw, reward: Tensor<1>, real: Tensor<2>) -> Tensor<1> {
    let [b] = reward.dims();
    let advantage = match b {
        // The only sentence of a batch has no baseline: its draw is not trained.
        1 => reward.zeros_like(),
        _ => {
            let tokens = real.clone().sum_dim(1).reshape([b]);
            let others = |x: &Tensor<1>| x.clone().sum() - x.clone();
            let baseline = others(&reward) / others(&tokens) * tokens;
            reward - baseline
        }
    };
    let log_prob = draw.log_prob.sum_dim(1).squeeze_dim::<2>(1); // [b, t]
    let log_prob = (log_prob * real).sum_dim(1).reshape([b]);
    let term = (log_prob * advantage).sum().neg();
    let value = term.clone().detach();
    term - value
}

#[cfg(test)]
mod tests {
    use attn_core::alignment::{AlignmentConfig, HardConfig};
    use attn_core::mechanism::AttentionConfig;
    use attn_core::score::{GeneralConfig, ScoreConfig};
    use attn_rnn::{
        AnyFlow, CopyConfig, DecoderConfig, EncoderConfig, FlowConfig, LuongConfig,
        RecurrentConfig, Seq2Seq, Seq2SeqConfig,
    };
    use burn::module::Module;

    use super::*;
    use crate::batch::TokenPair;

    const LOSS: SequenceLoss = SequenceLoss { label_smoothing: 0.0 };

    fn config(alignment: AlignmentConfig) -> Seq2SeqConfig {
        let reader = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(5, 3) };
        let score = ScoreConfig::General(GeneralConfig::new(7, 6));
        let attention = AttentionConfig::new().with_score(score).with_alignment(alignment);
        let flow = FlowConfig::Luong(LuongConfig::new(attention));
        let writer = DecoderConfig::new(11, RecurrentConfig::gru(4, 7), flow);
        Seq2SeqConfig::new(EncoderConfig::new(13, reader), writer)
    }

    fn model(alignment: AlignmentConfig, device: &Device) -> Seq2Seq {
        config(alignment).init(device)
    }

    fn batch() -> PairBatch {
        let pair = |source: &[u32], target: &[u32]| TokenPair {
            source: source.to_vec(),
            target: target.to_vec(),
        };
        PairBatch::from_pairs(&[pair(&[4, 5, 12, 8], &[9, 10, 4]), pair(&[6, 7, 9], &[5])])
    }

    /// Of the parameters of the score, the gradient of a loss.
    fn score_gradient(model: &Seq2Seq, loss: LossSum) -> Option<Vec<f32>> {
        let AnyFlow::Luong(flow) = &model.decoder.flow else { panic!("a Luong flow") };
        let gradients = loss.sum.backward();
        let mut found = None;
        struct First<'a>(&'a burn::tensor::Gradients, &'a mut Option<Vec<f32>>);
        impl burn::module::ModuleVisitor for First<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &burn::module::Param<Tensor<D>>) {
                if let Some(gradient) = parameter.val().grad(self.0) {
                    *self.1 = Some(gradient.into_data().iter().collect());
                }
            }
        }
        flow.attention.visit(&mut First(&gradients, &mut found));
        found
    }

    #[test]
    fn drawn_attention_is_trained_by_its_draws_and_its_loss_is_the_cross_entropy() {
        let device = Device::flex().autodiff();
        let model = model(AlignmentConfig::Hard(HardConfig::default()), &device);
        attn_core::random::seed(3);
        let loss = LOSS.loss(&model, &batch(), &device);
        let value: f32 = loss.sum.clone().into_scalar();
        let gradient = score_gradient(&model, loss).expect("a gradient");
        assert!(gradient.iter().any(|g| g.abs() > 1e-6), "{gradient:?}");

        attn_core::random::seed(3); // the same draws
        let scores = predict(&model, &batch(), &device).scores;
        let expected = token_loss(scores, &batch().target_out, 0.0);
        assert_eq!(value, expected.sum.into_scalar::<f32>());
    }

    /// Its cost is `-Σ log P(y)` of the mixture, and its gate learns.
    #[test]
    fn the_loss_of_a_model_that_copies_is_that_of_its_mixture() {
        let device = Device::flex().autodiff();
        for alignment in [AlignmentConfig::default(), AlignmentConfig::Hard(HardConfig::new())] {
            let drawn = matches!(alignment, AlignmentConfig::Hard(_));
            let mut config = config(alignment);
            config.decoder.vocab = 13;
            config.decoder.copy = Some(CopyConfig::new());
            let model = config.init(&device);
            attn_core::random::seed(4);
            let loss = LOSS.loss(&model, &batch(), &device);
            let value: f32 = loss.sum.clone().into_scalar();
            let gate = model.decoder.copy.as_ref().unwrap().pointer.state.weight.val();
            let gate: Vec<f32> = {
                let gradients = loss.sum.backward();
                gate.grad(&gradients).unwrap().into_data().iter().collect()
            };
            assert!(gate.iter().any(|g| g.abs() > 1e-6), "{gate:?}");

            attn_core::random::seed(4); // the same draws
            let Prediction { scores, draw } = predict(&model, &batch(), &device);
            assert_eq!(draw.is_some(), drawn);
            let target = batch().target_out;
            let logits = scores.logits();
            let real = real_steps(&target, &logits);
            let expected = log_likelihood(logits, &target, real).sum().neg();
            // Seven costs below 10.
            let error = (value - expected.into_scalar::<f32>()).abs();
            assert!(error < 1e-4, "{value}: {error}");
            assert_eq!(loss.tokens, target.lengths.iter().sum::<usize>());
        }
    }

    /// The mean of the rule over draws is the gradient of the expected reward: by a draw of two keys
    /// of which one has the reward 1, beside a sentence whose reward is always 0.
    #[test]
    fn the_rule_is_unbiased() {
        let device = Device::flex().autodiff();
        let rewards = |drawn: bool| if drawn { 1.0f32 } else { 0.0 };
        let p = 0.3f64;
        let logit = (p / (1.0 - p)).ln();
        let mut mean = 0.0;
        for drawn in [true, false] {
            let x = Tensor::<1>::from_floats([logit as f32], &device).require_grad();
            let sign = if drawn { 1.0 } else { -1.0 };
            let log_prob = activation::log_sigmoid(x.clone() * sign).reshape([1, 1, 1]);
            let log_prob = Tensor::cat(vec![log_prob.clone(), log_prob.zeros_like()], 0);
            let draw = Draw { entropy: log_prob.zeros_like(), log_prob };
            let reward = Tensor::from_floats([rewards(drawn), 0.0], &device);
            let loss = reinforce(draw, reward, Tensor::ones([2, 1], &device));
            assert_eq!(loss.clone().into_scalar::<f32>(), 0.0);
            let gradient: f32 = x.grad(&loss.backward()).unwrap().into_scalar();
            let share = if drawn { p } else { 1.0 - p };
            mean += share * f64::from(gradient);
        }
        // d E[reward] / d logit = p (1 - p); the loss goes the other way.
        assert!((mean + p * (1.0 - p)).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn padding_behind_a_sentence_adds_nothing() {
        let device = Device::flex().autodiff();
        let x = Tensor::<3>::ones([2, 1, 3], &device).require_grad();
        let draw = Draw { log_prob: x.clone(), entropy: x.zeros_like() };
        let real = real_steps(&TokenBatch::from_rows(&[vec![4, 5, 6], vec![7]]), &x);
        let loss = reinforce(draw.clone(), Tensor::from_floats([3.0, 1.0], &device), real.clone());
        let gradient: Vec<f32> = x.grad(&loss.backward()).unwrap().into_data().iter().collect();
        // The other sentence reaches 1 with one token, so 3 are expected of this one, and so on.
        assert_eq!(gradient, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let loss = reinforce(draw, Tensor::from_floats([5.0, 1.0], &device), real);
        let gradient: Vec<f32> = x.grad(&loss.backward()).unwrap().into_data().iter().collect();
        let second = 5.0f32 / 3.0 - 1.0;
        let expected = [-2.0, -2.0, -2.0, second, 0.0, 0.0];
        assert!(gradient.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6), "{gradient:?}");
    }
}
