//! Words of the source, copied into the target. That the mixture is the paper's is in `equations`.

use crate::models::{
    CLOSE, D_ANNOTATION, D_HIDDEN, LENGTHS, SOURCE_VOCAB, VOCAB, config, few_flows, flows_of,
    shallow, sources,
};
use crate::support::{
    assert_close, check_weight_gradients, devices, ids, random_ids, rng, seeded, values, weights_of,
};
use attn_core::alignment::{AlignmentConfig, LocalPredictiveConfig};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{CoverageConfig, GeneralConfig, ScoreConfig};
use attn_generate::{BeamConfig, Limits, StepDecoder, beam_search, greedy};
use attn_kernels::cross_entropy::cross_entropy;
use attn_rnn::pointer::SourceWords;
use attn_rnn::{
    BridgeKind, CellKind, CopyConfig, DecoderMemory, FlowConfig, Seq2Seq, Seq2SeqConfig,
};
use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};

/// The token that is read in the place of a word that the vocabulary lacks.
const UNKNOWN: u32 = 3;
/// Size of the vocabulary with two words that it lacks.
const EXTENDED: usize = VOCAB as usize + 2;

/// Each flow that looks, one whose score looks back, and one whose weights sum to less than 1.
fn looking() -> Vec<FlowConfig> {
    let mut flows = few_flows();
    flows.pop();
    let coverage = ScoreConfig::Coverage(CoverageConfig::new(D_HIDDEN, D_ANNOTATION, 5));
    flows.push(flows_of(&AttentionConfig::new().with_score(coverage))[0].clone());
    flows.push(local());
    flows
}

fn local() -> FlowConfig {
    let centre = AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, D_HIDDEN, 5));
    let general = ScoreConfig::General(GeneralConfig::new(D_HIDDEN, D_ANNOTATION));
    let attention = AttentionConfig::new().with_score(general).with_alignment(centre);
    flows_of(&attention)[2].clone()
}

fn copying(flow: FlowConfig) -> Seq2SeqConfig {
    let mut config = config(flow, CellKind::Gru, BridgeKind::Dense);
    config.decoder.copy = Some(CopyConfig::new().with_unknown(UNKNOWN));
    config
}

fn model(flow: FlowConfig, device: &Device) -> Seq2Seq {
    seeded(copying(flow).init(device), 70)
}

/// Words of each source: known ones, some of them twice, and one or two that the vocabulary lacks.
fn words() -> Vec<Vec<u32>> {
    vec![vec![11, 4, 12, 4, 0, 0, 0], vec![5, 6, 7, 11, 6, 5, 9], vec![8, 0, 0, 0, 0, 0, 0]]
}

/// Of these words, and others.
fn targets() -> Vec<Vec<u32>> {
    vec![vec![1, 12, 4, 11, 2], vec![1, 11, 6, 0, 10], vec![1, 8, 3, 2, 5]]
}

fn memory(model: &Seq2Seq, rows: &[usize], device: &Device) -> DecoderMemory {
    let pick = |all: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
        rows.iter().map(|&row| all[row].clone()).collect()
    };
    let lengths: Vec<usize> = rows.iter().map(|&row| LENGTHS[row]).collect();
    let words = SourceWords::new(ids(&pick(words()), device), EXTENDED).unwrap();
    model.memory_to_copy(ids(&pick(sources()), device), &lengths, words)
}

fn log_probs(model: &Seq2Seq, rows: &[usize], target: &[Vec<u32>], device: &Device) -> Tensor<3> {
    let memory = memory(model, rows, device);
    model.decoder.decode(ids(target, device), &memory, &mut model.decoder.begin(&memory)).logits
}

