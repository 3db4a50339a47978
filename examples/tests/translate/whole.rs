//! The program `translate` from beginning to end.

use attn_pipelines::cli::Ending;
use attn_train::StopSignal;
use serde_json::Value;

use crate::desk::{Desk, STEPS, TRAIN};

/// The metrics log without what depends on the clock.
pub fn metrics(desk: &Desk, run: &str) -> Vec<Value> {
    let timeless = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let fields = event.as_object_mut().unwrap();
        fields.retain(|key, _| !key.contains("second"));
        event
    };
    desk.read(&format!("{run}/metrics.jsonl")).lines().map(timeless).collect()
}

#[test]
fn a_run_keeps_everything_and_reports_bleu() {
    let desk = Desk::new();
    let output = desk.call(&format!("{TRAIN} --seed 7 --out @run")).done();
    assert!(output.contains("BLEU|") && output.contains("chrF2|"), "{output}");
    let config: Value = serde_json::from_str(&desk.read("run/config.json")).unwrap();
    assert_eq!(config["training"]["seed"], 7);
    assert_eq!(config["model"]["block"]["d_model"], 8);
    assert_eq!(config["tokenizer"]["frequent_characters"]["vocab_size"], 4000);
    for file in ["data.json", "source.tokenizer.json", "target.tokenizer.json"] {
        assert!(desk.path("run").join(file).is_file(), "{file}");
    }
    let steps = metrics(&desk, "run").iter().filter(|event| event["event"] == "train").count();
    assert_eq!(steps, STEPS);
}

#[test]
fn a_seed_fixes_the_run() {
    let desk = Desk::new();
    for (run, seed) in [("one", 3), ("two", 3), ("three", 4)] {
        desk.call(&format!("{TRAIN} --seed {seed} --out @{run}")).done();
    }
    assert_eq!(metrics(&desk, "one"), metrics(&desk, "two"));
    assert_ne!(metrics(&desk, "one"), metrics(&desk, "three"));
}

#[test]
fn parallel_files_are_the_same_text() {
    let desk = Desk::new();
    for part in ["train", "valid"] {
        let pairs = desk.read(&format!("{part}.tsv"));
        let side = |index| {
            let column = |line: &str| line.split('\t').nth(index).unwrap().to_owned() + "\n";
            pairs.lines().map(column).collect::<String>()
        };
        desk.write(&format!("{part}.a"), side(0));
        desk.write(&format!("{part}.b"), side(1));
    }
    desk.call(&format!("{TRAIN} --out @one")).done();
    desk.call(
        "--quiet --source @train.a --target @train.b --valid-source @valid.a \
         --valid-target @valid.b --config @small.json --tokenizer characters --out @two",
    )
    .done();
    assert_eq!(metrics(&desk, "one"), metrics(&desk, "two"));
}

/// However many steps it had taken when it was stopped.
#[test]
fn a_stopped_run_that_is_resumed_is_the_run_that_was_not_stopped() {
    let desk = Desk::new();
    desk.call(&format!("{TRAIN} --out @whole")).done();

    let events = metrics(&desk, "whole").len();
    let train = format!("{TRAIN} --out @parts");
    let ran = desk.stopped("parts", events, |stop| desk.call_with(&train, "", stop));
    assert!(ran.said.contains("--resume --out"), "{}", ran.said);
    desk.call("--quiet --resume --out @parts").done();
    assert_eq!(metrics(&desk, "whole"), metrics(&desk, "parts"));
}

#[test]
fn a_run_that_was_stopped_at_once_says_how_to_go_on() {
    let desk = Desk::new();
    let stop = StopSignal::new();
    stop.stop();
    let ran = desk.call_with(&format!("{TRAIN} --out @run"), "", stop);
    assert_eq!(ran.ended(), Ending::Interrupted);
    let run = desk.path("run");
    assert!(ran.said.contains(&format!("--resume --out {}", run.display())), "{}", ran.said);
    desk.call("--quiet --resume --out @run").done();
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint() {
    let desk = Desk::new();
    let config = desk.read("small.json").replace(
        "\"max_steps\": 6",
        "\"max_steps\": 600, \"schedule\": {\"kind\": \"constant\", \"peak\": 1e30}",
    );
    desk.write("small.json", config);
    let error = desk.call(&format!("{TRAIN} --out @run")).ending.expect_err("no number");
    assert_eq!(error.status(), 1);
    assert!(error.to_string().contains("at step"), "{error}");
}

#[test]
fn sentences_come_from_arguments_or_from_lines() {
    let desk = Desk::with_run();
    let given = desk.call("--model @run ab_1 cde_2").done();
    assert_eq!(given.lines().count(), 2);
    let read = desk.call_with("--model @run", "ab 1\ncde 2\n", StopSignal::new()).done();
    assert_eq!(read, given);
    let with_blanks = desk.call_with("--model @run", "\nab 1\r\n\ncde 2", StopSignal::new()).done();
    let lines: Vec<&str> = given.lines().collect();
    assert_eq!(with_blanks, format!("\n{}\n\n{}\n", lines[0], lines[1]));
}

#[test]
fn the_best_of_several_is_the_one() {
    let desk = Desk::with_run();
    let best = desk.call("--model @run --beams 3 ab_1").done();
    let several = desk.call("--model @run --beams 3 --n-best 3 ab_1").done();
    let scored: Vec<(f64, &str)> = several
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(score, text)| (score.parse().unwrap(), text))
        .collect();
    assert_eq!(scored.len(), 3, "{several}");
    assert_eq!(scored[0].1, best.trim_end_matches('\n'));
    assert!(scored.is_sorted_by(|a, b| a.0 >= b.0), "{several}");
}

#[test]
fn a_test_writes_what_it_scored() {
    let desk = Desk::with_run();
    let scores = desk.call("--model @run --test @valid.tsv --hypotheses @valid.hyp").done();
    let hypotheses = desk.read("valid.hyp");
    assert_eq!(hypotheses.lines().count(), desk.read("valid.tsv").lines().count());
    let references: Vec<String> = desk
        .read("valid.tsv")
        .lines()
        .map(|line| line.split_once('\t').unwrap().1.to_owned())
        .collect();
    let hypotheses: Vec<&str> = hypotheses.lines().collect();
    let bleu = attn_train::metrics::bleu(&hypotheses, &references);
    assert!(scores.contains(&bleu.to_string()), "{scores}");
    // All sources have two words.
    let bands: Vec<&str> = scores.lines().skip_while(|line| !line.contains("sentences")).collect();
    assert_eq!(bands.len(), 2, "{scores}");
    assert!(bands[1].trim_start().starts_with("1–5"), "{scores}");
}

#[test]
fn attention_is_drawn() {
    let desk = Desk::with_run();
    desk.call("--model @run --picture @a.svg ab_1").done();
    let picture = desk.read("a.svg");
    assert!(picture.contains("<svg") && picture.trim_end().ends_with("</svg>"));
}

/// The built-in task, with a small model that learns nothing in so few steps.
#[test]
fn the_built_in_task_ends_with_a_report_and_a_picture() {
    let desk = Desk::new();
    desk.write("small.json", desk.read("small.json").replace("\"source\": 20", "\"source\": 64"));
    let output = desk.call("--quiet --config @small.json --out @dates").done();
    assert!(output.contains("exact match on 1000 held-out dates"), "{output}");
    assert!(output.contains("reference"), "{output}");
    assert!(desk.path("dates/attention.svg").is_file());
}
