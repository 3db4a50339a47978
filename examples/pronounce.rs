//! Learns to pronounce: from letters to phonemes, by recurrent attention and by a Transformer.
//!
//! ```text
//! cargo run --release --example pronounce
//! cargo run --release --example pronounce -- --data cmudict.dict
//! ```

#[path = "common/pronounce_args.rs"]
mod pronounce_args;

use std::process::ExitCode;
use std::time::Instant;

use attn_generate::BeamConfig;
use attn_pipelines::cli::{self, Console, Ending, OnSignal};
use attn_pipelines::pronunciation::{self, Dictionary, ModelResult, WordFolder, invented_words};
use attn_pipelines::translation::{
    Architecture, AttentionName, RecurrentPreset, Settings, Training, UNKNOWN_VOCAB, WORDS_LEN,
};
use attn_pipelines::{Error, RunDir, Translator};
use attn_rnn::Seq2SeqConfig;
use attn_train::batch::PairBatch;
use attn_train::{Objective, SequenceLoss, StopReason};
use attn_transformer::{BlockConfig, EncoderDecoderConfig};
use burn::tensor::Device;
use clap::Parser;

pub use pronounce_args::{Args, ModelName};

/// Names of the models, and of their runs' folders.
const RECURRENT: &str = "recurrent";
const TRANSFORMER: &str = "transformer";

fn main() -> ExitCode {
    let args = Args::parse();
    cli::main(args.quiet, OnSignal::Save, |console| run(&args, console))
}

/// Trains and tests the models, one after the other, on the same words.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let device = args.device.open()?;
    args.check()?; // before the work
    let words = match (&args.out, args.resume) {
        (Some(out), true) => WordFolder::open(out)?,
        _ => words(args, console)?,
    };
    let mut results = Vec::new();
    if args.wants(ModelName::Recurrent) {
        results.push(result::<Seq2SeqConfig>(RECURRENT, &words, args, &device, console)?);
    }
    // Stopped in the first, the second is not begun.
    if args.wants(ModelName::Transformer) && results.iter().all(Option::is_some) {
        results.push(result::<EncoderDecoderConfig>(TRANSFORMER, &words, args, &device, console)?);
    }
    let Some(results) = results.into_iter().collect::<Option<Vec<ModelResult>>>() else {
        console.say(&cli::go_on("pronounce", words.path()));
        return Ok(Ending::Interrupted);
    };
    console.print(&pronunciation::table(&results, &words.test))?;
    console.print(&pronunciation::samples(&results, &words.test))?;
    if let Some(ModelResult { name, .. }) = results.last() {
        console.say(&format!(
            "pronounce with: cargo run --release --example {} -- --model {} \"t e n s o r\"",
            if *name == RECURRENT { "seq2seq" } else { "translate" },
            words.run(name).display()
        ));
    }
    Ok(Ending::Done)
}

/// The words of a dictionary, or invented ones, in three parts; and the settings of both models.
fn words(args: &Args, console: &mut Console) -> Result<WordFolder, Error> {
    let seed = args.seed.unwrap_or(1);
    let path = args.data.clone().unwrap_or_else(|| "the invented words".into());
    let dictionary = match &args.data {
        Some(path) => Dictionary::read(path, args.stress)?,
        None => invented_words(20_000, seed),
    };
    let parts = dictionary.parts(seed, &path)?;
    let [train, valid, test] = [0, 1, 2].map(|part: usize| parts[part].len());
    let large = test >= 2500; // a dictionary of a language
    // A file for one model alone may have keys that the other does not know.
    let recurrent = args.wants(ModelName::Recurrent).then(|| args.settings(recurrent(large)));
    let transformer = args.wants(ModelName::Transformer).then(|| args.settings(transformer(large)));
    let (recurrent, transformer) = (recurrent.transpose()?, transformer.transpose()?);

    let folder = RunDir::create_or_number(args.out.as_deref(), "runs/pronounce")?;
    // Complete, so that what is begun later begins as it would have now.
    let words = WordFolder::create(folder, parts, |folder| {
        let file = |model| WordFolder::settings_file(folder, model);
        recurrent.iter().try_for_each(|settings| settings.save(&file(RECURRENT)))?;
        Ok(transformer.iter().try_for_each(|settings| settings.save(&file(TRANSFORMER)))?)
    })?;
    let all = dictionary.len();
    console.say(&format!(
        "{all} words: {train} to train on, {valid} to validate and {test} to test with"
    ));
    Ok(words)
}

/// A GRU in both directions, and one that attends to it as Bahdanau et al. (2015) have it.
fn recurrent(large: bool) -> Settings<Seq2SeqConfig> {
    let (embedding, width, dropout) = if large { (64, 256, 0.1) } else { (32, 128, 0.0) };
    let attention = AttentionName::Bahdanau;
    let preset = RecurrentPreset::new(attention, embedding, width, WORDS_LEN.source);
    Settings::for_words(RecurrentPreset { dropout, ..preset }.config(), large)
}

/// Two layers of each, pre-norm.
fn transformer(large: bool) -> Settings<EncoderDecoderConfig> {
    let small = BlockConfig { dropout: 0.0, ..BlockConfig::new(64, 4) };
    let block = if large { BlockConfig::new(256, 4) } else { small };
    let model = EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, block);
    let model = EncoderDecoderConfig { encoder_layers: 2, decoder_layers: 2, ..model };
    Settings::for_words(model, large)
}

/// Trains one model on the words, or goes on with it, and tests it; `None` if it was stopped.
fn result<C: Architecture>(
    name: &'static str,
    words: &WordFolder,
    args: &Args,
    device: &Device,
    console: &mut Console,
) -> Result<Option<ModelResult>, Error>
where
    SequenceLoss: Objective<C::Model, PairBatch>,
{
    console.say(&format!("== {name}"));
    let out = words.run(name);
    let mut training = if args.resume && out.exists() {
        Training::<C>::resume(RunDir::resume(&out)?, None)?
    } else {
        let (settings, stop) = (words.settings(name)?, &console.stop);
        Training::begin(settings, words.corpus(), stop, || Ok(RunDir::create(&out)?))?
    };
    console.say(&training.summary(device));
    let (parameters, started) = (training.parameters(device), Instant::now());
    let outcome = training.fit(device, console.stop.clone(), console.progress, args.max_minutes)?;
    let minutes = (!args.resume).then(|| started.elapsed().as_secs_f64() / 60.0);
    if outcome.reason == StopReason::Interrupted {
        return Ok(None);
    }
    // What the best model says to each word that it is tested with.
    let translator = Translator::load(&out, device)?.truncating();
    let beam = BeamConfig { beams: args.beams, ..translator.beam() };
    let said = translator.translate_pairs(&words.questions(), &words.test_file(), &beam)?;
    let said = said.into_iter().map(|best| best.text).collect();
    Ok(Some(ModelResult { name, parameters, steps: outcome.step, minutes, said }))
}
