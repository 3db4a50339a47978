//! The suite can fail: it notices mistakes of the kind that have been released in one library or
//! another.

use attn_core::conformance::{Attention, Options, RULES, Rule, RuleReport};
use attn_core::{AttendOptions, Attended, Mask, Sink, attend_with_weights};
use burn::tensor::{Bool, Device, Tensor};
use std::sync::atomic::{AtomicBool, Ordering};

/// What attention is asked.
struct Call<'a> {
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    mask: &'a Mask,
    options: AttendOptions,
}

impl Call<'_> {
    /// The right answer.
    fn answer(self) -> Attended {
        attend_with_weights(self.query, self.key, self.value, self.mask, &self.options)
    }

    /// What is hidden, `[batch, heads, queries, keys]`.
    fn hidden(&self) -> Tensor<4, Bool> {
        let [batch, heads, queries, _] = self.query.dims();
        let keys = self.key.dims()[2];
        let shape = attn_core::AttentionShape { batch, heads, queries, keys };
        let visible = self.mask.lower(&shape, &self.query.device());
        visible.bool_not().expand([batch, heads, queries, keys])
    }
}

/// An attention that asks or answers wrongly in one of its entry points.
struct Wrong<F>(F);

impl<F: Fn(Call) -> Attended> Attention for Wrong<F> {
    fn attend_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> Attended {
        (self.0)(Call { query, key, value, mask, options: options.clone() })
    }
}

fn named(name: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.name == name).expect("the name of a rule")
}

/// Asserts that an attention breaks a rule, and returns what is reported.
#[track_caller]
fn breaks(rule: &str, wrong: impl Fn(Call) -> Attended) -> RuleReport {
    let report = named(rule).run(&Wrong(wrong), &Device::flex(), &Options::default());
    assert!(report.failure.is_some(), "{report}");
    report
}

#[test]
fn a_mask_that_is_inverted() {
    let inverted = |call: Call| {
        let mask = !call.mask;
        Call { mask: &mask, ..call }.answer()
    };
    breaks("polarity", inverted);
    breaks("agreement", inverted);
}

#[test]
fn a_causal_mask_that_is_aligned_top_left() {
    breaks("alignment", |call| {
        let [queries, keys] = [call.query.dims()[2], call.key.dims()[2]];
        if call.mask != &Mask::causal() {
            return call.answer();
        }
        let hidden = Tensor::<4, Bool>::tril_mask([1, 1, queries, keys], 0, &call.query.device());
        Call { mask: &Mask::hidden(hidden), ..call }.answer()
    });
}

#[test]
fn a_hidden_score_that_is_merely_low() {
    let low = |call: Call| {
        let low = call.hidden().float() * -1e4;
        let bias = match call.options.bias.clone() {
            Some(bias) => bias + low,
            None => low,
        };
        let options = AttendOptions { bias: Some(bias), ..call.options };
        Call { mask: &Mask::open(), options, ..call }.answer()
    };
    breaks("empty rows", low);
    breaks("leaks", low);
    breaks("magnitudes", low);
}

#[test]
fn a_zero_weight_that_multiplies_a_hidden_nan() {
    breaks("leaks", |call| {
        let leak = call.value.clone().sum_dim(2).sum() * 0.0; // [1]
        let attended = call.answer();
        Attended { context: attended.context + leak.reshape([1, 1, 1, 1]), ..attended }
    });
}

#[test]
fn an_empty_row_that_divides_zero_by_zero() {
    breaks("empty rows", |call| {
        let attended = call.answer();
        let sum = attended.weights.clone().sum_dim(3);
        Attended { context: attended.context / sum, ..attended }
    });
}

#[test]
fn an_empty_row_with_a_gradient() {
    breaks("empty rows", |call| {
        let constant = call.value.clone().sum() * 0.5;
        let attended = call.answer();
        let empty = attended.weights.clone().sum_dim(3).equal_elem(0.0).float();
        let extra = constant.reshape([1, 1, 1, 1]) * empty;
        Attended { context: attended.context + extra.clone() - extra.detach(), ..attended }
    });
}

#[test]
fn weights_after_dropout() {
    breaks("weights", |call| {
        let dropout = call.options.dropout;
        let attended = call.answer();
        let Some(dropout) = dropout else { return attended };
        let factors = dropout.tensor(attended.weights.dims(), &attended.weights.device());
        Attended { weights: attended.weights * factors, ..attended }
    });
}

