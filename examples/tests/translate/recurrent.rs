//! The program `seq2seq`, where it differs from `translate`.

use attn_pipelines::translation::AttentionName;
use clap::ValueEnum;
use serde_json::Value;

use crate::desk::{Desk, TRAIN};
use crate::whole::metrics;

/// A desk with a config for small recurrent models, in which everything random is on.
fn desk() -> Desk {
    let desk = Desk::new();
    let config = r#"{
        "max_len": {"source": 128, "target": 20},
        "model": {
            "encoder": {"dropout": 0.1, "recurrent": {"recurrent_dropout": 0.2}},
            "decoder": {"dropout": 0.1, "recurrent": {"recurrent_dropout": 0.2}}
        },
        "training": {"max_steps": 4, "batch_tokens": 60, "eval_every": 2, "log_every": 1}
    }"#;
    desk.write("small.json", config);
    desk
}

fn names() -> impl Iterator<Item = String> {
    let name = |name: &AttentionName| name.to_possible_value().unwrap().get_name().to_owned();
    AttentionName::value_variants().iter().map(name)
}

#[test]
fn every_attention_trains_and_translates_and_is_drawn_if_there_is_one() {
    let desk = desk();
    for name in names() {
        desk.seq2seq(&format!("{TRAIN} --width 6 --attention {name} --out @{name}")).done();
        let output = desk.seq2seq(&format!("--model @{name} --beams 2 ab_1 cde_2")).done();
        assert_eq!(output.lines().count(), 2);
        let drawn = desk.seq2seq(&format!("--model @{name} --picture @{name}.svg ab_1"));
        if name == "none" {
            let error = drawn.refused();
            assert!(error.contains("has no attention"), "{error}");
        } else {
            drawn.done();
            assert!(desk.read(&format!("{name}.svg")).contains("<svg"));
        }
    }
}

#[test]
fn the_answer_is_fed_to_the_next_step_where_that_is_asked_for() {
    let desk = desk();
    desk.seq2seq(&format!("{TRAIN} --width 6 --attention luong-dot --input-feeding --out @run"))
        .done();
    let config: Value = serde_json::from_str(&desk.read("run/config.json")).unwrap();
    assert_eq!(config["model"]["decoder"]["flow"]["input_feeding"], true);
}

/// However many steps it had taken, and whatever was drawn: dropout, states, places to look at.
#[test]
fn a_stopped_run_that_is_resumed_is_the_run_that_was_not_stopped() {
    let desk = desk();
    for name in ["bahdanau", "luong-hard"] {
        let [whole, parts] = [format!("{name}-whole"), format!("{name}-parts")];
        let train = format!("{TRAIN} --width 6 --attention {name}");
        desk.seq2seq(&format!("{train} --out @{whole}")).done();

        let events = metrics(&desk, &whole).len();
        let train = format!("{train} --out @{parts}");
        desk.stopped(&parts, events, |stop| desk.seq2seq_with(&train, stop));
        desk.seq2seq(&format!("--quiet --resume --out @{parts}")).done();
        assert_eq!(metrics(&desk, &whole), metrics(&desk, &parts));
    }
}

#[test]
fn a_run_of_the_other_program_is_refused() {
    let desk = Desk::with_run();
    let error = desk.seq2seq("--model @run ab_1").refused();
    assert!(error.contains("config.json is of a Transformer"), "{error}");
    assert!(error.contains("use the example `translate`"), "{error}");
}

#[test]
fn widths_that_do_not_agree_are_named() {
    let desk = desk();
    desk.write("wrong.json", r#"{"model": {"decoder": {"recurrent": {"d_hidden": 7}}}}"#);
    let command = "--train @train.tsv --valid @valid.tsv --config @wrong.json --out @run";
    let error = desk.seq2seq(command).refused();
    assert!(error.contains("in `model`: ") && error.contains("= 512 must be 7"), "{error}");
}

#[test]
fn a_source_that_is_longer_than_there_are_places_is_refused() {
    let desk = desk();
    desk.write("long.json", r#"{"max_len": {"source": 200}}"#);
    let command = "--attention luong-location --train @train.tsv --valid @valid.tsv \
                   --config @long.json --out @run";
    let error = desk.seq2seq(command).refused();
    assert!(
        error.contains("is 200, but the attention of the model has scores for 128 places"),
        "{error}"
    );
}

/// Words of the source are copied, which needs one vocabulary.
#[test]
fn a_decoder_that_copies_trains_and_translates() {
    let desk = desk();
    let config =
        desk.read("small.json").replacen("\"decoder\": {", "\"decoder\": {\"copy\": {}, ", 1);
    desk.write("small.json", config);
    desk.seq2seq(&format!("{TRAIN} --width 6 --out @run")).done();
    assert_eq!(desk.read("run/source.tokenizer.json"), desk.read("run/target.tokenizer.json"));
    assert_eq!(desk.seq2seq("--model @run ab_1 cde_2").done().lines().count(), 2);
}

#[test]
fn an_attention_belongs_to_a_new_model() {
    let desk = desk();
    let error = desk.seq2seq("--model @run --attention none ab_1").refused();
    assert!(error.contains("cannot be used with"), "{error}");
    let error = desk.seq2seq("--beams 0 --out @run").refused();
    assert!(error.contains("beams"), "{error}");
    let error = desk.seq2seq("--width 7").refused();
    assert!(error.contains("not an even number from 2 on"), "{error}");
    let error = desk.seq2seq("--attention luong").refused();
    for name in names() {
        assert!(error.contains(&name), "{name}: {error}");
    }
}

/// The built-in task, with so few steps that nothing is learned.
#[test]
fn the_built_in_task_ends_with_a_report_and_a_picture() {
    let desk = desk();
    let output = desk.seq2seq("--quiet --width 8 --config @small.json --out @dates").done();
    assert!(output.contains("exact match on 1000 held-out dates"), "{output}");
    assert!(output.contains("attention of the year's digits to the year"), "{output}");
    assert!(desk.path("dates/attention.svg").is_file());
}
