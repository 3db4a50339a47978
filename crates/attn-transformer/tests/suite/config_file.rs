//! Configurations as JSON files: old ones load, wrong ones say where and what.

use attn_core::mechanism::AttentionConfig;
use attn_transformer::config::ValueError;
use attn_transformer::{
    Activation, BlockConfig, ConfigError, ConfigFileError, DecoderOnlyConfig, EncoderDecoderConfig,
    EncoderOnlyConfig, FrequencyScaling, MechanismConfig, MultiHeadAttentionConfig, NormKind,
    NormOrder, Pairing, PositionConfig, RotaryConfig, Tying,
};
use std::fs;
use tempfile::TempDir;

fn config() -> EncoderDecoderConfig {
    EncoderDecoderConfig {
        encoder_layers: 3,
        positions: PositionConfig::Rotary(RotaryConfig {
            base: 5e5,
            pairing: Pairing::Interleaved,
            scaling: Some(FrequencyScaling::Yarn {
                factor: 4.0,
                original_len: 100,
                beta_fast: 32.0,
                beta_slow: 1.0,
            }),
        }),
        tying: Tying::None,
        ..EncoderDecoderConfig::new(
            31,
            37,
            BlockConfig {
                kv_heads: Some(2),
                d_head: Some(10),
                d_ff: Some(100),
                activation: Activation::SwiGlu,
                norm: NormKind::Rms,
                norm_order: NormOrder::Post,
                ..BlockConfig::new(24, 4)
            }
            .with_softcap(30.0),
        )
    }
}

/// Loads an encoder–decoder configuration from `json`.
fn load(json: &str) -> Result<EncoderDecoderConfig, ConfigFileError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, json).unwrap();
    EncoderDecoderConfig::load(&path)
}

#[test]
fn a_configuration_survives_its_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    config().save(&path).unwrap();
    assert_eq!(EncoderDecoderConfig::load(&path).unwrap(), config());

    let reader = EncoderOnlyConfig::new(5, BlockConfig::new(8, 2));
    reader.save(&path).unwrap();
    assert_eq!(EncoderOnlyConfig::load(&path).unwrap(), reader);

    let writer = DecoderOnlyConfig::new(5, BlockConfig::new(8, 2));
    writer.save(&path).unwrap();
    assert_eq!(DecoderOnlyConfig::load(&path).unwrap(), writer);

    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [path], "nothing is left beside the file");
}

#[test]
fn a_key_that_is_missing_takes_its_default() {
    let json = r#"{"source_vocab": 31, "target_vocab": 37, "block": {"d_model": 24, "heads": 4}}"#;
    let expected = EncoderDecoderConfig::new(31, 37, BlockConfig::new(24, 4));
    assert_eq!(load(json).unwrap(), expected);

    let json = r#"{"vocab": 5, "block": {"d_model": 24, "heads": 4}}"#;
    let expected = DecoderOnlyConfig::new(5, BlockConfig::new(24, 4));
    assert_eq!(serde_json::from_str::<DecoderOnlyConfig>(json).unwrap(), expected);
    let expected = EncoderOnlyConfig::new(5, BlockConfig::new(24, 4));
    assert_eq!(serde_json::from_str::<EncoderOnlyConfig>(json).unwrap(), expected);
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    let error = load("{\n  \"source_vocab\": 31,\n  \"layers\": 3\n}").unwrap_err();
    let message = error.to_string();
    assert!(message.contains("config.json: layers, line 3: "), "{message}");
    assert!(message.contains("unknown field `layers`, expected one of"), "{message}");

    let nested = r#"{"source_vocab": 3, "target_vocab": 3, "block": {"d_model": 24, "head": 4}}"#;
    let message = load(nested).unwrap_err().to_string();
    assert!(message.contains("unknown field `head`"), "{message}");
}