#[test]
fn a_log_sum_exp_in_base_two() {
    let base_two = |call: Call| {
        let attended = call.answer();
        let log_sum_exp = attended.log_sum_exp / std::f64::consts::LN_2;
        Attended { log_sum_exp, ..attended }
    };
    breaks("weights", base_two);
    breaks("gradients", base_two);
}

#[test]
fn exponentials_that_overflow() {
    breaks("magnitudes", |call| {
        let attended = call.answer();
        let log_sum_exp = attended.log_sum_exp.exp().log();
        Attended { log_sum_exp, ..attended }
    });
}

#[test]
fn a_soft_cap_that_is_ignored() {
    breaks("soft-cap", |call| {
        let options = AttendOptions { softcap: None, ..call.options };
        Call { options, ..call }.answer()
    });
}

#[test]
fn a_bias_of_which_the_gradient_is_cut() {
    breaks("bias", |call| {
        let bias = call.options.bias.map(|bias| bias.clone() * 0.5 + bias.detach() * 0.5);
        Call { options: AttendOptions { bias, ..call.options }, ..call }.answer()
    });
}

#[test]
fn a_key_that_gets_no_gradient() {
    let report = breaks("gradients", |call| Call { key: call.key.detach(), ..call }.answer());
    let failure = report.failure.unwrap();
    assert!(failure.contains("attend_with_weights: key has no gradient"), "{failure}");
}

#[test]
fn a_sink_that_is_ignored() {
    let ignored = |call: Call| {
        let options = AttendOptions { sink: None, ..call.options };
        Call { options, ..call }.answer()
    };
    breaks("sink", ignored);
    breaks("weights", ignored);
}

#[test]
fn a_sink_whose_gradient_has_the_wrong_sign() {
    breaks("sink", |call| {
        let sink = call.options.sink.map(|sink| match sink {
            Sink::Zero => Sink::Zero,
            Sink::Learned(logits) => Sink::Learned(logits.clone().detach() * 2.0 - logits),
        });
        Call { options: AttendOptions { sink, ..call.options }, ..call }.answer()
    });
}

#[test]
fn dropout_of_another_seed() {
    breaks("dropout", |call| {
        let dropout = call.options.dropout;
        let dropout = dropout.map(|mask| attn_core::DropoutMask::new(mask.prob(), 7));
        Call { options: AttendOptions { dropout, ..call.options }, ..call }.answer()
    });
}

#[test]
fn groups_that_are_interleaved() {
    breaks("agreement", |call| {
        let group = call.query.dims()[1] / call.key.dims()[1];
        let key = call.key.clone().repeat_dim(1, group);
        let value = call.value.clone().repeat_dim(1, group);
        Call { key, value, ..call }.answer()
    });
}

#[test]
fn queries_rounded_to_the_precision_of_f16() {
    let report = breaks("agreement", |call| {
        let query = (call.query.clone() * 1024.0).round() / 1024.0;
        Call { query, ..call }.answer()
    });
    assert_eq!(report.passed, 0, "{report}");
}

#[test]
fn an_axis_that_is_swapped() {
    let report = breaks("agreement", |call| {
        let attended = call.answer();
        Attended { context: attended.context.swap_dims(1, 2), ..attended }
    });
    let failure = report.failure.unwrap();
    assert!(failure.contains("context has shape"), "{failure}");
}

#[test]
fn an_answer_that_differs_in_its_last_bit_from_call_to_call() {
    let odd = AtomicBool::new(false);
    breaks("determinism", move |call| {
        let attended = call.answer();
        let factor = if odd.fetch_not(Ordering::Relaxed) { 1.0 } else { 1.0 + 2e-7 };
        Attended { context: attended.context * factor, ..attended }
    });
}

#[test]
fn a_panic_is_a_failure_with_its_message() {
    let report = breaks("agreement", |_| panic!("not written yet"));
    let failure = report.failure.as_ref().unwrap();
    assert!(failure.contains("not written yet"), "{failure}");
    assert_eq!(report.passed, 0);
}

#[test]
fn the_same_seed_finds_the_same_mistake() {
    let find = |seed| {
        let wrong = Wrong(|call: Call| {
            let attended = call.answer();
            Attended { weights: attended.weights * 1.0001, ..attended }
        });
        let options = Options { cases: 2, seed, ..Options::default() };
        named("weights").run(&wrong, &Device::flex(), &options)
    };
    let report = find(0);
    assert!(report.failure.is_some());
    assert_eq!(find(0), report);
    assert_ne!(find(1), report);
}
