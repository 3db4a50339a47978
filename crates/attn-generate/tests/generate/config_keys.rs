//! Each key of each configuration changes what is decoded, or its value is refused.

use crate::model::{FIRST, TableModel, devices};
use attn_generate::{
    BeamConfig, GenerateError, Hypothesis, Limits, SamplerConfig, Start, beam_search, greedy,
    sample,
};
use attn_testing::ConfigKeys;
use serde_json::json;

/// Of the model; the last token ends a sequence.
const VOCAB: usize = 9;

/// Many sentences, so that what changes few of them is seen too.
const SENTENCES: u32 = 40;

fn model() -> TableModel {
    TableModel::new(VOCAB, 3, &devices()[1])
}

fn start(model: &TableModel) -> Start<Vec<Vec<u32>>> {
    let firsts = (0..SENTENCES).map(|sentence| FIRST + sentence).collect();
    Start::tokens(model.empty(SENTENCES as usize), firsts)
}

/// Tokens, scores and whether they ended.
fn numbers(found: Result<Vec<Vec<Hypothesis>>, GenerateError>) -> Result<Vec<f64>, String> {
    let mut all = Vec::new();
    for sentence in found.map_err(|error| error.to_string())? {
        all.push(sentence.len() as f64);
        for Hypothesis { tokens, score, log_prob, finished } in sentence {
            all.extend([tokens.len() as f64, score, log_prob, f64::from(u8::from(finished))]);
            all.extend(tokens.into_iter().map(f64::from));
        }
    }
    Ok(all)
}

fn limits() -> Limits {
    Limits { end: Some(VOCAB as u32 - 1), min_len: 1, max_len: 6 }
}

/// The entries of limits below `root`.
fn limit_keys<C>(keys: ConfigKeys<C>, root: &str) -> ConfigKeys<C>
where
    C: serde::Serialize + serde::de::DeserializeOwned,
{
    let [end, min_len, max_len] = ["end", "min_len", "max_len"].map(|key| format!("{root}{key}"));
    keys.changes(&end, [json!(null), json!(2)])
        .refused(&end, [json!(VOCAB)])
        .changes(&min_len, [json!(0), json!(3)])
        .refused(&min_len, [json!(7)])
        .changes(&max_len, [json!(4), json!(9)])
        .refused(&max_len, [json!(0)])
}

#[test]
fn each_key_of_greedy_decoding_does_something() {
    limit_keys(ConfigKeys::of(&limits()), "").check(|&limits| {
        let model = model();
        numbers(greedy(&model, start(&model), limits).and_then(|it| Ok(vec![it.hypotheses()?])))
    });
}

#[test]
fn each_key_of_sampling_does_something() {
    limit_keys(ConfigKeys::of(&SamplerConfig::new(limits(), 5)), "limits.")
        .changes("repetition_penalty", [json!(2.0), json!(4.0)])
        .refused("repetition_penalty", [json!(0.5)])
        .changes("temperature", [json!(0.5), json!(2.0)])
        .refused("temperature", [json!(0.0)])
        .changes("top_k", [json!(1), json!(3)])
        .refused("top_k", [json!(0)])
        .changes("top_p", [json!(0.25), json!(0.75)])
        .refused("top_p", [json!(0.0), json!(1.5)])
        .changes("min_p", [json!(0.25), json!(0.75)])
        .refused("min_p", [json!(0.0), json!(1.5)])
        .changes("seed", [json!(6)])
        .check(|config| {
            let model = model();
            let drawn = sample(&model, start(&model), config.clone());
            numbers(drawn.and_then(|it| Ok(vec![it.hypotheses()?])))
        });
}

fn searched(config: &BeamConfig) -> Result<Vec<f64>, String> {
    let model = model();
    numbers(beam_search(&model, start(&model), config))
}

#[test]
fn each_key_of_beam_search_does_something() {
    let base = BeamConfig { beams: 3, n_best: 2, ..BeamConfig::new(limits()) };
    limit_keys(ConfigKeys::of(&base), "limits.")
        .changes("beams", [json!(2), json!(5)])
        .refused("beams", [json!(0), json!(1)])
        .changes("n_best", [json!(1), json!(3)])
        .refused("n_best", [json!(0), json!(4)])
        .changes("length_penalty", [json!(0.0), json!(2.0)])
        .refused("length_penalty", [json!(-1.0)])
        .changes(
            "coverage_penalty",
            [json!({ "name": "gnmt", "beta": 2.0 }), json!({ "name": "summary", "beta": 2.0 })],
        )
        .check(searched);
    for name in ["gnmt", "summary"] {
        let penalty = json!({ "name": name, "beta": 1.0 });
        let penalty = serde_json::from_value(penalty).expect("a coverage penalty");
        ConfigKeys::of(&base.clone().with_coverage_penalty(penalty))
            .only("coverage_penalty")
            .changes(
                "coverage_penalty",
                [
                    json!(null),
                    json!({ "name": "gnmt", "beta": 2.0 }),
                    json!({ "name": "summary", "beta": 2.0 }),
                ],
            )
            .changes("coverage_penalty.beta", [json!(0.25), json!(4.0)])
            .refused("coverage_penalty.beta", [json!(-1.0)])
            .check(searched);
    }
}
