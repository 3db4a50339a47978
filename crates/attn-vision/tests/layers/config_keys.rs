//! Each key of each configuration changes what is computed, or its value is refused.

use attn_testing::{ConfigKeys, module_answer, tracked};
use attn_vision::{CbamConfig, GlimpseConfig, SqueezeExciteConfig};
use burn::tensor::Device;
use serde_json::json;

fn image(device: &Device) -> burn::tensor::Tensor<4> {
    tracked(11, [2, 8, 5, 7], device)
}

#[test]
fn each_key_of_each_layer_does_something() {
    ConfigKeys::of(&SqueezeExciteConfig::new(8).with_reduction(4))
        .refused("channels", [json!(4), json!(0)])
        .changes("reduction", [json!(2)])
        .refused("reduction", [json!(0), json!(16)])
        .check(|config| {
            module_answer(
                |device| config.init(device),
                |layer, device| layer.forward(image(device)),
            )
        });
    ConfigKeys::of(&CbamConfig { kernel: 3, ..CbamConfig::new(8).with_reduction(4) })
        .refused("channels", [json!(4), json!(0)])
        .changes("reduction", [json!(2)])
        .refused("reduction", [json!(0), json!(16)])
        .changes("kernel", [json!(5)])
        .refused("kernel", [json!(0), json!(2)])
        .check(|config| {
            module_answer(
                |device| config.init(device),
                |layer, device| layer.forward(image(device)),
            )
        });
    ConfigKeys::of(&GlimpseConfig::new(6, 3))
        .refused("d_state", [json!(5), json!(0)])
        .changes("size", [json!(2)])
        .refused("size", [json!(0)])
        .check(|config| {
            module_answer(
                |device| config.init(device),
                |glimpse, device| {
                    let state = tracked(12, [2, 6], device);
                    glimpse.window(state, [5, 7]).read(image(device))
                },
            )
        });
}
