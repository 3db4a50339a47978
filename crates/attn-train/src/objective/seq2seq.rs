//! The loss of a recurrent encoder–decoder.

use attn_core::alignment::Draw;
use attn_rnn::{Hidden, Seq2Seq};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::{Objective, SequenceLoss, judge};
use crate::batch::{PairBatch, TokenBatch};
use crate::loss::LossSum;

/// By teacher forcing, as for the Transformer. Where the weights were drawn (hard attention), the
/// score that they were drawn by learns from the draws as well, by REINFORCE (Xu et al. 2015, section
/// 4.1): the reward of a sentence is the logarithm of its likelihood, and its baseline is the mean
/// reward of the others in the batch (Kool et al. 2019), which needs no memory from step to step.
/// The value of the loss is the cross-entropy all the same.
impl Objective<Seq2Seq, PairBatch> for SequenceLoss {
    fn loss(&self, model: &Seq2Seq, batch: &PairBatch, device: &Device) -> LossSum {
        let Hidden { features, draw, .. } = hidden(model, batch, device);
        let targets = &batch.target_out;
        let LossSum { sum, tokens } =
            judge(features.clone(), model.projection(), &targets.ids, self.label_smoothing);
        let Some(draw) = draw else { return LossSum { sum, tokens } };
        let real = real_steps(targets, &features); // [b, t]
        let reward = log_likelihood(features, model.projection(), targets, real.clone()); // [b]
        LossSum { sum: sum + reinforce(draw, reward, real), tokens }
    }

    fn validation_loss(&self, model: &Seq2Seq, batch: &PairBatch, device: &Device) -> LossSum {
        let Hidden { features, .. } = hidden(model, batch, device);
        judge(features, model.projection(), &batch.target_out.ids, 0.0)
    }
}

fn hidden(model: &Seq2Seq, batch: &PairBatch, device: &Device) -> Hidden {
    let source = batch.source.tensor(device); // [b, s]
    let target = batch.target_in.tensor(device); // [b, t]
    model.hidden(source, &batch.source.lengths, target)
}

/// `log p(target | source)` of each row, `[b]`, without gradient; `real` marks the real steps.
fn log_likelihood(
    features: Tensor<3>,
    (weight, bias): (Tensor<2>, Option<Tensor<1>>),
    targets: &TokenBatch,
    real: Tensor<2>,
) -> Tensor<1> {
    let features = features.detach();
    let ([b, t, _], device) = (features.dims(), features.device());
    let logits = features.matmul(weight.detach().unsqueeze_dim(0)); // [b, t, v]
    let logits = match bias {
        Some(bias) => logits + bias.detach().unsqueeze_dims(&[0, 1]),
        None => logits,
    };
    let ids: Tensor<3, Int> = targets.tensor(&device).unsqueeze_dim(2);
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
        // A sentence without company has no baseline: nothing is learnt from its draw.
        1 => reward.zeros_like(),
        _ => {
            let others = (reward.clone().sum() - reward.clone()) * (1.0 / (b - 1) as f64);
            reward - others
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
        DecoderConfig, EncoderConfig, Flow, FlowConfig, LuongConfig, RecurrentConfig, Seq2SeqConfig,
    };
    use burn::module::Module;

    use super::*;
    use crate::batch::TokenPair;

    const LOSS: SequenceLoss = SequenceLoss { label_smoothing: 0.0 };

    fn model(alignment: AlignmentConfig, device: &Device) -> Seq2Seq {
        let reader = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(5, 3) };
        let score = ScoreConfig::General(GeneralConfig::new(7, 6));
        let attention = AttentionConfig::new().with_score(score).with_alignment(alignment);
        let flow = FlowConfig::Luong(LuongConfig::new(attention));
        let writer = DecoderConfig::new(11, RecurrentConfig::gru(4, 7), flow);
        Seq2SeqConfig::new(EncoderConfig::new(13, reader), writer).init(device)
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
        let Some(Flow::Luong(flow)) = &model.decoder.flow else { panic!("a Luong flow") };
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
    fn a_drawn_attention_learns_from_its_draws_and_costs_what_it_says() {
        let device = Device::flex().autodiff();
        let model = model(AlignmentConfig::Hard(HardConfig::default()), &device);
        attn_core::random::seed(3);
        let loss = LOSS.loss(&model, &batch(), &device);
        let value: f32 = loss.sum.clone().into_scalar();
        let gradient = score_gradient(&model, loss).expect("a gradient");
        assert!(gradient.iter().any(|g| g.abs() > 1e-6), "{gradient:?}");

        attn_core::random::seed(3); // the same draws
        let hidden = hidden(&model, &batch(), &device);
        let expected = judge(hidden.features, model.projection(), &batch().target_out.ids, 0.0);
        assert_eq!(value, expected.sum.into_scalar::<f32>());
    }

    /// The mean of the rule over draws is the gradient of the expected reward: by a draw of two keys
    /// of which one has the reward 1, in company of a sentence that has always 0.
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
    fn a_step_behind_the_end_of_a_sentence_has_no_part() {
        let device = Device::flex().autodiff();
        let x = Tensor::<3>::ones([2, 1, 3], &device).require_grad();
        let draw = Draw { log_prob: x.clone(), entropy: x.zeros_like() };
        let real = real_steps(&TokenBatch::from_rows(&[vec![4, 5, 6], vec![7]]), &x);
        let loss = reinforce(draw, Tensor::from_floats([3.0, 1.0], &device), real);
        let gradient: Vec<f32> = x.grad(&loss.backward()).unwrap().into_data().iter().collect();
        assert_eq!(gradient, [-2.0, -2.0, -2.0, 2.0, 0.0, 0.0]);
    }
}
