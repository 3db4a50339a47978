//! Each key of the settings of programs changes a run, or its value is refused.

use attn_pipelines::classification::{
    Comparison, ModelSettings, Settings as ClassifierSettings, TrainingSettings, made_up_reviews,
};
use attn_pipelines::generation::{TextSettings, TextTraining};
use attn_pipelines::translation::{Corpus, Settings, Training, UNKNOWN_VOCAB};
use attn_pipelines::{Classifier, RunDir, Translator};
use attn_rnn::PoolingConfig;
use attn_testing::ConfigKeys;
use attn_train::batch::{Lengths, Overlong};
use attn_train::tokenizer::TokenizerKind;
use attn_train::{Progress, Schedule, StopSignal, TrainerConfig};
use attn_transformer::{BlockConfig, EncoderDecoderConfig};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The numbers of a run's log, but for the clock.
fn log(run: &Path) -> Vec<f64> {
    let log = fs::read_to_string(run.join("metrics.jsonl")).expect("a log");
    let numbers = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("an event");
        let fields = event.as_object().expect("an event").clone().into_iter();
        let timeless = fields.filter(|(key, _)| !key.contains("second"));
        timeless.filter_map(|(_, value)| value.as_f64()).collect::<Vec<_>>()
    };
    log.lines().flat_map(numbers).collect()
}

fn bytes(text: &str) -> impl Iterator<Item = f64> {
    text.bytes().map(f64::from)
}

/// Four steps with two evaluations.
fn training() -> TrainerConfig {
    TrainerConfig {
        seed: 3,
        max_steps: Some(4),
        batch_tokens: 60,
        schedule: Schedule::Constant { peak: 0.05, warmup: 0 },
        eval_every: 2,
        patience: None,
        log_every: 1,
        ..TrainerConfig::default()
    }
}

fn block() -> BlockConfig {
    BlockConfig { dropout: 0.0, ..BlockConfig::new(4, 2) }
}

/// The tokenizers beside that of the characters, each with two sizes.
fn tokenizers() -> [Value; 6] {
    [
        json!({ "frequent_characters": { "vocab_size": 9 } }),
        json!({ "frequent_characters": { "vocab_size": 11 } }),
        json!({ "words": { "vocab_size": 8 } }),
        json!({ "words": { "vocab_size": 10 } }),
        json!({ "bpe": { "vocab_size": 261 } }),
        json!({ "bpe": { "vocab_size": 264 } }),
    ]
}

/// What a training that goes wrong says.
fn said(error: impl ToString) -> String {
    error.to_string()
}

#[test]
fn each_key_of_a_translation_does_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let pairs = |words: std::ops::Range<usize>| {
        let pair = |n: usize| {
            let word = &"abcdefghijabcdefghij"[n % 10..][..2 + n % 7];
            format!("{word} {n}\t{n} {word} {word}\n")
        };
        words.map(pair).collect::<String>()
    };
    let [train, valid] = ["train.tsv", "valid.tsv"].map(|name| folder.path().join(name));
    fs::write(&train, pairs(0..40)).expect("a file");
    fs::write(&valid, pairs(40..47)).expect("a file");
    let answer = |settings: &Settings<EncoderDecoderConfig>| {
        settings.validate().map_err(said)?;
        let out = tempfile::tempdir().expect("a folder");
        let run = || Ok(RunDir::create(out.path())?);
        let corpus = Corpus::Pairs { train: train.clone(), valid: valid.clone() };
        let mut training =
            Training::begin(settings.clone(), corpus, &StopSignal::new(), run).map_err(said)?;
        let device = Device::flex();
        training.fit(&device, StopSignal::new(), Progress::Hidden, None).map_err(said)?;
        let translator = Translator::load(out.path(), &device).map_err(said)?.truncating();
        let written = translator.translate(&["abcdefgh 12"]).map_err(said)?;
        let tokens = written[0].tokens.iter().map(|&token| f64::from(token));
        Ok(log(out.path()).into_iter().chain(tokens).collect())
    };
    let base = Settings {
        tokenizer: TokenizerKind::Characters,
        max_len: Lengths { source: 9, target: 13 },
        overlong: Overlong::Truncate,
        model: EncoderDecoderConfig {
            encoder_layers: 1,
            decoder_layers: 1,
            ..EncoderDecoderConfig::new(UNKNOWN_VOCAB, UNKNOWN_VOCAB, block())
        },
        training: training(),
    };
    ConfigKeys::of(&base)
        .changes("tokenizer", tokenizers())
        .refused("tokenizer", [json!({ "words": { "vocab_size": 0 } }), json!("letters")])
        .changes("max_len.source", [json!(7), json!(8)])
        .refused("max_len.source", [json!(0), json!(1 << 17)])
        .changes("max_len.target", [json!(8), json!(11)])
        .refused("max_len.target", [json!(0), json!(1 << 17)])
        .changes("overlong", [json!("drop")])
        .refused("overlong", [json!("refuse")])
        .elsewhere("model", "`config_keys` of attn-transformer")
        .changes("model.encoder_layers", [json!(2)])
        .elsewhere("training", "`config_keys` of attn-train")
        .changes("training.seed", [json!(4)])
        .changes("training.max_minutes", [json!(1e-9)])
        .refused("training.coverage_loss", [json!(1.0)])
        .check(answer);
}

