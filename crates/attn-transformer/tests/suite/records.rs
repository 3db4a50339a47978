//! What a checkpoint holds: every parameter, once, under the name of its role.

use crate::support::{devices, ids, random_ids, rng, seeded, values};
use attn_core::Mask;
use attn_transformer::{
    Activation, BlockConfig, DecoderOnlyConfig, EncoderDecoder, EncoderDecoderConfig, NormOrder,
    PositionConfig, Tying,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

const VOCAB: usize = 9;

fn config() -> EncoderDecoderConfig {
    let block = BlockConfig {
        activation: Activation::SwiGlu,
        query_key_norm: true,
        kv_heads: Some(2),
        d_ff: Some(10),
        ..BlockConfig::new(12, 4)
    };
    EncoderDecoderConfig {
        encoder_layers: 1,
        decoder_layers: 1,
        positions: PositionConfig::Learned { max_len: 8 },
        ..EncoderDecoderConfig::new(VOCAB, VOCAB, block)
    }
}

fn names(module: &impl Module) -> Vec<String> {
    struct Names(Vec<String>, Vec<String>);
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }

        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.1.push(self.0.join("."));
        }
    }
    let mut names = Names(vec![], vec![]);
    module.visit(&mut names);
    names.1
}

fn logits(model: &EncoderDecoder, device: &Device) -> Vec<f32> {
    let mut rng = rng(15);
    let source = ids(&random_ids(&mut rng, [2, 5], VOCAB as u32), device);
    let target = ids(&random_ids(&mut rng, [2, 4], VOCAB as u32), device);
    values(&model.forward(source, &Mask::padding([5, 3]), target))
}

#[test]
fn a_model_loaded_from_a_record_is_the_model_saved() {
    for device in &devices() {
        let model = seeded(config().init(device), 16);
        let loaded = seeded(config().init(device), 17);
        assert_ne!(logits(&loaded, device), logits(&model, device));
        let bytes = model.clone().into_record().into_bytes().unwrap();
        let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
        let loaded = loaded.load_record(record);
        assert_eq!(logits(&loaded, device), logits(&model, device));
    }
}

/// The names are the format of checkpoints: a change here breaks those that exist.
#[test]
fn parameters_are_named_by_their_roles() {
    let attention = ["query", "key", "value", "output"]
        .iter()
        .flat_map(|role| [format!("{role}.weight"), format!("{role}.bias")])
        .chain(["norm_query.gamma".to_string(), "norm_key.gamma".to_string()]);
    let attention: Vec<String> = attention.collect();
    let feed_forward = ["gate", "up", "down"]
        .iter()
        .flat_map(|role| [format!("{role}.weight"), format!("{role}.bias")]);
    let feed_forward: Vec<String> = feed_forward.collect();
    let norm = vec!["gamma".to_string(), "beta".to_string()];
    let under = |owner: &str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{owner}.{name}")).collect()
    };
    let expected = [
        vec!["source_embedding.weight".to_string(), "target_embedding.weight".to_string()],
        vec!["source_input.learned".to_string(), "target_input.learned".to_string()],
        under("encoder.blocks.0.norm_attention", &norm),
        under("encoder.blocks.0.attention", &attention),
        under("encoder.blocks.0.norm_feed_forward", &norm),
        under("encoder.blocks.0.feed_forward", &feed_forward),
        under("encoder.norm", &norm),
        under("decoder.blocks.0.norm_attention", &norm),
        under("decoder.blocks.0.attention", &attention),
        under("decoder.blocks.0.norm_cross", &norm),
        under("decoder.blocks.0.cross", &attention),
        under("decoder.blocks.0.norm_feed_forward", &norm),
        under("decoder.blocks.0.feed_forward", &feed_forward),
        under("decoder.norm", &norm),
    ]
    .concat();
    assert_eq!(names(&config().init(&Device::flex())), expected);
}

#[test]
fn tied_tables_are_one_parameter() {
    let device = &Device::flex();
    let params = |tying| EncoderDecoderConfig { tying, ..config() }.init(device).num_params();
    let table = VOCAB * 12;
    assert_eq!(params(Tying::None), params(Tying::Target) + table);
    assert_eq!(params(Tying::Target), params(Tying::All) + table);

    let params = |tied| {
        let config = DecoderOnlyConfig::new(VOCAB, BlockConfig::new(12, 3));
        DecoderOnlyConfig { tied, ..config }.init(device).num_params()
    };
    assert_eq!(params(false), params(true) + table);
}

#[test]
fn a_stack_ends_in_a_norm_if_and_only_if_its_blocks_do_not() {
    let device = &Device::flex();
    for (norm_order, expected) in [(NormOrder::Pre, true), (NormOrder::Post, false)] {
        let mut config = config();
        config.block.norm_order = norm_order;
        let model = config.init(device);
        assert_eq!(model.encoder.norm.is_some(), expected);
        assert_eq!(model.decoder.norm.is_some(), expected);
    }
}

/// Embeddings at the input have features of unit variance, and tied logits do too, so that the
/// first loss is that of guessing: `ln(vocab)`, not hundreds. The mean of n draws of a variance is
/// off by `sqrt(2 / n)` of it; here n is at least 6000, and a factor of 1.5 is far outside.
#[test]
fn tied_models_begin_with_logits_of_unit_variance() {
    let device = &Device::flex();
    let (vocab, width) = (1000, 64);
    for tying in [Tying::None, Tying::Target, Tying::All] {
        let block = BlockConfig { dropout: 0.0, ..BlockConfig::new(width, 4) };
        let config = EncoderDecoderConfig {
            encoder_layers: 2,
            decoder_layers: 2,
            tying,
            ..EncoderDecoderConfig::new(vocab, vocab, block)
        };
        let model = config.init(device);
        let mut rng = rng(18);
        let source = ids(&random_ids(&mut rng, [2, 5], vocab as u32), device);
        let target = ids(&random_ids(&mut rng, [2, 3], vocab as u32), device);
        let logits = values(&model.forward(source, &Mask::open(), target));
        let mean_square = logits.iter().map(|x| x * x).sum::<f32>() / logits.len() as f32;
        assert!((1.0 / 1.5..1.5).contains(&mean_square), "{tying:?}: {mean_square}");
    }
}
