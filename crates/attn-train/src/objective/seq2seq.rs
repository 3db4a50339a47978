//! The loss of an encoder–decoder, REINFORCE for drawn attention weights included.

use attn_core::alignment::{Draw, leave_one_out_advantage, reinforce_loss};
use attn_core::teacher_forcing::{Prediction, SequenceToSequence, TokenScores};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::{Objective, ObjectiveError, SequenceLoss, token_loss};
use crate::batch::{PairBatch, TokenBatch};
use crate::loss::LossSum;

/// By teacher forcing. Where the attention weights were drawn (hard attention), the score that they
/// were drawn by is trained by REINFORCE (Xu et al. 2015, section 4.1). The reward of a sentence is the
/// logarithm of its likelihood. Its baseline is not the moving average of the paper but what the other
/// sentences of the batch reach per token, times its tokens: it does not depend on the sentence's own
/// draw, like the leave-one-out baseline of Kool et al. (2019), and needs no memory from step to step.
/// The value of the loss does not change by it.
impl<M: SequenceToSequence> Objective<M, PairBatch> for SequenceLoss {
    fn loss(&self, model: &M, batch: &PairBatch, device: &Device) -> LossSum {
        let Prediction { scores, draw, weights } = predict(model, batch, device);
        let targets = &batch.target_out;
        let mut loss = token_loss(scores.clone(), targets, self.label_smoothing);
        if let Some(weights) = weights {
            let real = real_steps(targets, &weights); // [b, t]
            if let Some(terms) = self.regularization(weights, draw.as_ref(), &real) {
                loss.sum = loss.sum + terms;
            }
        }
        match draw {
            Some(draw) => add_reinforce_loss(draw, scores, targets, loss),
            None => loss,
        }
    }

