//! Naive Bayes against numbers by hand, and what holds of it.

use attn_pipelines::classification::NaiveBayes;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

type Sentence = (Vec<&'static str>, bool);

fn count(sentences: &[Sentence]) -> NaiveBayes<&'static str> {
    NaiveBayes::count(sentences.iter().map(|(words, praise)| (words.as_slice(), *praise)))
}

/// Manning, Raghavan & Schütze (2008), example 13.1, with its result: three documents of China, one
/// not, six kinds of words.
#[test]
fn the_example_of_the_book() {
    let bayes = count(&[
        (vec!["Chinese", "Beijing", "Chinese"], true),
        (vec!["Chinese", "Chinese", "Shanghai"], true),
        (vec!["Chinese", "Macao"], true),
        (vec!["Tokyo", "Japan", "Chinese"], false),
    ]);
    let test = ["Chinese", "Chinese", "Chinese", "Tokyo", "Japan"];
    let china = 3.0 / 4.0 * (3.0_f64 / 7.0).powi(3) * (1.0 / 14.0) * (1.0 / 14.0);
    let other = 1.0 / 4.0 * (2.0_f64 / 9.0).powi(3) * (2.0 / 9.0) * (2.0 / 9.0);
    // About ten roundings of numbers up to four.
    assert!((bayes.log_odds(&test) - (china / other).ln()).abs() < 1e-14);
    assert!(bayes.praises(&test));
    assert_eq!(bayes.log_odds(&["Paris"]), bayes.log_odds(&[]), "an unseen word says nothing");
    assert!((bayes.log_odds(&[]) - 3.0_f64.ln()).abs() < 1e-15);
}

#[test]
fn order_does_not_matter_and_labels_are_signs() {
    let words = ["a", "b", "c", "d", "e"];
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut sentences: Vec<Sentence> = (0..11)
            .map(|_| {
                let length = rng.random_range(1..7);
                ((0..length).map(|_| words[rng.random_range(0..5)]).collect(), rng.random())
            })
            .collect();
        sentences[0].1 = true;
        sentences[1].1 = false;
        let bayes = count(&sentences);
        let flipped: Vec<Sentence> =
            sentences.iter().map(|(words, praise)| (words.clone(), !praise)).collect();
        sentences.shuffle(&mut rng);
        sentences.iter_mut().for_each(|(words, _)| words.shuffle(&mut rng));
        let test = ["a", "e", "a", "c"];
        let odds = bayes.log_odds(&test);
        assert_eq!(count(&sentences).log_odds(&test), odds);
        // Quotients and their reciprocals, each rounded.
        assert!((count(&flipped).log_odds(&test) + odds).abs() < 1e-13);
    }
}

#[test]
fn nothing_to_count_is_no_opinion() {
    assert_eq!(count(&[]).log_odds(&["a"]), 0.0);
    assert!(count(&[(vec!["a"], true)]).praises(&["b"]));
}
