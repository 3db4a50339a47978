//! Trained models in somebody's own program: what the README of `attn-pipelines` promises.

use attn_generate::SamplerConfig;
use attn_pipelines::classification::{Settings, made_up_reviews};
use attn_pipelines::generation::{TextSettings, TextTraining};
use attn_pipelines::{Classifier, DeviceName, Error, RunDir, TextGenerator, Translator};
use attn_train::{Progress, StopSignal};
use attn_transformer::{BlockConfig, PositionConfig};

use crate::desk::{Desk, TRAIN};

#[test]
fn a_run_translates_whatever_its_model_is() {
    let desk = Desk::with_run();
    desk.write("recurrent.json", r#"{"training": {"max_steps": 2}}"#);
    desk.seq2seq(&format!("{TRAIN} --width 6 --out @recurrent").replace("@small", "@recurrent"))
        .done();
    let device = DeviceName::Auto.open().unwrap();
    for (run, program) in [("run", false), ("recurrent", true)] {
        let translator = Translator::load(desk.path(run), &device).unwrap();
        let translations = translator.translate(&["ab 1", " ", "cde 2"]).unwrap();
        let texts: Vec<&str> = translations.iter().map(|best| best.text.as_str()).collect();
        let command = format!("--model @{run} ab_1 cde_2");
        let said = if program { desk.seq2seq(&command) } else { desk.call(&command) }.done();
        assert_eq!(said, format!("{}\n{}\n", texts[0], texts[2]));
        assert_eq!(texts[1], "", "of a blank sentence, nothing");
        let error = translator.translate(&["a".repeat(300)]).unwrap_err().to_string();
        assert!(error.starts_with("sentence 1: the source has 300 tokens"), "{error}");
        let stop = StopSignal::new();
        stop.stop();
        let stopped = translator.with_stop(stop).translate(&["ab 1"]);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    }
}

/// A target as long as the model may write, and no end: the last row that there is was written.
#[test]
fn a_translation_without_an_end_is_drawn_within_the_positions() {
    let desk = Desk::new();
    let config = desk.read("small.json").replace(
        "\"encoder_layers\"",
        "\"positions\": {\"learned\": {\"max_len\": 20}}, \"encoder_layers\"",
    );
    desk.write("small.json", config);
    desk.call(&format!("{TRAIN} --out @run")).done();
    let translator = Translator::load(desk.path("run"), &DeviceName::Auto.open().unwrap()).unwrap();
    let source = translator.encode("ab 1", String::new).unwrap();
    let best = translator.translate(&["ab 1"]).unwrap().remove(0);
    assert!(!best.finished && best.tokens.len() == 20, "six steps teach no end: {best:?}");
    let alignments = translator.alignments(&source, &best).unwrap();
    assert_eq!(alignments.weights.len(), alignments.names.len() * 20 * source.len());
    desk.call("--model @run --picture @a.svg ab_1").done();
    assert!(!desk.read("a.svg").contains("&lt;/s&gt;"), "the end was never written");
}

#[test]
fn a_text_is_gone_on_with_as_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let text = "Ünder the bridge the river runs. ".repeat(40);
    let mut settings = TextSettings::new(1, BlockConfig::new(8, 2), 4);
    settings.context = 16;
    settings.training.batch_tokens = 64;
    settings.model.positions = PositionConfig::Learned { max_len: 32 };
    let device = DeviceName::Auto.open().unwrap();
    let path = folder.path().join("gpt");
    let run = || Ok(RunDir::create(&path)?);
    let mut training = TextTraining::begin(settings, &text, &StopSignal::new(), run).unwrap();
    training.fit(&device, StopSignal::new(), Progress::Hidden).unwrap();

    let generator = TextGenerator::load(&path, &device).unwrap();
    let sampler = SamplerConfig { temperature: 2.0, ..generator.sampler(12, 3) };
    let pieces: Vec<String> =
        generator.stream("the ", &sampler).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(pieces.len() > 3, "it comes in pieces: {pieces:?}");
    assert_eq!(generator.generate("the ", &sampler).unwrap(), pieces.concat());
    let other = SamplerConfig { seed: 4, ..sampler.clone() };
    assert_ne!(generator.generate("the ", &other).unwrap(), pieces.concat());
    assert!(matches!(generator.generate("", &sampler), Err(Error::EmptyPrompt)));
    let error = generator.generate("the ", &generator.sampler(30, 3)).unwrap_err().to_string();
    assert!(error.starts_with("33 tokens, with those of the prompt"), "{error}");
    generator.generate("the ", &generator.sampler(29, 3)).expect("as many as there are positions");

    // With another vocabulary the same weights are another model.
    replace(&path.join("tokenizer.json"), "Ü", "Ö");
    let error = TextGenerator::load(&path, &device).unwrap_err().to_string();
    assert!(error.contains("the tokenizer"), "{error}");
}

/// Replaces a part of a file by another.
fn replace(path: &std::path::Path, from: &str, to: &str) {
    let content = std::fs::read_to_string(path).unwrap();
    let changed = content.replace(from, to);
    assert_ne!(changed, content, "{from} is not in {}", path.display());
    std::fs::write(path, changed).unwrap();
}

#[test]
fn a_classifier_is_trained_kept_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (reviews, mut settings) = (made_up_reviews(120, 1), Settings::made_up());
    settings.training.max_epochs = 2;
    let model = settings.models.last().unwrap().clone();
    let device = DeviceName::Auto.open().unwrap();
    let path = folder.path().join("classifier");
    let train = |stop| {
        let run = || Ok(RunDir::create_numbered(&path)?);
        Classifier::train(&reviews, &model, &settings, 1, &device, stop, run).unwrap()
    };
    let (trained, kept) = train(StopSignal::new()).unwrap();
    let sentences =
        ["The soup was not very good.", "", "the plot is brilliant but the music is bad"];
    let predictions = trained.classify(&sentences);
    assert_eq!(Classifier::load(&kept, &device).unwrap().classify(&sentences), predictions);
    assert_eq!(predictions[1].praise, 0.5);
    assert_ne!(predictions[0].praise, predictions[2].praise);
    assert_eq!(predictions[0].weights.as_ref().unwrap().len(), 7, "a weight for each word");
    replace(&kept.join("words.json"), "\"soup\"", "\"soap\"");
    let error = Classifier::load(&kept, &device).unwrap_err().to_string();
    assert!(error.contains("the words"), "{error}");
    let stop = StopSignal::new();
    stop.stop();
    assert!(train(stop).is_none());
}

/// Byte pairs may take minutes to learn.
#[test]
fn a_stop_while_the_vocabulary_is_learned_leaves_nothing_behind() {
    let desk = Desk::new();
    let stop = StopSignal::new();
    stop.stop();
    let command = TRAIN.replace("characters", "bpe --vocab 300");
    let ran = desk.call_with(&format!("{command} --out @run"), "", stop);
    assert_eq!(ran.ending.expect_err("it was stopped").status(), 130);
    assert!(!desk.path("run").exists());
}
