//! The command line of `sentiment`.

use std::path::PathBuf;

use attn_pipelines::DeviceName;
use attn_pipelines::classification::{ClassifierSettingsError, Settings};
use attn_pipelines::cli::numbers;
use clap::Parser;

/// Splits of files, unless told.
const SPLITS: u16 = 10;
/// Splits of the sentences that are made up, unless told: they are easier, and quick to show.
const SPLITS_BUILT_IN: u16 = 3;

/// Trains recurrent classifiers that attend to say whether a sentence praises or complains, and
/// compares them with naive Bayes.
///
/// Without arguments it trains on sentences that it makes up: reviews with negations, in which no
/// word says by itself what is meant.
#[derive(Debug, Clone, Parser)]
#[command(name = "sentiment", after_help = EXAMPLES)]
pub struct Args {
    /// Sentences to classify with --model.
    #[arg(requires = "model")]
    pub text: Vec<String>,

    /// Folder of a trained classifier, to classify sentences with.
    #[arg(long, value_name = "DIR", requires = "text", conflicts_with_all = ["data", "config"])]
    pub model: Option<PathBuf>,

    /// Sentences with their labels, one a line: sentence, tab, 1 for praise or 0.
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = DATA)]
    pub data: Vec<PathBuf>,

    /// Random splits into four fifths to train on and one to test; the table has the mean over
    /// them. [default: 10; 3 for the built-in sentences]
    #[arg(
        long, value_name = "N", help_heading = DATA,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub splits: Option<u16>,

    /// Words of a sentence that are read; what is behind them is cut off. [default: 64]
    #[arg(long, value_name = "N", help_heading = DATA, value_parser = words)]
    pub max_words: Option<usize>,

    /// JSON with settings that differ from the defaults for files; the full set, as every run
    /// writes it, is in its `sentiment.json`.
    #[arg(long, value_name = "FILE", help_heading = TRAINING)]
    pub config: Option<PathBuf>,

    /// Most passes of a training over its sentences. [default: 40; 25 for the
    /// built-in sentences]
    #[arg(long, value_name = "N", help_heading = TRAINING, value_parser = numbers::steps)]
    pub max_epochs: Option<usize>,

    /// Fixes the splits, the first weights, the order of the data, the dropout, and the built-in
    /// sentences.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = TRAINING)]
    pub seed: u64,

    /// Folder for the page that shows where the models looked, and the settings; those of an
    /// earlier run are replaced.
    #[arg(long, value_name = "DIR", default_value = "runs/sentiment", help_heading = RUNNING)]
    pub out: PathBuf,

    /// Where to compute: one of the backends that were compiled in by `--features`.
    #[arg(long, value_name = "NAME", default_value_t, help_heading = RUNNING)]
    pub device: DeviceName,

    /// Say nothing but results, warnings and errors.
    #[arg(long, short, help_heading = RUNNING)]
    pub quiet: bool,
}

const DATA: &str = "Sentences";
const TRAINING: &str = "Training";
const RUNNING: &str = "Running";

const EXAMPLES: &str = "\
Examples:
  sentiment
  sentiment --data amazon_cells_labelled.txt yelp_labelled.txt
  sentiment --data reviews.tsv --splits 3 --out runs/reviews
  sentiment --model runs/reviews/classifier \"The soup was not very good.\"

Exit status: 0 done, 1 a training went wrong or the disk is full, 2 something given was wrong,
130 stopped by Ctrl-C.";

impl Args {
    /// How many splits there are to be.
    pub fn splits(&self) -> usize {
        let default = if self.data.is_empty() { SPLITS_BUILT_IN } else { SPLITS };
        self.splits.unwrap_or(default).into()
    }

    /// The defaults, or those of a config file, changed by the command line.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or holds nonsense.
    pub fn settings(&self) -> Result<Settings, ClassifierSettingsError> {
        let mut settings = match &self.config {
            Some(path) => Settings::load(path)?,
            None if self.data.is_empty() => Settings::made_up(),
            None => Settings::default(),
        };
        if let Some(words) = self.max_words {
            settings.max_words = words;
        }
        if let Some(epochs) = self.max_epochs {
            settings.training.max_epochs = epochs;
        }
        settings.validate()?;
        Ok(settings)
    }
}

fn words(text: &str) -> Result<usize, String> {
    numbers::count(text, 1..=4096, "a sentence of a batch takes memory by its words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_refused_by_flag() {
        for bad in ["--splits=0", "--splits=x", "--max-words=0", "--max-epochs=-1", "--seed=a"] {
            let error = Args::try_parse_from(["sentiment", bad]).unwrap_err().to_string();
            let (flag, value) = bad.split_once('=').unwrap();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn made_up_sentences_are_split_less_often() {
        let splits =
            |args: &[&str]| Args::try_parse_from([&["sentiment"], args].concat()).unwrap().splits();
        assert_eq!(splits(&[]), 3);
        assert_eq!(splits(&["--data", "a", "b"]), 10);
        assert_eq!(splits(&["--splits", "7"]), 7);
    }
}
