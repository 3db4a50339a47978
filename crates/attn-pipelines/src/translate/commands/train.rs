//! The command that trains, and reports how good the model became.

use std::path::{Path, PathBuf};

use attn_train::batch::{Overlong, PairBatch};
use attn_train::data::Pair;
use attn_train::tokenizer::TokenizerKind;
use attn_train::{Objective, Outcome, Progress, SequenceLoss, StopReason, StopSignal};

use crate::console::Console;
use crate::dates::{self, Split};
use crate::exit::Ending;
use crate::io_error::IoError;
use crate::translate::args::{Args, TokenizerName};
use crate::translate::corpus::{Corpus, date_pair};
use crate::translate::{
    Alignments, Architecture, Error, Program, RunDir, RunDirError, Settings, Training, Translation,
    Translator, defaults, picture, report,
};

/// Pairs of the built-in task: training hardly ever sees one twice.
const DATES: (usize, usize) = (100_000, 1000);
/// Held-out dates that the built-in task ends with.
const TEST_DATES: usize = 1000;
/// Dates of these whose attention is measured.
const YEARS: usize = 200;
/// Outputs that are shown.
const SAMPLES: usize = 10;

/// Trains as the command line says.
///
/// # Errors
///
/// Fails if anything given is wrong, or the training goes wrong.
pub fn train<C: Architecture>(
    program: &Program<C>,
    args: &Args,
    console: &mut Console,
    stop: StopSignal,
) -> Result<Ending, Error>
where
    SequenceLoss: Objective<C::Model, PairBatch>,
{
    let device = args.device.open()?;
    args.translating.check()?; // before the work
    let mut training = match (&args.training.out, args.training.resume) {
        (Some(out), true) => Training::<C>::resume(RunDir::open(out)?)?,
        (Some(out), false) => {
            RunDir::check_free(out)?; // before the work
            begin(program, args, || RunDir::create(out))?
        }
        (None, _) => {
            begin(program, args, || RunDir::create_numbered(Path::new(program.dates_out)))?
        }
    };
    console.say(&training.summary(&device));
    let progress = if args.quiet { Progress::Hidden } else { Progress::Auto };
    let outcome = training.fit(&device, stop, progress, args.training.max_minutes)?;
    console.say(&ending(&outcome, program.name, training.run.path()));
    if outcome.reason == StopReason::Interrupted {
        return Ok(Ending::Interrupted);
    }
    let translator = Translator::<C>::load(&training.run, &device)?;
    match &training.corpus {
        Corpus::Dates { seed, .. } => report_dates(&translator, &training.run, *seed, console)?,
        files => report_text(&translator, files, &training.texts.valid, args, console)?,
    }
    console.say(&format!(
        "translate with: cargo run --release --example {} -- --model {} \"...\"",
        program.name,
        training.run.path().display()
    ));
    Ok(Ending::Done)
}

fn begin<C: Architecture>(
    program: &Program<C>,
    args: &Args,
    folder: impl FnOnce() -> Result<RunDir, RunDirError>,
) -> Result<Training<C>, Error> {
    let settings = settings(program, args)?;
    let corpus = corpus(args, settings.training.seed)?;
    Training::begin(settings, corpus, || Ok(folder()?))
}

/// The defaults, changed by the config file, changed by the command line.
fn settings<C: Architecture>(program: &Program<C>, args: &Args) -> Result<Settings<C>, Error> {
    let built_in = args.data.train.is_none() && args.data.source.is_none();
    let mut settings = if built_in { program.dates.clone() } else { program.text.clone() };
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
            .map_err(|source| IoError { what: format!("cannot find {}", path.display()), source })
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

fn ending(outcome: &Outcome, program: &str, folder: &Path) -> String {
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
            "\ngo on with: cargo run --release --example {program} -- --resume --out {}",
            folder.display()
        );
    }
    text
}

fn report_dates<C: Architecture>(
    translator: &Translator<C>,
    run: &RunDir,
    seed: u64,
    console: &mut Console,
) -> Result<(), Error> {
    let dates = dates::samples(Split::Test, TEST_DATES, seed);
    let pairs: Vec<Pair> = dates.iter().map(date_pair).collect();
    let file = Path::new("the built-in dates");
    let outputs = translator.translate_sources(&pairs, file, &translator.beam())?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    console.print(&report::exact_match(&texts, &pairs))?;
    console.print(&report::samples(&texts[..SAMPLES], &pairs[..SAMPLES]))?;

    if let Some(attention) = attention_to_years(translator, &dates[..YEARS], &outputs)? {
        console.print(&attention)?;
    }
    // The longest of the samples shows most.
    let shown = pairs.iter().zip(&outputs).take(SAMPLES);
    if let Some((pair, output)) = shown.max_by_key(|(pair, _)| pair.source.chars().count()) {
        let source = translator.encode(&pair.source, || file.display().to_string())?;
        match picture::draw(translator, &source, output, &run.picture()) {
            Err(Error::NoAttention) => return Ok(()),
            drawn => drawn?,
        }
        let path = run.picture();
        console.print(&format!("attention for {:?}: {}\n", pair.source, path.display()))?;
    }
    Ok(())
}

/// How much of the weight of a year's four digits is on the year, in the way of looking that has most
/// there; `None` for a model that does not look, or does not read character by character.
fn attention_to_years<C: Architecture>(
    translator: &Translator<C>,
    dates: &[dates::Sample],
    outputs: &[Translation],
) -> Result<Option<String>, Error> {
    let (mut names, mut sums) = (Vec::new(), Vec::new());
    let mut by_chance = 0.0;
    for (sample, output) in dates.iter().zip(outputs) {
        let source = translator.encode(&sample.text, || "the built-in dates".to_owned())?;
        if source.len() != sample.text.chars().count() {
            return Ok(None);
        }
        let Some(Alignments { names: ways, weights }) =
            translator.alignments(&source, &output.tokens)
        else {
            return Ok(None);
        };
        let year = sample.format.year(sample.date);
        by_chance += year.len() as f64 / source.len() as f64;
        let rows = weights.len() / source.len() / ways.len();
        sums.resize(ways.len(), 0.0);
        for (sum, way) in sums.iter_mut().zip(weights.chunks(rows * source.len())) {
            let on_year = way
                .chunks(source.len())
                .take(4)
                .map(|row| row.get(year.clone()).unwrap_or_default().iter().sum::<f32>());
            *sum += f64::from(on_year.sum::<f32>()) / 4.0;
        }
        names = ways;
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

fn report_text<C: Architecture>(
    translator: &Translator<C>,
    corpus: &Corpus,
    valid: &[Pair],
    args: &Args,
    console: &mut Console,
) -> Result<(), Error> {
    console.say(&format!("translating {} validation sentences", valid.len()));
    let [_, file] = corpus.files();
    let outputs = translator.translate_sources(valid, &file, &args.translating.beam(translator))?;
    let texts: Vec<&str> = outputs.iter().map(|best| best.text.as_str()).collect();
    Ok(console.print(&report::scores(&texts, valid))?)
}
