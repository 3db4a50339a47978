//! How good a model is, for people.

use std::fmt::Write as _;

use attn_train::data::Pair;
use attn_train::metrics::{bleu, chrf, sequence_accuracy};

/// BLEU and chrF of translations, each with the signature that says what it means.
///
/// # Panics
///
/// Panics if there are not as many pairs as hypotheses.
pub fn scores(hypotheses: &[&str], pairs: &[Pair]) -> String {
    let references = references(pairs);
    format!("{}\n{}\n", bleu(hypotheses, &references), chrf(hypotheses, &references))
}

fn references(pairs: &[Pair]) -> Vec<&str> {
    pairs.iter().map(|pair| pair.target.as_str()).collect()
}

/// How many outputs are exactly their reference.
///
/// # Panics
///
/// Panics if there are not as many pairs as hypotheses.
pub fn exact_match(hypotheses: &[&str], pairs: &[Pair]) -> String {
    let accuracy = sequence_accuracy(hypotheses, &references(pairs));
    format!(
        "exact match on {} held-out dates: {:.2} % ({} right)\n",
        accuracy.total,
        100.0 * accuracy.rate(),
        accuracy.right
    )
}

/// Outputs beside their references, in columns, those that differ marked.
///
/// # Panics
///
/// Panics if there are not as many pairs as hypotheses.
pub fn samples(hypotheses: &[&str], pairs: &[Pair]) -> String {
    assert_eq!(hypotheses.len(), pairs.len(), "a hypothesis for each pair");
    let width = |text: fn(&Pair) -> &str| {
        pairs.iter().map(|pair| text(pair).chars().count()).max().unwrap_or(0)
    };
    let [source, target] = [width(|pair| &pair.source), width(|pair| &pair.target)];
    let [source, target] = [source.max("input".len()), target.max("reference".len())];
    let mut table = format!("  {:source$}  {:target$}  output\n", "input", "reference");
    for (hypothesis, pair) in hypotheses.iter().zip(pairs) {
        let mark = if *hypothesis == pair.target { "" } else { "  <- differs" };
        writeln!(table, "  {:source$}  {:target$}  {hypothesis}{mark}", pair.source, pair.target)
            .expect("writing to a string cannot fail");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.into(), target: target.into() }
    }

    #[test]
    fn samples_stand_in_columns() {
        let pairs = [pair("3 août 87", "1987-08-03"), pair("1/2/2003", "2003-02-01")];
        let outputs = ["1987-08-03", "2003-01-02"];
        assert_eq!(
            samples(&outputs, &pairs),
            "  input      reference   output\n\
             \x20 3 août 87  1987-08-03  1987-08-03\n\
             \x20 1/2/2003   2003-02-01  2003-01-02  <- differs\n"
        );
    }

    #[test]
    fn exact_match_counts_whole_outputs() {
        let pairs = [pair("a", "1"), pair("b", "2"), pair("c", "3")];
        let outputs = ["1", "22", "3"];
        let expected = "exact match on 3 held-out dates: 66.67 % (2 right)\n";
        assert_eq!(exact_match(&outputs, &pairs), expected);
    }

    #[test]
    fn scores_carry_their_signatures() {
        let sentence = "the cat sat on the mat";
        let text = scores(&[sentence], &[pair("", sentence)]);
        assert!(text.contains("100.0"), "{text}");
        assert!(text.contains("tok:13a"), "{text}");
        assert!(text.contains("nc:6"), "{text}");
    }
}
