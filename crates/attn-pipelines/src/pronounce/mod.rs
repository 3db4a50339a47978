//! The program `pronounce`: learns to pronounce, by recurrent attention and by a Transformer.
//!
//! ```text
//! args      what was asked for      dictionary   words and how they sound
//! models    what learns it          invented     words of no dictionary
//! contest   one after the other     rates        how wrong they are
//! ```

mod args;
mod contest;
mod dictionary;
mod invented;
mod models;
mod rates;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attn_train::StopSignal;
use attn_train::data::{Pair, write_atomically};
use clap::Parser;

pub use args::{Args, ModelName};
pub use dictionary::{Dictionary, DictionaryError, Part, letters};
pub use models::Size;
pub use rates::Rates;

use crate::console::Console;
use crate::exit::{self, Ending, Failure};
use crate::io_error::IoError;
use crate::translate::{Architecture, Error as TranslateError, RunDir, RunDirError, Settings};
use crate::{interrupt, logging};
use contest::Contest;

/// Where everything is kept, unless told.
const OUT: &str = "runs/pronounce";

/// Invented words: nine of ten are trained on.
const INVENTED: usize = 20_000;

/// Why the program stops before it is done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dictionary.
    #[error(transparent)]
    Dictionary(#[from] DictionaryError),
    /// What can go wrong with `translate`.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// Writing the words or the results.
    #[error(transparent)]
    Io(#[from] IoError),
    /// There is nothing to go on with.
    #[error("{} holds no words of an earlier run: there is no test.dict in it", .path.display())]
    NoWords {
        /// The folder.
        path: PathBuf,
    },
}

impl Failure for Error {
    fn status(&self) -> u8 {
        match self {
            Self::Translate(error) => error.status(),
            Self::Dictionary(_) | Self::Io(_) | Self::NoWords { .. } => exit::BAD_INPUT,
        }
    }
}

impl From<RunDirError> for Error {
    fn from(error: RunDirError) -> Self {
        Self::Translate(error.into())
    }
}

/// Does what the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or a training goes wrong.
pub fn run(args: &Args, console: &mut Console, stop: StopSignal) -> Result<Ending, Error> {
    let device = args.device.open().map_err(TranslateError::from)?;
    args.check().map_err(TranslateError::from)?; // before the work
    let folder = if args.resume {
        let folder = args.out.clone().unwrap_or_else(|| OUT.into());
        if !test_words(&folder).is_file() {
            return Err(Error::NoWords { path: folder });
        }
        folder
    } else {
        prepare(args, console)?
    };
    // The digits were left out when it was written, if they were.
    let test = Dictionary::read(&test_words(&folder), true)?;
    if test.is_empty() {
        return Err(DictionaryError::TooFew { path: test_words(&folder), words: 0 }.into());
    }
    Contest { args, folder, test, device }.run(console, stop)
}

/// Writes the words of the three parts into the folder.
fn prepare(args: &Args, console: &mut Console) -> Result<PathBuf, Error> {
    let seed = args.seed.unwrap_or(1);
    let invented = PathBuf::from("the invented words");
    let dictionary = match &args.data {
        Some(path) => Dictionary::read(path, args.stress)?,
        None => invented::words(INVENTED, seed),
    };
    let [train, valid, test] = dictionary.parts(seed, args.data.as_ref().unwrap_or(&invented))?;
    let size = Size::of(test.len());
    // A file for one model alone may have keys that the other does not know.
    let recurrent = args
        .wants(ModelName::Recurrent)
        .then(|| settings(args, seed, models::recurrent(size)))
        .transpose()?;
    let transformer = args
        .wants(ModelName::Transformer)
        .then(|| settings(args, seed, models::transformer(size)))
        .transpose()?;
    let run = match &args.out {
        Some(out) => RunDir::create(out)?,
        None => RunDir::create_numbered(Path::new(OUT))?,
    };
    let folder = run.path().to_owned();
    let write = |path: PathBuf, text: String| {
        write_atomically(&path, text.as_bytes()).map_err(IoError::writing(&path))
    };
    let [train_pairs, valid_pairs] = pair_files(&folder);
    write(train_pairs, lines(&train.pairs()))?;
    write(valid_pairs, lines(&valid.pairs()))?;
    // Complete, so that what is begun later begins as it would have now.
    if let Some(recurrent) = recurrent {
        recurrent.save(&settings_of(&folder, RECURRENT)).map_err(TranslateError::from)?;
    }
    if let Some(transformer) = transformer {
        transformer.save(&settings_of(&folder, TRANSFORMER)).map_err(TranslateError::from)?;
    }
    // The last one, because it is what can be gone on with.
    write(test_words(&folder), test.text())?;
    console.say(&format!(
        "{} words: {} to train on, {} to validate and {} to test with",
        dictionary.len(),
        train.len(),
        valid.len(),
        test.len()
    ));
    Ok(folder)
}

/// The defaults, changed by the config file, changed by the command line.
fn settings<C: Architecture>(
    args: &Args,
    seed: u64,
    mut settings: Settings<C>,
) -> Result<Settings<C>, TranslateError> {
    if let Some(path) = &args.config {
        settings = settings.overlaid_with(path)?;
    }
    settings.training.seed = seed;
    settings.validate()?;
    Ok(settings)
}

/// Names of the models, and of their runs' folders.
const RECURRENT: &str = "recurrent";
const TRANSFORMER: &str = "transformer";

fn settings_of(folder: &Path, model: &str) -> PathBuf {
    folder.join(format!("{model}.json"))
}

fn test_words(folder: &Path) -> PathBuf {
    folder.join("test.dict")
}

fn pair_files(folder: &Path) -> [PathBuf; 2] {
    ["train.tsv", "valid.tsv"].map(|name| folder.join(name))
}

fn lines(pairs: &[Pair]) -> String {
    pairs.iter().map(|Pair { source, target }| format!("{source}\t{target}\n")).collect()
}

/// The program, on the standard streams.
pub fn main() -> ExitCode {
    // Help goes to standard output, in colour; a mistake to standard error.
    exit::code(run_on_terminal(&Args::parse()))
}

fn run_on_terminal(args: &Args) -> Result<Ending, Error> {
    // Where no bar is drawn, a line for every event stands for it.
    logging::install(!args.quiet && !io::stderr().is_terminal());
    // Where the allocator is another, training is slower, and that is all.
    attn_train::keep_freed_memory();
    let stop = interrupt::on_ctrl_c().map_err(TranslateError::from)?;
    Console::on_terminal(args.quiet, |console| run(args, console, stop))
}
