//! The command that trains, and reports how good the model became.

use std::path::{Path, PathBuf};

use attn_train::batch::Overlong;
use attn_train::data::Pair;
use attn_train::tokenizer::TokenizerKind;
use attn_train::{Outcome, Progress, StopReason, StopSignal};

use crate::dates::Split;
use crate::translate::args::{Args, TokenizerName};
use crate::translate::corpus::{Corpus, date_pairs};
use crate::translate::{
    Console, Ending, Error, RunDir, RunDirError, Settings, Training, Translator, defaults, picture,
    report,
};

/// Where the built-in task is kept, unless told.
const DATES_OUT: &str = "runs/dates";
/// Pairs of the built-in task: training hardly ever sees one twice.
const DATES: (usize, usize) = (100_000, 1000);
/// Held-out dates that the built-in task ends with.
const TEST_DATES: usize = 1000;
/// Outputs that are shown.
const SAMPLES: usize = 10;

/// Trains as the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or the training goes wrong.
pub fn train(args: &Args, console: &mut Console, stop: StopSignal) -> Result<Ending, Error> {
    let device = args.device.open()?;
    let mut training = match (&args.training.out, args.training.resume) {
        (Some(out), true) => Training::resume(RunDir::open(out)?)?,
        (Some(out), false) => {
            RunDir::check_free(out)?; // before the work
            begin(args, || RunDir::create(out))?
        }
        (None, _) => begin(args, || RunDir::create_numbered(Path::new(DATES_OUT)))?,
    };
    console.say(&training.summary(&device));
    let progress = if args.quiet { Progress::Hidden } else { Progress::Auto };
    let outcome = training.fit(&device, stop, progress, args.training.max_minutes)?;
    console.say(&ending(&outcome, training.run.path()));
    if outcome.reason == StopReason::Interrupted {
        return Ok(Ending::Interrupted);
    }
    let translator = Translator::load(&training.run, &device)?;
    match &training.corpus {
        Corpus::Dates { seed, .. } => report_dates(&translator, &training.run, *seed, console)?,
        files => report_text(&translator, files, &training.texts.valid, args, console)?,
    }
    console.say(&format!(
        "translate with: cargo run --release --example translate -- --model {} \"...\"",
        training.run.path().display()
    ));
    Ok(Ending::Done)
}

fn begin(
    args: &Args,
    folder: impl FnOnce() -> Result<RunDir, RunDirError>,
) -> Result<Training, Error> {
    let settings = settings(args)?;
    let corpus = corpus(args, settings.training.seed)?;
    Training::begin(settings, corpus, || Ok(folder()?))
}

/// The defaults, changed by the config file, changed by the command line.
fn settings(args: &Args) -> Result<Settings, Error> {
    let built_in = args.data.train.is_none() && args.data.source.is_none();
    let mut settings = if built_in { defaults::dates() } else { defaults::text() };
    if let Some(path) = &args.training.config {
        settings = settings.overlaid_with(path)?;
    }
    settings.tokenizer = tokenizer(args, settings.tokenizer);
    if args.data.truncate {
        settings.overlong = Overlong::Truncate;
    }
    if let Some(seed) = args.training.seed {
        settings.training.seed = seed;
    }
    Ok(settings)
}

/// What the command line says to train on.
fn corpus(args: &Args, seed: u64) -> Result<Corpus, Error> {
    // Absolute, so that a run can be resumed from another folder.
    let absolute = |path: &PathBuf| {
        std::path::absolute(path)
            .map_err(|source| Error::Io { what: format!("cannot find {}", path.display()), source })
    };
    let data = &args.data;
    if let (Some(train), Some(valid)) = (&data.train, &data.valid) {
        return Ok(Corpus::Pairs { train: absolute(train)?, valid: absolute(valid)? });
    }
    match (&data.source, &data.target, &data.valid_source, &data.valid_target) {
        (Some(source), Some(target), Some(valid_source), Some(valid_target)) => {
            Ok(Corpus::Parallel {
                source: absolute(source)?,
                target: absolute(target)?,
                valid_source: absolute(valid_source)?,
                valid_target: absolute(valid_target)?,
            })
        }
        // The command line has been checked: here none of the files is given.
        _ => Ok(Corpus::Dates { train: DATES.0, valid: DATES.1, seed }),
    }
}

fn tokenizer(args: &Args, preset: TokenizerKind) -> TokenizerKind {
    let (name, size) = match preset {
        TokenizerKind::Characters => (TokenizerName::Characters, defaults::VOCAB),
        TokenizerKind::Words { vocab_size } => (TokenizerName::Words, vocab_size),
        TokenizerKind::Bpe { vocab_size } => (TokenizerName::Bpe, vocab_size),
    };
    let vocab_size = args.data.vocab.unwrap_or(size);
    match args.data.tokenizer.unwrap_or(name) {
        TokenizerName::Characters => TokenizerKind::Characters,
        TokenizerName::Words => TokenizerKind::Words { vocab_size },
        TokenizerName::Bpe => TokenizerKind::Bpe { vocab_size },
    }
}

fn ending(outcome: &Outcome, folder: &Path) -> String {
    let reason = match outcome.reason {
        StopReason::MaxSteps | StopReason::MaxEpochs => "trained to the end",
        StopReason::NoImprovement => "the validation loss improves no more",
        StopReason::TimeLimit => "the time is up",
        StopReason::Interrupted => "stopped",
    };
    let mut text = format!("{reason}: step {}", outcome.step);
    if let Some(best) = outcome.best {
        text += &format!("; best validation loss {:.4} at step {}", best.loss, best.step);
    }
    if matches!(outcome.reason, StopReason::TimeLimit | StopReason::Interrupted) {
        text += &format!(
            "\ngo on with: cargo run --release --example translate -- --resume --out {}",
            folder.display()
        );
    }
    text
}

fn report_dates(
    translator: &Translator,
    run: &RunDir,
    seed: u64,
    console: &mut Console,
) -> Result<(), Error> {
    let pairs = date_pairs(Split::Test, TEST_DATES, seed);
    let file = Path::new("the built-in dates");
    let outputs = translator.translate_sources(&pairs, file, &translator.beam())?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    console.print(&report::exact_match(&texts, &pairs))?;
    console.print(&report::samples(&texts[..SAMPLES], &pairs[..SAMPLES]))?;

    // The longest of the samples shows most.
    let shown = pairs.iter().zip(&outputs).take(SAMPLES);
    if let Some((pair, output)) = shown.max_by_key(|(pair, _)| pair.source.chars().count()) {
        let source = translator.encode(&pair.source, || file.display().to_string())?;
        picture::draw(translator, &source, output, &run.picture())?;
        let path = run.picture();
        console.print(&format!("attention for {:?}: {}\n", pair.source, path.display()))?;
    }
    Ok(())
}

fn report_text(
    translator: &Translator,
    corpus: &Corpus,
    valid: &[Pair],
    args: &Args,
    console: &mut Console,
) -> Result<(), Error> {
    console.say(&format!("translating {} validation sentences", valid.len()));
    let [_, file] = corpus.files();
    let outputs = translator.translate_sources(valid, &file, &args.translating.beam(translator))?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    console.print(&report::scores(&texts, valid))
}
