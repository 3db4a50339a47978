//! BLEU and chrF against sacrebleu; `tests/data/sacrebleu_reference.py` wrote the values and names
//! the version.

use attn_train::metrics::{bleu, bleu_multi, chrf, chrf_multi, tokenize_13a};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    tokens: Vec<String>,
    bleu: f64,
    bleu_precisions: [f64; 4],
    bleu_line: String,
    chrf: f64,
    chrf_line: String,
}

fn cases() -> Vec<Case> {
    let json = include_str!("../data/sacrebleu_reference.json");
    serde_json::from_str::<Reference>(json).unwrap().cases
}

/// Both divide the same whole numbers in double precision; logarithms, exponentials and sums of a
/// few terms differ in the last bits of numbers up to 100.
const TOLERANCE: f64 = 1e-9;

fn assert_close(ours: f64, theirs: f64, what: &str) {
    assert!((ours - theirs).abs() <= TOLERANCE, "{what}: {ours}, sacrebleu has {theirs}");
}

#[test]
fn tokens_are_those_of_sacrebleu() {
    for Case { name, hypotheses, tokens, .. } in cases() {
        let ours: Vec<String> = hypotheses.iter().map(|h| tokenize_13a(h).join(" ")).collect();
        assert_eq!(ours, tokens, "{name}");
    }
}

#[test]
fn bleu_is_that_of_sacrebleu() {
    for case in cases() {
        let ours = bleu_multi(&case.hypotheses, &case.references);
        assert_close(ours.score, case.bleu, &case.name);
        for (ours, theirs) in ours.precisions.into_iter().zip(case.bleu_precisions) {
            assert_close(ours, theirs, &case.name);
        }
    }
}

#[test]
fn chrf_is_that_of_sacrebleu() {
    for case in cases() {
        assert_close(chrf_multi(&case.hypotheses, &case.references).score, case.chrf, &case.name);
    }
}

/// All but the version, which says whose implementation it is.
#[test]
fn the_lines_printed_are_those_of_sacrebleu() {
    let ours = concat!("version:attn-train-", env!("CARGO_PKG_VERSION"));
    for case in cases() {
        let theirs = |line: &str| line.replace("version:2.6.0", ours);
        let bleu = bleu_multi(&case.hypotheses, &case.references);
        assert_eq!(bleu.to_string(), theirs(&case.bleu_line), "{}", case.name);
        let chrf = chrf_multi(&case.hypotheses, &case.references);
        assert_eq!(chrf.to_string(), theirs(&case.chrf_line), "{}", case.name);
    }
}

#[test]
fn one_reference_is_a_list_of_one() {
    let (hypotheses, references) = (["a b c d e", "f"], ["a b c d x", "f g"]);
    let lists = references.map(|reference| vec![reference]);
    assert_eq!(bleu(&hypotheses, &references), bleu_multi(&hypotheses, &lists));
    assert_eq!(chrf(&hypotheses, &references), chrf_multi(&hypotheses, &lists));
}

#[test]
fn no_hypotheses_score_zero() {
    let nothing: [&str; 0] = [];
    assert_eq!(bleu(&nothing, &nothing).score, 0.0);
    assert_eq!(chrf(&nothing, &nothing).score, 0.0);
}

#[test]
#[should_panic(expected = "2 hypotheses but 1 references")]
fn bleu_needs_a_reference_for_each_hypothesis() {
    bleu(&["a", "b"], &["a"]);
}

#[test]
#[should_panic(expected = "sentence 1 has no reference")]
fn chrf_needs_at_least_one_reference_a_sentence() {
    chrf_multi(&["a", "b"], &[vec!["a"], vec![]]);
}

proptest! {
    #[test]
    fn any_text_scores_between_0_and_100(
        texts in prop::collection::vec((any::<String>(), any::<String>()), 1..5)
    ) {
        let (hypotheses, references): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        for score in [bleu(&hypotheses, &references).score, chrf(&hypotheses, &references).score] {
            // A perfect score may be off by the rounding of its logarithms.
            prop_assert!((0.0..=100.0 + TOLERANCE).contains(&score), "{score}");
        }
    }

    #[test]
    fn a_translation_equal_to_its_reference_is_perfect(text in "[a-z]{1,5}( [a-z,.0-9]{1,5}){3,9}") {
        let text = [text];
        prop_assert!((bleu(&text, &text).score - 100.0).abs() <= TOLERANCE);
        prop_assert!((chrf(&text, &text).score - 100.0).abs() <= TOLERANCE);
    }

    #[test]
    fn another_reference_that_is_exact_makes_chrf_perfect(a in "[a-z]{1,9}", b in "[a-z]{1,9}") {
        let score = chrf_multi(&[&a], &[vec![&b, &a]]).score;
        prop_assert!((score - 100.0).abs() <= TOLERANCE);
    }
}