#[test]
fn a_required_key_that_is_missing_and_a_wrong_type_are_named() {
    let message = load(r#"{"source_vocab": 3}"#).unwrap_err().to_string();
    assert!(message.contains("missing field `target_vocab`"), "{message}");
    let message = load("{\"source_vocab\": \"three\"}").unwrap_err().to_string();
    assert!(
        message.contains("config.json: source_vocab, line 1: invalid type: string \"three\""),
        "{message}"
    );
    let message = load("{\"source_vocab\": 3").unwrap_err().to_string();
    assert!(message.contains("line 1, column 18: EOF while parsing an object"), "{message}");
}

#[test]
fn a_file_that_describes_no_model_is_refused_with_key_and_value() {
    let json = r#"{"source_vocab": 31, "target_vocab": 37, "block": {"d_model": 25, "heads": 4}}"#;
    let error = load(json).unwrap_err();
    assert!(error.to_string().ends_with("config.json is not a valid configuration"), "{error}");
    let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source, ConfigError::UnevenHeads { d_model: 25, heads: 4 });
    assert_eq!(source.to_string(), "d_model = 25 does not split into heads = 4 equal parts");
}

#[test]
fn a_file_of_a_later_version_is_refused_for_its_version() {
    let error = load(r#"{"version": 2, "a_key_of_version_2": true}"#).unwrap_err();
    let ConfigFileError::Invalid { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "version 2 is unknown, this build reads 1 to 1");
}

#[test]
fn what_describes_no_model_is_refused() {
    use ConfigError::*;
    let zero = |key| Value(ValueError::Zero { key });
    let probability = |key, value| Value(ValueError::Probability { key, value });
    let not_positive = |key, value| Value(ValueError::NotPositive { key, value });
    fn block(change: impl FnOnce(&mut BlockConfig)) -> EncoderDecoderConfig {
        let mut config = config();
        change(&mut config.block);
        config
    }
    let rotary =
        |rotary| EncoderDecoderConfig { positions: PositionConfig::Rotary(rotary), ..config() };
    let scaled = |scaling| rotary(RotaryConfig { scaling: Some(scaling), ..Default::default() });
    let cases = [
        (
            EncoderDecoderConfig { version: 0, ..config() },
            Value(ValueError::Version { version: 0, newest: 1 }),
        ),
        (EncoderDecoderConfig { source_vocab: 0, ..config() }, zero("source_vocab")),
        (EncoderDecoderConfig { target_vocab: 0, ..config() }, zero("target_vocab")),
        (EncoderDecoderConfig { encoder_layers: 0, ..config() }, zero("encoder_layers")),
        (EncoderDecoderConfig { decoder_layers: 0, ..config() }, zero("decoder_layers")),
        (
            EncoderDecoderConfig { tying: Tying::All, ..config() },
            TiedVocabularies { source_vocab: 31, target_vocab: 37 },
        ),
        (
            EncoderDecoderConfig { positions: PositionConfig::Learned { max_len: 0 }, ..config() },
            zero("max_len"),
        ),
        (block(|block| block.d_model = 0), zero("d_model")),
        (block(|block| block.heads = 0), zero("heads")),
        (block(|block| block.kv_heads = Some(0)), zero("kv_heads")),
        (block(|block| block.kv_heads = Some(3)), UnevenGroups { heads: 4, kv_heads: 3 }),
        (block(|block| block.d_head = Some(0)), zero("d_head")),
        (block(|block| block.d_head = Some(5)), OddRotary { d_head: 5 }),
        (block(|block| block.d_ff = Some(0)), zero("d_ff")),
        (block(|block| block.norm_epsilon = 0.0), not_positive("norm_epsilon", 0.0)),
        (block(|block| block.dropout = 1.0), probability("dropout", 1.0)),
        (block(|block| block.feed_forward_dropout = 2.0), probability("feed_forward_dropout", 2.0)),
        (
            rotary(RotaryConfig { base: f64::INFINITY, ..Default::default() }),
            not_positive("base", f64::INFINITY),
        ),
        (scaled(FrequencyScaling::Linear { factor: 0.0 }), not_positive("factor", 0.0)),
        (
            scaled(FrequencyScaling::Llama3 {
                factor: 8.0,
                low_frequency_factor: 4.0,
                high_frequency_factor: 4.0,
                original_len: 10,
            }),
            Disordered {
                low_key: "low_frequency_factor",
                low: 4.0,
                high_key: "high_frequency_factor",
                high: 4.0,
            },
        ),
        (
            scaled(FrequencyScaling::Yarn {
                factor: 8.0,
                original_len: 0,
                beta_fast: 32.0,
                beta_slow: 1.0,
            }),
            zero("original_len"),
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(config.validate(), Err(expected), "{config:?}");
    }
    let mut odd = EncoderDecoderConfig::new(5, 5, BlockConfig::new(9, 3));
    assert_eq!(odd.validate(), Err(OddSinusoidal { d_model: 9 }));
    odd.block.dropout = f64::NAN;
    assert!(matches!(odd.validate(), Err(Value(ValueError::Probability { key: "dropout", .. }))));
}

/// As version 0.1 wrote it, with a soft-cap and the dropout of attention weights beside the mechanism.
const EARLIER: &str = r#"{
  "version": 1, "source_vocab": 31, "target_vocab": 37, "encoder_layers": 3, "decoder_layers": 6,
  "block": {
    "d_model": 24, "heads": 4, "kv_heads": 2, "d_head": 10, "d_ff": 100, "activation": "swi_glu",
    "bias": true, "norm": "rms", "norm_epsilon": 1e-5, "norm_order": "post", "query_key_norm": false,
    "softcap": 30.0, "dropout": 0.1, "attention_dropout": 0.2, "feed_forward_dropout": 0.0,
    "mechanism": null
  },
  "positions": { "learned": { "max_len": 8 } }, "tying": "none", "scaled_embeddings": true
}"#;

#[test]
fn a_file_of_an_earlier_version_loads_to_the_same_model() {
    let loaded = load(EARLIER).unwrap();
    assert_eq!(
        loaded.block,
        BlockConfig {
            kv_heads: Some(2),
            d_head: Some(10),
            d_ff: Some(100),
            activation: Activation::SwiGlu,
            norm: NormKind::Rms,
            norm_order: NormOrder::Post,
            ..BlockConfig::new(24, 4)
        }
        .with_softcap(30.0)
        .with_attention_dropout(0.2)
    );
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    loaded.save(&path).unwrap();
    assert_eq!(EncoderDecoderConfig::load(&path).unwrap(), loaded, "it is written as it is today");

    let layer =
        r#"{"d_model": 24, "heads": 4, "softcap": 30.0, "dropout": 0.2, "mechanism": null}"#;
    let layer: MultiHeadAttentionConfig = serde_json::from_str(layer).unwrap();
    let capped = AttentionConfig::new().with_softcap(30.0).with_dropout(0.2);
    let expected = MultiHeadAttentionConfig::new(24, 4);
    assert_eq!(layer, expected.with_mechanism(MechanismConfig::Attention(capped)));
}

#[test]
fn an_earlier_key_that_the_mechanism_cannot_take_is_named() {
    let message = |keys: &str| {
        let json = format!(r#"{{"vocab": 5, "block": {{"d_model": 24, "heads": 4, {keys}}}}}"#);
        serde_json::from_str::<DecoderOnlyConfig>(&json).unwrap_err().to_string()
    };
    let retention = r#""mechanism": {"name": "retention"}"#;
    let found = message(&format!(r#"{retention}, "softcap": 30.0"#));
    assert!(
        found.starts_with("softcap is given, but the mechanism is not \"attention\""),
        "{found}"
    );
    let found = message(&format!(r#"{retention}, "attention_dropout": 0.1"#));
    assert!(found.starts_with("attention_dropout is given, but the mechanism"), "{found}");
    let capped = r#""mechanism": {"name": "attention", "softcap": 20.0}"#;
    let found = message(&format!(r#"{capped}, "softcap": 30.0"#));
    assert!(found.starts_with("softcap is given twice"), "{found}");
    let json = format!(
        r#"{{"d_model": 24, "heads": 4, {retention}, "attention_dropout": 0.0, "softcap": null}}"#
    );
    assert!(serde_json::from_str::<BlockConfig>(&json).is_ok(), "what is not given is not refused");
}
