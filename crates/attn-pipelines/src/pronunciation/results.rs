//! How models did on the words to test with, for people.

use std::fmt::Write as _;

use super::{Dictionary, Rates};

/// Words that are shown.
const SAMPLES: usize = 8;

/// What one model came to.
#[derive(Debug, Clone)]
pub struct ModelResult {
    /// Its name.
    pub name: &'static str,
    /// Number of its parameters.
    pub parameters: usize,
    /// Steps of its training.
    pub steps: usize,
    /// Minutes of its training; unknown of a run that was gone on with.
    pub minutes: Option<f64>,
    /// What it says to each test word.
    pub said: Vec<String>,
}

/// A line for each model: its size, its training, and the share of words and phonemes that are
/// wrong.
///
/// # Panics
///
/// Panics if a model does not say something to each word.
pub fn table(results: &[ModelResult], test: &Dictionary) -> String {
    let mut text = format!(
        "{:12} {:>10} {:>6} {:>8} {:>16} {:>19}\n",
        "model", "parameters", "steps", "minutes", "words wrong", "phonemes wrong"
    );
    for ModelResult { name, parameters, steps, minutes, said } in results {
        let minutes = minutes.map_or("–".to_owned(), |minutes| format!("{minutes:.2}"));
        let rates = Rates::of(said, test);
        let (words, phonemes) = (rates.word_error_rate(), rates.phoneme_error_rate());
        write_line(
            &mut text,
            format_args!(
                "{name:12} {parameters:>10} {steps:>6} {minutes:>8} {:>14.2} % {:>17.2} %",
                100.0 * words,
                100.0 * phonemes
            ),
        );
    }
    text
}

/// Some words with what the dictionary and the models say.
///
/// # Panics
///
/// Panics if a model does not say something to each word.
pub fn samples(results: &[ModelResult], test: &Dictionary) -> String {
    // Spread over the alphabet.
    let every = (test.len() / SAMPLES).max(1);
    let mut text = String::new();
    let words = test.0.iter().enumerate().skip(every / 2).step_by(every).take(SAMPLES);
    for (row, (word, heard)) in words {
        let all: Vec<String> = heard.iter().map(|phonemes| phonemes.join(" ")).collect();
        write_line(&mut text, format_args!("{word}: {}", all.join(", ")));
        for ModelResult { name, said, .. } in results {
            let mark = if all.contains(&said[row]) { "" } else { "  <- differs" };
            write_line(&mut text, format_args!("  {name:12} {}{mark}", said[row]));
        }
    }
    text
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
