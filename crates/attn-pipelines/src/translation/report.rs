//! How good a model is, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use attn_train::data::Pair;
use attn_train::metrics::{bleu, chrf, sequence_accuracy};

use super::{Alignments, Translation, Translator, date_pair, draw};
use crate::dates::{Sample, Split, samples as samples_of};
use crate::{Error, RunDir};

/// Held-out dates that the built-in task ends with.
const TEST_DATES: usize = 1000;
/// Dates of these whose attention is measured.
const YEARS: usize = 200;
/// Outputs that are shown.
const SAMPLES: usize = 10;

/// BLEU and chrF of translations, each with the signature that says what it means.
///
/// # Panics
///
/// Panics if there are not as many pairs as hypotheses.
pub fn scores(hypotheses: &[&str], pairs: &[Pair]) -> String {
    let references = references(pairs);
    format!("{}\n{}\n", bleu(hypotheses, &references), chrf(hypotheses, &references))
}

/// Words of the source that a line of [`scores_by_length`] covers.
const BAND: usize = 5;

/// The scores of [`scores`], of the pairs whose source has up to 5, 10, 15 … words.
///
/// # Panics
///
/// Panics if there are not as many pairs as hypotheses.
pub fn scores_by_length(hypotheses: &[&str], pairs: &[Pair]) -> String {
    assert_eq!(hypotheses.len(), pairs.len(), "a hypothesis for each pair");
    let mut bands: BTreeMap<usize, Vec<(&str, &str)>> = BTreeMap::new();
    for (hypothesis, pair) in hypotheses.iter().zip(pairs) {
        let words = pair.source.split_whitespace().count();
        let band = words.saturating_sub(1) / BAND;
        bands.entry(band).or_default().push((hypothesis, &pair.target));
    }
    let mut table = format!("{:>8}  {:>9}  {:>6}  {:>6}\n", "words", "sentences", "BLEU", "chrF");
    for (band, sentences) in bands {
        let (hypotheses, references): (Vec<_>, Vec<_>) = sentences.into_iter().unzip();
        let words = format!("{}–{}", band * BAND + 1, (band + 1) * BAND);
        let (bleu, chrf) = (bleu(&hypotheses, &references), chrf(&hypotheses, &references));
        writeln!(
            table,
            "{words:>8}  {:>9}  {:>6.2}  {:>6.2}",
            hypotheses.len(),
            bleu.score,
            chrf.score
        )
        .expect("writing to a string cannot fail");
    }
    table
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

/// How good a model of the built-in task is: the share of held-out dates that come out exactly right,
/// some of them beside their references, how much the year's digits attend to the year, and the path
/// of a picture.
///
/// # Errors
///
/// Fails if the picture cannot be written.
pub fn dates(translator: &Translator, run: &RunDir, seed: u64) -> Result<String, Error> {
    let dates = samples_of(Split::Test, TEST_DATES, seed);
    let pairs: Vec<Pair> = dates.iter().map(date_pair).collect();
    let file = Path::new("the built-in dates");
    let outputs = translator.translate_pairs(&pairs, file, &translator.beam())?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    let mut report = exact_match(&texts, &pairs);
    report += &samples(&texts[..SAMPLES], &pairs[..SAMPLES]);
    report += &attention_to_years(translator, &dates[..YEARS], &outputs)?.unwrap_or_default();
    // The longest of the samples shows most.
    let shown = pairs.iter().zip(&outputs).take(SAMPLES);
    if let Some((pair, output)) = shown.max_by_key(|(pair, _)| pair.source.chars().count()) {
        let source = translator.encode(&pair.source, || file.display().to_string())?;
        match draw(translator, &source, output, &run.picture()) {
            Err(Error::NoAttention) => return Ok(report),
            drawn => drawn?,
        }
        let path = run.picture();
        report += &format!("attention for {:?}: {}\n", pair.source, path.display());
    }
    Ok(report)
}

/// How much of the weight of a year's four digits is on the year, in the attention that has most
/// there; `None` for a model without attention, or that does not read character by character.
fn attention_to_years(
    translator: &Translator,
    dates: &[Sample],
    outputs: &[Translation],
) -> Result<Option<String>, Error> {
    let (mut names, mut sums) = (Vec::new(), Vec::new());
    let mut by_chance = 0.0;
    for (sample, output) in dates.iter().zip(outputs) {
        let source = translator.encode(&sample.text, || "the built-in dates".to_owned())?;
        if source.len() != sample.text.chars().count() {
            return Ok(None);
        }
        let Some(Alignments { names: attentions, weights }) =
            translator.alignments(&source, output)
        else {
            return Ok(None);
        };
        let year = sample.format.year(sample.date);
        by_chance += year.len() as f64 / source.len() as f64;
        let rows = weights.len() / source.len() / attentions.len();
        sums.resize(attentions.len(), 0.0);
        for (sum, weights) in sums.iter_mut().zip(weights.chunks(rows * source.len())) {
            let on_year = weights
                .chunks(source.len())
                .take(4)
                .map(|row| row.get(year.clone()).unwrap_or_default().iter().sum::<f32>());
            *sum += f64::from(on_year.sum::<f32>()) / 4.0;
        }
        names = attentions;
    }
    let percent = |sum: f64| 100.0 * sum / dates.len() as f64;
    let best = sums.iter().zip(&names).max_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(best.map(|(&sum, name)| {
        format!(
            "attention of the year's digits to the year, {name}: {:.1} % ({:.1} % by chance)\n",
            percent(sum),
            percent(by_chance)
        )
    }))
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
    fn scores_stand_by_the_words_of_the_source() {
        let pairs = [
            pair("a b c d e", "one two three four"),
            pair("a", "five six seven eight"),
            pair("a b c d e f", "nine ten eleven twelve"),
        ];
        let outputs = ["one two three four", "five six seven eight", "else"];
        let table = scores_by_length(&outputs, &pairs);
        let lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["1–5", "2", "100.00", "100.00"]);
        assert_eq!(lines[2][..3], ["6–10", "1", "0.00"]);
        assert_eq!(lines.len(), 3);
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