#[test]
fn each_key_of_a_model_of_a_text_does_something() {
    let text: String = (0..400).map(|n| format!("{} ", n * n % 97)).collect();
    let answer = |settings: &TextSettings| {
        settings.validate().map_err(said)?;
        let out = tempfile::tempdir().expect("a folder");
        let run = || Ok(RunDir::create(out.path())?);
        let begun = TextTraining::begin(settings.clone(), &text, &StopSignal::new(), run);
        let mut training = begun.map_err(said)?;
        let device = Device::flex();
        training.fit(&device, StopSignal::new(), Progress::Hidden).map_err(said)?;
        Ok(log(out.path()))
    };
    let base =
        TextSettings { context: 12, training: training(), ..TextSettings::new(1, block(), 4) };
    ConfigKeys::of(&base)
        .changes("tokenizer", tokenizers())
        .changes("context", [json!(10), json!(16)])
        .refused("context", [json!(0)])
        .elsewhere("model", "`config_keys` of attn-transformer")
        .changes("model.layers", [json!(2)])
        .elsewhere("training", "`config_keys` of attn-train")
        .changes("training.seed", [json!(4)])
        .refused("training.coverage_loss", [json!(1.0)])
        .check(answer);
}

#[test]
fn each_key_of_a_classifier_does_something() {
    let reviews = made_up_reviews(60, 1);
    let sentences = ["The soup was not very good.", "the plot is brilliant but the music is bad"];
    let device = Device::flex();
    let answer = |settings: &ClassifierSettings| {
        settings.validate().map_err(said)?;
        let mut answer = Vec::new();
        // One kept model is trained as a table's models are not: once, and without a test.
        for model in &settings.models {
            let folder = tempfile::tempdir().expect("a folder");
            let run = || Ok(RunDir::create(folder.path())?);
            let stop = StopSignal::new();
            let trained = Classifier::train(&reviews, model, settings, 1, &device, stop, run);
            let (classifier, _) = trained.map_err(said)?.expect("nobody has stopped it");
            for prediction in classifier.classify(&sentences) {
                answer.push(prediction.praise);
                answer.extend(prediction.weights.into_iter().flatten().map(f64::from));
            }
        }
        let comparison = Comparison::new(&reviews, settings, 1, &device);
        for split in comparison.run(1, &StopSignal::new(), |_| ()).map_err(said)? {
            for result in split.results {
                answer.extend(bytes(&result.name).chain([result.test]));
                answer.extend(result.valid.into_iter().chain(result.epochs.map(|n| n as f64)));
            }
        }
        Ok(answer)
    };
    let model = ModelSettings {
        name: "one".into(),
        pooling: PoolingConfig::SelfAttentive { d_hidden: 3, hops: 2 },
        bidirectional: false,
        d_word: 5,
        d_hidden: 4,
        word_std: 0.5,
        word_dropout: 0.1,
        ratio_dropout: 0.1,
        dropout: 0.1,
        pooled_dropout: 0.1,
        penalty: 0.2,
        log_ratios: true,
    };
    let base = ClassifierSettings {
        max_words: 9,
        min_count: 2,
        training: TrainingSettings {
            max_epochs: 4,
            patience: 4,
            batch: 8,
            rate: 0.05,
            weight_decay: 0.1,
            label_smoothing: 0.1,
            folds: 3,
        },
        models: vec![model.clone()],
    };
    let two = json!([model.clone(), ModelSettings { name: "two".into(), ..model }]);
    // A rate at which the second pass is worse than the first, and the third better than both.
    let wild = || json!({ "training.rate": 0.3 });
    ConfigKeys::of(&base)
        .changes("max_words", [json!(3), json!(5)])
        .refused("max_words", [json!(0)])
        .changes("min_count", [json!(1), json!(5)])
        .refused("min_count", [json!(0)])
        .changes_given(wild(), "training.max_epochs", [json!(1)])
        .refused("training.max_epochs", [json!(0)])
        .changes_given(wild(), "training.patience", [json!(1)])
        .refused("training.patience", [json!(0)])
        .changes("training.batch", [json!(5)])
        .refused("training.batch", [json!(0)])
        .changes("training.rate", [json!(0.02)])
        .refused("training.rate", [json!(0.0)])
        .changes("training.weight_decay", [json!(0.0), json!(0.5)])
        .refused("training.weight_decay", [json!(-0.5)])
        .changes("training.label_smoothing", [json!(0.0), json!(0.3)])
        .refused("training.label_smoothing", [json!(1.0)])
        .changes("training.folds", [json!(2), json!(5)])
        .refused("training.folds", [json!(1), json!(1001)])
        .changes("models", [two])
        .refused("models", [json!([])])
        .check(answer);

    let one = |model: &ModelSettings| {
        let models = vec![model.clone()];
        answer(&ClassifierSettings { models, ..base.clone() })
    };
    ConfigKeys::of(&base.models[0])
        .changes("name", [json!("another")])
        .elsewhere("pooling", "`config_keys` of attn-rnn")
        .changes("pooling.hops", [json!(3)])
        .changes("bidirectional", [json!(true)])
        .changes("d_word", [json!(6)])
        .refused("d_word", [json!(0)])
        .changes("d_hidden", [json!(6)])
        .refused("d_hidden", [json!(0)])
        .changes("word_std", [json!(0.25), json!(1.0)])
        .refused("word_std", [json!(-1.0)])
        .changes("word_dropout", [json!(0.0), json!(0.5)])
        .refused("word_dropout", [json!(1.0)])
        .changes("ratio_dropout", [json!(0.0), json!(0.5)])
        .refused("ratio_dropout", [json!(1.0)])
        .changes("dropout", [json!(0.0), json!(0.5)])
        .refused("dropout", [json!(1.0)])
        .changes("pooled_dropout", [json!(0.0), json!(0.5)])
        .refused("pooled_dropout", [json!(1.0)])
        .changes("penalty", [json!(0.0), json!(1.0)])
        .refused("penalty", [json!(-1.0)])
        .changes("log_ratios", [json!(false)])
        .check(one);
}