/// Token by token, with rows that repeat and change their order in between; words that a row does not
/// have are forbidden.
#[test]
fn step_by_step_is_teacher_forcing() {
    for device in devices() {
        for device in [device.clone(), device.autodiff()] {
            for flow in looking() {
                let model = model(flow.clone(), &device);
                let at_once = log_probs(&model, &[0, 1, 2], &targets(), &device);
                let mut state = model.state(memory(&model, &[0, 1, 2], &device));
                let mut rows = vec![0, 1, 2];
                for (step, order) in [&[0, 1, 2][..], &[2, 0, 0, 1], &[3, 1, 0]].iter().enumerate()
                {
                    state = model.reorder(state, order);
                    rows = order.iter().map(|&row| rows[row]).collect();
                    let tokens: Vec<u32> = rows.iter().map(|&row| targets()[row][step]).collect();
                    let (logits, next) = model.step(state, &tokens);
                    state = next;
                    for (n, &row) in rows.iter().enumerate() {
                        let found = values(&logits.clone().slice_dim(0, n..n + 1));
                        let expected = at_once.clone().slice_dim(0, row..row + 1);
                        let mut expected = values(&expected.slice_dim(1, step..step + 1));
                        let missing = [0, 1, 2][row];
                        expected[EXTENDED - missing..].fill(f64::NEG_INFINITY);
                        assert_close(&format!("{flow:?}, row {row}"), &found, &expected, CLOSE);
                    }
                }
            }
        }
    }
}

/// A row alone has the probabilities that it has in the batch; they sum to 1 where weights do.
#[test]
fn other_rows_change_nothing_and_probabilities_sum_as_weights_do() {
    for device in devices() {
        for flow in looking() {
            let model = model(flow.clone(), &device);
            let together = values(&log_probs(&model, &[0, 1, 2], &targets(), &device));
            for (row, expected) in together.chunks(5 * EXTENDED).enumerate() {
                let alone = values(&log_probs(&model, &[row], &targets()[row..=row], &device));
                assert_close(&format!("{flow:?}, row {row}"), &alone, expected, CLOSE);
            }
            for row in together.chunks(EXTENDED) {
                let sum: f64 = row.iter().map(|x| x.exp()).sum();
                let whole = (sum - 1.0).abs() < CLOSE;
                assert!(if flow == local() { sum < 1.0 } else { whole }, "{flow:?}: {sum}");
            }
        }
    }
}

/// One vocabulary of source and target: its tokens are the words.
#[test]
fn a_shared_vocabulary_needs_no_words() {
    for device in devices() {
        for flow in looking() {
            let mut config = copying(flow);
            config.decoder.vocab = SOURCE_VOCAB as usize;
            config.decoder.copy = Some(CopyConfig::new());
            let model = seeded(config.init(&device), 71);
            let source = || ids(&sources(), &device);
            let target = || ids(&random_ids(&mut rng(72), [3, 5], SOURCE_VOCAB), &device);
            let found = model.forward(source(), &LENGTHS, target());
            assert_eq!(found.dims(), [3, 5, SOURCE_VOCAB as usize]);
            let words = SourceWords::new(source(), SOURCE_VOCAB as usize).unwrap();
            let memory = model.memory_to_copy(source(), &LENGTHS, words);
            let decoder = &model.decoder;
            let expected = decoder.decode(target(), &memory, &mut decoder.begin(&memory)).logits;
            assert!(values(&found) == values(&expected));
        }
    }
}

/// The negative log-likelihood of words that are generated, copied, or both, and that of a word that
/// cannot be had, whose logarithm is a constant.
fn loss(model: &Seq2Seq, device: &Device) -> Tensor<1> {
    let wanted = [[12, 4, 11, 2, 0], [11, 6, 0, 10, 5], [8, 3, 2, 5, 12]];
    let labels: Vec<_> = wanted.as_flattened().iter().map(|&word| Some(word)).collect();
    let log_probs = log_probs(model, &[0, 1, 2], &targets(), device);
    cross_entropy(log_probs.flatten(0, 1), &labels, 0.0)
}

/// Off by the difference's own error, see `seq2seq`; and by third derivatives of logarithms of
/// probabilities down to 1e-3.
#[test]
fn the_loss_has_its_gradients() {
    for flow in looking() {
        let init = |device: &Device| seeded(shallow(copying(flow.clone())).init(device), 70);
        check_weight_gradients(&format!("{flow:?}"), init, 12, 1e-6, |model| {
            loss(model, &Device::flex().autodiff())
        });
    }
}

