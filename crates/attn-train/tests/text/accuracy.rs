//! Accuracy and perplexity.

use attn_train::metrics::{Accuracy, perplexity, sequence_accuracy, token_accuracy};
use burn::tensor::{Device, Tensor};

use crate::devices;

/// The likeliest tokens of the rows are 2, 0, 1 and 2.
fn logits(device: &Device) -> Tensor<2> {
    let rows = [[0.1, -3.0, 0.2], [7.0, 6.0, 5.0], [-2.0, -1.0, -9.0], [0.0, 0.0, 1.0]];
    Tensor::from_floats(rows, device) // [4, 3]
}

#[test]
fn padding_counts_neither_as_right_nor_as_wrong() {
    for device in devices() {
        let accuracy = token_accuracy(logits(&device), &[2, 1, 1, 0], 0);
        assert_eq!(accuracy, Accuracy { right: 2, total: 3 });
        assert_eq!(token_accuracy(logits(&device), &[0; 4], 0), Accuracy::default());
    }
}

#[test]
#[should_panic(expected = "4 rows of logits but 3 targets")]
fn token_accuracy_needs_a_target_for_each_row() {
    token_accuracy(logits(&Device::default()), &[2, 0, 2], 0);
}

#[test]
fn a_sequence_is_right_only_as_a_whole() {
    let dates = ["1987-03-03", "1987-03-04", "1987-03-05", "1987-03-06"];
    let accuracy = sequence_accuracy(&dates, &[dates[0], dates[0], dates[2], dates[3]]);
    assert_eq!(accuracy.rate(), 0.75);
    let ids =
        sequence_accuracy(&[vec![4, 5], vec![6], vec![7]], &[vec![4, 5, 2], vec![6], vec![7]]);
    assert_eq!(ids, Accuracy { right: 2, total: 3 });
}

#[test]
#[should_panic(expected = "1 hypotheses but 2 references")]
fn sequence_accuracy_needs_a_reference_for_each_hypothesis() {
    sequence_accuracy(&["a"], &["a", "b"]);
}

#[test]
fn accuracies_of_batches_add_up() {
    let batches = [Accuracy { right: 3, total: 5 }, Accuracy { right: 0, total: 7 }];
    let accuracy: Accuracy = batches.into_iter().sum();
    assert_eq!(accuracy.to_string(), "25.00 % (3 of 12)");
    assert!(Accuracy::default().rate().is_nan());
}

#[test]
fn a_uniform_choice_has_the_perplexity_of_its_size() {
    let (tokens, choices) = (13, 50.0_f64);
    let nats = tokens as f64 * choices.ln();
    // One rounding each of the product, the quotient and the exponential of a number near 4.
    assert!((perplexity(nats, tokens) / choices - 1.0).abs() <= 16.0 * f64::EPSILON);
}

#[test]
#[should_panic(expected = "the perplexity of 0 tokens is undefined")]
fn the_perplexity_of_no_tokens_is_refused() {
    perplexity(0.0, 0);
}
