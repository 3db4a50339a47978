//! Every parameter learns, and dropout acts in training alone.

use crate::support::{devices, floats, ids, random_ids, rng, seeded, values};
use attn_core::{Mask, random};
use attn_transformer::{
    Activation, BlockConfig, DecoderOnlyConfig, EncoderDecoderConfig, EncoderOnlyConfig, Layout,
    NormKind, NormOrder, PositionConfig, RotaryConfig, Tying,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};

const VOCAB: u32 = 7;

/// Names the parameters without a gradient, or with one that is zero throughout.
struct Audit<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    idle: Vec<String>,
}

impl ModuleVisitor for Audit<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients);
        if !gradient.is_some_and(|gradient| values(&gradient).iter().any(|&value| value != 0.0)) {
            self.idle.push(self.path.join("."));
        }
    }
}

fn idle(module: &impl Module, output: Tensor<3>) -> Vec<String> {
    // A plain sum would leave the parameters before a norm without gradient.
    let probe = floats(&mut rng(12), output.dims(), &output.device());
    let gradients = (output * probe).sum().backward();
    let mut audit = Audit { gradients: &gradients, path: vec![], idle: vec![] };
    module.visit(&mut audit);
    audit.idle
}

/// Blocks with all that a block can have, and then without.
fn blocks() -> Vec<BlockConfig> {
    let full = BlockConfig {
        kv_heads: Some(2),
        d_head: Some(6),
        query_key_norm: true,
        ..BlockConfig::new(12, 4)
    }
    .with_softcap(5.0);
    let activations = [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Glu,
        Activation::ReGlu,
        Activation::GeGlu,
        Activation::GeGluTanh,
        Activation::SwiGlu,
    ];
    let orders = [NormOrder::Pre, NormOrder::Post].into_iter().cycle();
    let kinds = [NormKind::Layer, NormKind::Layer, NormKind::Rms].into_iter().cycle();
    let mut blocks: Vec<BlockConfig> = activations
        .into_iter()
        .zip(orders.zip(kinds))
        .map(|(activation, (norm_order, norm))| BlockConfig {
            activation,
            norm_order,
            norm,
            ..full.clone()
        })
        .collect();
    blocks.push(BlockConfig { bias: false, ..BlockConfig::new(12, 3) });
    blocks
}

fn rotary() -> PositionConfig {
    PositionConfig::Rotary(RotaryConfig::default())
}

#[test]
fn every_parameter_of_an_encoder_decoder_receives_a_gradient() {
    for device in devices().map(Device::autodiff) {
        let mut rng = rng(13);
        let source = ids(&random_ids(&mut rng, [3, 5], VOCAB), &device);
        let target = ids(&random_ids(&mut rng, [3, 6], VOCAB), &device);
        let positions = [PositionConfig::Learned { max_len: 6 }, rotary()].into_iter().cycle();
        let tyings = [Tying::None, Tying::Target, Tying::All].into_iter().cycle();
        for (block, (positions, tying)) in blocks().into_iter().zip(positions.zip(tyings)) {
            let config = EncoderDecoderConfig {
                encoder_layers: 2,
                decoder_layers: 2,
                positions,
                tying,
                ..EncoderDecoderConfig::new(VOCAB as usize, VOCAB as usize, block)
            };
            let model = seeded(config.init(&device), 14);
            let logits = model.forward(source.clone(), &Mask::padding([5, 4, 2]), target.clone());
            let idle = idle(&model, logits);
            // The source has five steps, so the sixth position of its table is of no use; that
            // leaves the others. A bias of all keys changes all scores of a query alike, which
            // softmax ignores: its gradient is zero but for rounding.
            assert!(idle.iter().all(|path| path.ends_with("key.bias")), "{idle:?} in {config:?}");
        }
    }
}

#[test]
fn every_parameter_of_one_stack_receives_a_gradient() {
    for device in devices().map(Device::autodiff) {
        let tokens = ids(&random_ids(&mut rng(13), [3, 6], VOCAB), &device);
        for block in blocks() {
            let vocab = VOCAB as usize;
            let reader = EncoderOnlyConfig::new(vocab, block.clone());
            let reader = seeded(EncoderOnlyConfig { layers: 2, ..reader }.init(&device), 14);
            let layout = Mask::padding([6, 4, 2]).into();
            let of_reader = idle(&reader, reader.forward(tokens.clone(), &layout));
            assert!(of_reader.iter().all(|path| path.ends_with("key.bias")), "{of_reader:?}");

            let writer = DecoderOnlyConfig { tied: false, ..DecoderOnlyConfig::new(vocab, block) };
            let writer = seeded(DecoderOnlyConfig { layers: 2, ..writer }.init(&device), 14);
            let logits = writer.forward(tokens.clone(), &Layout::causal(), None);
            assert_eq!(idle(&writer, logits), Vec::<String>::new());
        }
    }
}

#[test]
fn dropout_acts_in_training_alone_and_by_the_seed() {
    for device in devices().map(Device::autodiff) {
        let tokens = ids(&random_ids(&mut rng(13), [3, 6], VOCAB), &device);
        let plain =
            ids(&random_ids(&mut rng(13), [3, 6], VOCAB), &device.clone().without_autodiff());
        for only in 0..3 {
            let prob = |which| if only == which { 0.5 } else { 0.0 };
            let block = BlockConfig {
                dropout: prob(0),
                feed_forward_dropout: prob(2),
                ..BlockConfig::new(12, 3)
            }
            .with_attention_dropout(prob(1));
            let model = seeded(DecoderOnlyConfig::new(VOCAB as usize, block).init(&device), 14);
            let run = |seed| {
                random::seed(seed);
                values(&model.forward(tokens.clone(), &Layout::causal(), None))
            };
            assert_eq!(run(1), run(1));
            assert_ne!(run(1), run(2));

            let valid = model.valid();
            let run = |seed| {
                random::seed(seed);
                values(&valid.forward(plain.clone(), &Layout::causal(), None))
            };
            assert_eq!(run(1), run(2));
        }
    }
}