/// A gate that is all but shut either way: a word costs much, but no more than it has to, and there is
/// a gradient.
#[test]
fn a_shut_gate_has_a_finite_loss_and_gradient() {
    for device in devices() {
        let device = device.autodiff();
        for shut in [-60.0, 60.0] {
            let mut model = model(few_flows().remove(0), &device);
            let gate = &mut model.decoder.copy.as_mut().unwrap().pointer.input;
            gate.bias = Some(Param::from_tensor(Tensor::full([1], shut, &device)));
            let loss = loss(&model, &device);
            let cost = values(&loss)[0];
            // Some of 15 words can be had on the shut side alone, which costs about 60 each; one
            // cannot be had at all, which costs 87.
            assert!((200.0..15.0 * 100.0).contains(&cost), "{cost}");
            let gradients = weights_of(&model, Some(&loss.backward()));
            assert!(gradients.iter().all(|g| g.is_finite()));
            assert!(gradients.iter().any(|&g| g != 0.0));
        }
    }
}

/// A search says words that the vocabulary lacks, and ranks as the distribution does.
#[test]
fn a_beam_finds_what_brute_force_finds() {
    for device in devices() {
        for flow in looking() {
            let mut config = copying(flow);
            config.decoder.vocab = 4;
            let model = seeded(config.init(&device), 73);
            let (begin, end, extended) = (1, 0, 6_u32);
            let words = |rows: &[Vec<u32>]| {
                SourceWords::new(ids(rows, &device), extended as usize).unwrap()
            };
            let all_words = [vec![4, 2, 5, 2, 0, 0, 0], vec![2, 3, 4, 1, 0, 2, 4]];
            let memory = |rows: std::ops::Range<usize>| {
                let source = ids(&sources()[rows.clone()], &device);
                model.memory_to_copy(source, &LENGTHS[rows.clone()], words(&all_words[rows]))
            };
            let limits = Limits { end: Some(end), min_len: 0, max_len: 2 };
            let beam = BeamConfig { beams: 36, n_best: 36, ..BeamConfig::new(limits) };
            let start = model.start(memory(0..2), begin);
            let found = beam_search(&model, start, &beam).unwrap();
            for (row, found) in found.iter().enumerate() {
                let memory = memory(row..row + 1);
                let log_prob = |tokens: &[u32]| -> f64 {
                    let given = [&[begin], &tokens[..tokens.len() - 1]].concat();
                    let decoder = &model.decoder;
                    let given = ids(&[given], &device);
                    let decoded = decoder.decode(given, &memory, &mut decoder.begin(&memory));
                    let all = values(&log_softmax(decoded.logits, 2));
                    let of =
                        |(n, &token): (usize, &u32)| all[n * extended as usize + token as usize];
                    tokens.iter().enumerate().map(of).sum()
                };
                // Row 1 has one word of its own, 4.
                let others = 1..extended - row as u32;
                let mut all = vec![vec![end]];
                all.extend(others.clone().map(|a| vec![a, end]));
                all.extend(others.clone().flat_map(|a| others.clone().map(move |b| vec![a, b])));
                assert_eq!(found.len(), all.len());
                for found in found {
                    let mut tokens = found.tokens.clone();
                    tokens.extend(found.finished.then_some(end));
                    let at = all.iter().position(|other| *other == tokens);
                    all.remove(at.unwrap_or_else(|| panic!("row {row} says {tokens:?}")));
                    let expected = log_prob(&tokens);
                    assert_close("log prob", &[found.log_prob], &[expected], CLOSE);
                    let expected = beam.score(expected, tokens.len(), &[]);
                    assert_close("score", &[found.score], &[expected], CLOSE);
                }
            }
            let greedily = greedy(&model, model.start(memory(0..2), begin), limits).unwrap();
            assert_eq!(greedily.hypotheses().unwrap().len(), 2);
        }
    }
}

/// A checkpoint is the model, and one of a model that does not copy has no part of it.
#[test]
fn a_record_is_the_model() {
    for device in devices() {
        for flow in looking() {
            let saved = model(flow.clone(), &device);
            let bytes = saved.clone().into_record().into_bytes().unwrap();
            let other = copying(flow.clone()).init(&device);
            let loaded = other.load_record(burn::store::ModuleRecord::from_bytes(bytes).unwrap());
            let answer =
                |model: &Seq2Seq| values(&log_probs(model, &[0, 1, 2], &targets(), &device));
            assert!(answer(&loaded) == answer(&saved));

            let plain = config(flow, CellKind::Gru, BridgeKind::Dense);
            let gate = D_ANNOTATION + D_HIDDEN + plain.decoder.recurrent.d_input + 1;
            let plain = plain.init(&device);
            assert_eq!(plain.num_params() + gate, loaded.num_params());
        }
    }
}

