//! Each key of each configuration changes what is computed, or its value is refused.

use attn_graph::{EdgeList, GatConfig, GatV2Config, Graph};
use attn_testing::{ConfigKeys, module_answer, tracked};
use burn::tensor::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

fn graph(device: &Device) -> Graph {
    let edges = EdgeList::new(vec![0, 1, 2, 3, 1, 4, 4], vec![1, 2, 0, 2, 0, 4, 0], 5);
    edges.expect("a graph").to_device(device)
}

/// Of both, around 3 heads of width 2 on 4 features.
fn keys<C: Serialize + DeserializeOwned>(base: &C) -> ConfigKeys<C> {
    ConfigKeys::of(base)
        .refused("d_input", [json!(5), json!(0)])
        .changes("d_head", [json!(3)])
        .refused("d_head", [json!(0)])
        .changes("heads", [json!(2)])
        .refused("heads", [json!(0)])
        .changes("combine", [json!("mean")])
        .changes("negative_slope", [json!(0.5), json!(0.0)])
        .changes("dropout", [json!(0.25), json!(0.5)])
        .refused("dropout", [json!(1.0)])
}

#[test]
fn each_key_of_each_layer_does_something() {
    let features = |device: &Device| {
        attn_core::random::seed(3);
        tracked(11, [5, 4], device)
    };
    keys(&GatConfig::new(4, 2, 3)).check(|config| {
        module_answer(
            |device| config.init(device),
            |layer, device| layer.forward(features(device), &graph(device)),
        )
    });
    keys(&GatV2Config::new(4, 2, 3)).check(|config| {
        module_answer(
            |device| config.init(device),
            |layer, device| layer.forward(features(device), &graph(device)),
        )
    });
}