    fn check(&self, model: &M) -> Result<(), ObjectiveError> {
        self.check_weights(model.returns_weights())
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
fn real_steps<const D: usize>(targets: &TokenBatch, like: &Tensor<D>) -> Tensor<2> {
    let steps = 0..targets.width;
    let of_row = |&length: &usize| steps.clone().map(move |step| f32::from(step < length));
    let real: Vec<f32> = targets.lengths.iter().flat_map(of_row).collect();
    let data = TensorData::new(real, [targets.rows(), targets.width]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}

/// A term whose gradient is `-Σ (reward - baseline) ∂ log p(draw)`, and whose value is 0.
fn reinforce(draw: Draw, reward: Tensor<1>, real: Tensor<2>) -> Tensor<1> {
    let tokens = real.clone().sum_dim(1).squeeze_dim(1); // [b]
    let advantage = leave_one_out_advantage(reward, tokens);
    let term = reinforce_loss(&[draw.without_padding(real)], advantage);
    let value = term.clone().detach();
    term - value
}

#[cfg(test)]
mod tests {
    use attn_core::alignment::{AlignmentConfig, HardConfig, Past};
    use attn_core::coverage::coverage_loss;
    use attn_core::mechanism::AttentionConfig;
    use attn_core::regularize::{EntropyGoal, EntropyRegularizer, entropy};
    use attn_core::score::{GeneralConfig, ScoreConfig};
    use attn_rnn::{
        AnyFlow, CopyConfig, DecoderConfig, EncoderConfig, FlowConfig, LuongConfig,
        RecurrentConfig, Seq2Seq, Seq2SeqConfig,
    };
    use attn_testing::{assert_close, weights_of};
    use burn::module::Module;

    use super::*;
    use crate::batch::TokenPair;

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
        let loss = SequenceLoss::default().loss(&model, &batch(), &device);
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
            let loss = SequenceLoss::default().loss(&model, &batch(), &device);
            let value: f32 = loss.sum.clone().into_scalar();
            let gate = model.decoder.copy.as_ref().unwrap().pointer.state.weight.val();
            let gate: Vec<f32> = {
                let gradients = loss.sum.backward();
                gate.grad(&gradients).unwrap().into_data().iter().collect()
            };
            assert!(gate.iter().any(|g| g.abs() > 1e-6), "{gate:?}");

            attn_core::random::seed(4); // the same draws
            let Prediction { scores, draw, .. } = predict(&model, &batch(), &device);
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

    /// Loss and gradient are those without, plus those of the term computed by itself.
    #[test]
    fn a_regularizer_changes_loss_and_gradient_by_its_term() {
        let device = Device::flex().autodiff();
        let focus = EntropyRegularizer::new(EntropyGoal::Focus, 0.3);
        let spread = EntropyRegularizer::new(EntropyGoal::Spread, 0.7);
        let plain = SequenceLoss::default();
        for alignment in [AlignmentConfig::default(), AlignmentConfig::Hard(HardConfig::new())] {
            let model = model(alignment, &device);
            let answer = |loss: &dyn Fn() -> Tensor<1>| {
                attn_core::random::seed(5); // the same draws
                let sum = loss();
                let value: f64 = sum.clone().into_scalar();
                (value, weights_of(&model, Some(&sum.backward())))
            };
            let of = |loss: SequenceLoss| answer(&|| loss.loss(&model, &batch(), &device).sum);
            let without = of(plain);
            // By hand: three target tokens and the end, one and the end.
            let term = |per_token: &dyn Fn(&Prediction) -> Tensor<3>| {
                answer(&|| {
                    let found = per_token(&predict(&model, &batch(), &device)); // [b, 1, t]
                    found.clone().slice([0..1, 0..1, 0..4]).sum()
                        + found.slice([1..2, 0..1, 0..2]).sum()
                })
            };
            let entropy_of = |found: &Prediction| match &found.draw {
                Some(draw) => draw.entropy.clone(),
                None => entropy(found.weights.clone().unwrap()),
            };
            let coverage = |found: &Prediction| {
                coverage_loss(found.weights.clone().unwrap(), &Past::start()) * 2.0
            };
            let cases: [(SequenceLoss, (f64, Vec<f64>)); 4] = [
                (plain.with_coverage_loss(2.0), term(&coverage)),
                (plain.with_attention_entropy(focus), term(&|found| entropy_of(found) * 0.3)),
                (plain.with_attention_entropy(spread), term(&|found| entropy_of(found) * -0.7)),
                (
                    plain.with_coverage_loss(2.0).with_attention_entropy(focus),
                    term(&|found| coverage(found) + entropy_of(found) * 0.3),
                ),
            ];
            for (loss, (value, gradient)) in cases {
                assert_eq!(Objective::<_, PairBatch>::check(&loss, &model), Ok(()));
                let found = of(loss);
                // Sums of numbers of order ten, in another order.
                assert_close("loss", &[found.0], &[without.0 + value], 1e-5);
                let expected: Vec<f64> =
                    without.1.iter().zip(&gradient).map(|(a, b)| a + b).collect();
                assert_close("gradient", &found.1, &expected, 1e-5);
                assert!(value != 0.0, "{loss:?}");
                let validated = |loss: SequenceLoss| {
                    attn_core::random::seed(5);
                    loss.validation_loss(&model, &batch(), &device).sum.into_scalar::<f64>()
                };
                assert_eq!(validated(loss), validated(plain));
            }
        }
    }

    #[test]
    fn a_regularizer_needs_a_model_with_attention() {
        let mut config = config(AlignmentConfig::default());
        config.decoder.flow = FlowConfig::Plain;
        let model = config.init(&Device::flex());
        let check = |loss: SequenceLoss| {
            Objective::<_, PairBatch>::check(&loss, &model).map_err(|error| error.to_string())
        };
        let plain = SequenceLoss::new(0.1);
        assert_eq!(check(plain), Ok(()));
        let needs = "needs a model that returns the attention weights of its predictions";
        assert_eq!(check(plain.with_coverage_loss(1.0)), Err(format!("coverage_loss {needs}")));
        let entropy = EntropyRegularizer::new(EntropyGoal::Focus, 0.1);
        let said = format!("attention_entropy {needs}");
        assert_eq!(check(plain.with_attention_entropy(entropy)), Err(said));
    }
}
