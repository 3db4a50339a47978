//! Text files, tokens, batches, losses and metrics, through the public interface.
//!
//! One binary, since each links all of burn.

mod accuracy;
mod batches;
mod cross_entropy;
mod plan;
mod python;
mod readers;
mod sacrebleu;
mod tokenizer_files;
mod tokenizer_properties;

use burn::tensor::Device;

/// The devices of the tests.
#[allow(deprecated)] // ndarray is on its way out upstream, but still the default here.
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}
