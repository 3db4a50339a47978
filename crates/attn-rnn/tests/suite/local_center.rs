//! The centre of local-p attention learns through the whole model.

use crate::models::{D_ANNOTATION, D_HIDDEN, SOURCE_VOCAB, VOCAB, config, flows_of, shallow};
use crate::support::{check_weight_gradients, ids, in_f64, random_ids, rng, seeded, values};
use attn_core::alignment::{AlignmentConfig, AnyAlignment, LocalPredictiveConfig};
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_core::score::{GeneralConfig, ScoreConfig};
use attn_rnn::{AnyFlow, BridgeKind, CellKind, Seq2Seq};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};

fn attention_of(model: &mut Seq2Seq) -> &mut Attention {
    match &mut model.decoder.flow {
        AnyFlow::Bahdanau(flow) => &mut flow.attention,
        AnyFlow::Luong(flow) => &mut flow.attention,
        other => panic!("{other:?} has no attention"),
    }
}

/// Negative log-likelihood of three target steps, of sentences of five steps and of two.
fn loss(model: &Seq2Seq) -> Tensor<1> {
    let device = Device::flex().autodiff();
    let mut rng = rng(50);
    let source = ids(&random_ids(&mut rng, [2, 5], SOURCE_VOCAB), &device);
    let target = ids(&random_ids(&mut rng, [2, 3], VOCAB), &device);
    let wanted: Tensor<2, Int> = ids(&random_ids(&mut rng, [2, 3], VOCAB), &device);
    let log_probs = log_softmax(model.forward(source, &[5, 2], target), 2);
    log_probs.gather(2, wanted.unsqueeze_dim(2)).sum().neg()
}

/// Every entry of `W_p` and `v_p`. Off by the difference's own error: 1e-10 of third derivatives, which
/// through three steps of a window of width 2, and the cells between them, reach some hundreds.
#[test]
fn the_center_has_the_gradient_of_differences() {
    let alignment = AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, D_HIDDEN, 5));
    let score = ScoreConfig::General(GeneralConfig::new(D_HIDDEN, D_ANNOTATION));
    let attention = AttentionConfig::new().with_score(score).with_alignment(alignment);
    let device = Device::flex().autodiff();
    for flow in flows_of(&attention) {
        let what = format!("{flow:?}");
        let whole = shallow(config(flow, CellKind::Gru, BridgeKind::Dense)).init(&device);
        let whole = in_f64(seeded(whole, 51));
        let with = |alignment: &AnyAlignment| {
            let mut model = whole.clone();
            attention_of(&mut model).alignment = alignment.clone();
            model
        };
        let centre = |_: &Device| attention_of(&mut whole.clone()).alignment.clone();
        let AnyAlignment::LocalPredictive(found) = centre(&device) else { panic!("local-p") };
        let [weights, energies] = [found.hidden.weight.dims(), found.centre.weight.dims()];
        assert_eq!([weights, energies], [[D_HIDDEN, 5], [5, 1]]);
        check_weight_gradients(&what, centre, 45, 1e-6, |alignment| loss(&with(alignment)));

        // And it is not zero: the centre does learn.
        let gradients = loss(&with(&centre(&device))).backward();
        for weight in [found.hidden.weight.val(), found.centre.weight.val()] {
            let gradient = values(&weight.grad(&gradients).unwrap());
            assert!(gradient.iter().all(|g| g.abs() > 1e-9), "{what}: {gradient:?}");
        }
    }
}
