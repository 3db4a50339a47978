//! Both models, one after the other, on the same words.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use attn_rnn::Seq2SeqConfig;
use attn_train::batch::PairBatch;
use attn_train::data::Pair;
use attn_train::{Objective, Progress, SequenceLoss, StopReason, StopSignal};
use attn_transformer::EncoderDecoderConfig;
use burn::tensor::Device;

use super::{
    Args, Dictionary, Error, ModelName, RECURRENT, Rates, TRANSFORMER, letters, pair_files,
    settings_of, test_words,
};
use crate::console::Console;
use crate::exit::Ending;
use crate::translate::{
    Architecture, Corpus, Error as TranslateError, RunDir, Settings, Training, Translator,
};

/// Words that are shown.
const SAMPLES: usize = 8;

/// What there is to be done.
#[derive(Debug)]
pub struct Contest<'a> {
    pub args: &'a Args,
    /// Where the words are, and the runs are to be.
    pub folder: PathBuf,
    /// The words to test with.
    pub test: Dictionary,
    pub device: Device,
}

/// What one model came to.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    parameters: usize,
    steps: usize,
    /// Of training; unknown of a run that was gone on with.
    minutes: Option<f64>,
    rates: Rates,
    /// Of each test word.
    said: Vec<String>,
}

impl Contest<'_> {
    /// Trains and tests the models, and prints how they did.
    pub fn run(&self, console: &mut Console, stop: StopSignal) -> Result<Ending, Error> {
        let mut entries = Vec::new();
        if self.args.wants(ModelName::Recurrent) {
            entries.push(self.enter::<Seq2SeqConfig>(RECURRENT, console, &stop)?);
        }
        // Stopped in the first, the second is not begun.
        if self.args.wants(ModelName::Transformer) && entries.iter().all(Option::is_some) {
            entries.push(self.enter::<EncoderDecoderConfig>(TRANSFORMER, console, &stop)?);
        }
        let Some(entries) = entries.into_iter().collect::<Option<Vec<Entry>>>() else {
            console.say(&format!(
                "go on with: cargo run --release --example pronounce -- --resume --out {}",
                self.folder.display()
            ));
            return Ok(Ending::Interrupted);
        };
        console.print(&table(&entries)).and_then(|()| console.print(&self.samples(&entries)))?;
        if let Some(Entry { name, .. }) = entries.last() {
            console.say(&format!(
                "pronounce with: cargo run --release --example {} -- --model {} \"t e n s o r\"",
                if *name == RECURRENT { "seq2seq" } else { "translate" },
                self.folder.join(name).display()
            ));
        }
        Ok(Ending::Done)
    }

    /// Trains a model, or goes on with it, and tests it; `None` if it was stopped.
    fn enter<C: Architecture>(
        &self,
        name: &'static str,
        console: &mut Console,
        stop: &StopSignal,
    ) -> Result<Option<Entry>, Error>
    where
        SequenceLoss: Objective<C::Model, PairBatch>,
    {
        console.say(&format!("== {name}"));
        let mut training = self.training::<C>(name)?;
        console.say(&training.summary(&self.device));
        let parameters = training.parameters(&self.device);
        let progress = if self.args.quiet { Progress::Hidden } else { Progress::Auto };
        let started = Instant::now();
        let outcome = training.fit(&self.device, stop.clone(), progress, self.args.max_minutes)?;
        let minutes = (!self.args.resume).then(|| started.elapsed().as_secs_f64() / 60.0);
        if outcome.reason == StopReason::Interrupted {
            return Ok(None);
        }
        let said = self.pronounce::<C>(&training.run)?;
        let rates = Rates::of(&said, &self.test);
        Ok(Some(Entry { name, parameters, steps: outcome.step, minutes, rates, said }))
    }

    fn training<C: Architecture>(&self, name: &str) -> Result<Training<C>, TranslateError> {
        let out = self.folder.join(name);
        if self.args.resume && out.exists() {
            return Training::resume(RunDir::open(&out)?);
        }
        let settings = Settings::load(&settings_of(&self.folder, name))?;
        let [train, valid] = pair_files(&self.folder);
        Training::begin(settings, Corpus::Pairs { train, valid }, || Ok(RunDir::create(&out)?))
    }

    /// What the best model of a run says to each test word.
    fn pronounce<C: Architecture>(&self, run: &RunDir) -> Result<Vec<String>, Error> {
        let translator = Translator::<C>::load(run, &self.device)?.truncating();
        let words: Vec<Pair> = self.test.0.keys().map(|word| word_alone(word)).collect();
        let beam = self.args.beam(translator.beam().limits);
        let said = translator.translate_sources(&words, &test_words(&self.folder), &beam)?;
        Ok(said.into_iter().map(|best| best.text).collect())
    }

    /// Some words with what the dictionary and the models say.
    fn samples(&self, entries: &[Entry]) -> String {
        // Spread over the alphabet.
        let every = (self.test.len() / SAMPLES).max(1);
        let mut text = String::new();
        for (row, (word, heard)) in
            self.test.0.iter().enumerate().skip(every / 2).step_by(every).take(SAMPLES)
        {
            let all: Vec<String> = heard.iter().map(|phonemes| phonemes.join(" ")).collect();
            write_line(&mut text, format_args!("{word}: {}", all.join(", ")));
            for Entry { name, said, .. } in entries {
                let mark = if all.contains(&said[row]) { "" } else { "  <- differs" };
                write_line(&mut text, format_args!("  {name:12} {}{mark}", said[row]));
            }
        }
        text
    }
}

/// A word whose pronunciation is not known.
fn word_alone(word: &str) -> Pair {
    Pair { source: letters(word), target: String::new() }
}

fn table(entries: &[Entry]) -> String {
    let mut text = format!(
        "{:12} {:>10} {:>6} {:>8} {:>16} {:>19}\n",
        "model", "parameters", "steps", "minutes", "words wrong", "phonemes wrong"
    );
    for Entry { name, parameters, steps, minutes, rates, .. } in entries {
        let minutes = minutes.map_or("–".to_owned(), |minutes| format!("{minutes:.2}"));
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

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