#[test]
fn a_configuration_says_whether_it_copies() {
    let flow = few_flows().remove(0);
    let plain = config(flow.clone(), CellKind::Gru, BridgeKind::Dense);
    let json = serde_json::to_string(&plain).unwrap();
    assert!(json.contains(r#""copy":null"#), "{json}");
    assert_eq!(serde_json::from_str::<Seq2SeqConfig>(&json).unwrap(), plain);
    // A file of before there was such a key.
    let before = json.replace(r#","copy":null"#, "");
    assert!(!before.contains("copy"), "{before}");
    assert_eq!(serde_json::from_str::<Seq2SeqConfig>(&before).unwrap(), plain);

    let json = serde_json::to_string(&copying(flow.clone())).unwrap();
    assert!(json.contains(r#""copy":{"unknown":3}"#), "{json}");
    assert_eq!(serde_json::from_str::<Seq2SeqConfig>(&json).unwrap(), copying(flow.clone()));
    let json = json.replace(r#"{"unknown":3}"#, "{}");
    let read = serde_json::from_str::<Seq2SeqConfig>(&json).unwrap();
    assert_eq!(read.decoder.copy, Some(CopyConfig::new()));
    let error = serde_json::from_str::<Seq2SeqConfig>(&json.replace("{}", r#"{"unk":3}"#));
    assert!(error.unwrap_err().to_string().contains("unknown field `unk`"));

    let error = copying(FlowConfig::Plain).validate().unwrap_err().to_string();
    assert_eq!(error, "decoder.copy needs a flow with attention, decoder.flow is plain");
    let mut beyond = copying(flow);
    beyond.decoder.copy = Some(CopyConfig::new().with_unknown(VOCAB));
    let error = beyond.validate().unwrap_err().to_string();
    assert_eq!(error, "decoder.copy.unknown = 11 must be below 11, the size of the vocabulary");
}

fn with_words(copy: CopyConfig, width: usize, extended: usize) -> DecoderMemory {
    let device = Device::flex();
    let mut config = copying(few_flows().remove(0));
    config.decoder.copy = Some(copy);
    let words = vec![vec![4; width]; 3];
    let words = SourceWords::new(ids(&words, &device), extended).unwrap();
    config.init(&device).memory_to_copy(ids(&sources(), &device), &LENGTHS, words)
}

#[test]
#[should_panic(expected = "left: [3, 6]\n right: [3, 7]")]
fn every_source_step_has_a_word() {
    with_words(CopyConfig::new(), 6, 11);
}

#[test]
#[should_panic(expected = "an extended vocabulary of 10 for one of 11")]
fn an_extended_vocabulary_is_no_smaller() {
    with_words(CopyConfig::new(), 7, 10);
}

#[test]
#[should_panic(expected = "an extended vocabulary of 13 for one of 11 needs copy.unknown")]
fn words_that_are_not_known_are_read_as_a_token() {
    with_words(CopyConfig::new(), 7, 13);
}

#[test]
#[should_panic(expected = "the model does not copy: decoder.copy is not configured")]
fn a_model_that_does_not_copy_takes_no_words() {
    let device = Device::flex();
    let model = config(few_flows().remove(0), CellKind::Gru, BridgeKind::Dense).init(&device);
    memory(&model, &[0, 1, 2], &device);
}

#[test]
#[should_panic(expected = "has the id 12, not in an extended vocabulary of 11")]
fn a_source_token_that_may_be_copied_is_of_the_target_vocabulary() {
    let device = Device::flex();
    let model = model(few_flows().remove(0), &device);
    model.memory(ids(&[vec![2, 12, 4]], &device), &[3]);
}

#[test]
#[should_panic(expected = "token 13 is out of range, the vocabulary has 13")]
fn tokens_are_of_the_extended_vocabulary() {
    let device = Device::flex();
    let model = model(few_flows().remove(0), &device);
    let state = model.state(memory(&model, &[0, 1, 2], &device));
    let _ = model.step(state, &[1, 12, 13]);
}
