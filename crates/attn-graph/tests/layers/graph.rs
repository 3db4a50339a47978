//! Attention along the edges of a graph.

use attn_core::mechanism::MechanismError;
use attn_core::random;
use attn_graph::{
    CombineHeads, EdgeList, GatConfig, GatV2Config, Graph, GraphAttentionOutput, Segments,
    segment_softmax,
};
use attn_testing::{
    Sample, assert_close, check_gradients, check_module_gradients, devices, values, weights_of,
    with_weights,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

const NODES: usize = 8;
const D_INPUT: usize = 5;
const D_HEAD: usize = 3;
const HEADS: usize = 2;

/// Node 4 sees nobody, node 6 is seen by nobody, node 7 has no edge; the edge 1 → 3 is there twice.
fn edges() -> EdgeList {
    let sources = vec![1, 0, 2, 3, 1, 5, 6, 1, 0, 4, 2, 6];
    let targets = vec![3, 0, 3, 3, 0, 5, 2, 3, 5, 2, 6, 5];
    EdgeList::new(sources, targets, NODES).unwrap()
}

/// The two layers as one, for tests that hold for both.
trait Layer: Module {
    fn run(&self, features: Tensor<2>, graph: &Graph) -> GraphAttentionOutput;
}

impl Layer for attn_graph::Gat {
    fn run(&self, features: Tensor<2>, graph: &Graph) -> GraphAttentionOutput {
        self.forward_with_weights(features, graph)
    }
}

impl Layer for attn_graph::GatV2 {
    fn run(&self, features: Tensor<2>, graph: &Graph) -> GraphAttentionOutput {
        self.forward_with_weights(features, graph)
    }
}

fn gatv2(device: &Device) -> attn_graph::GatV2 {
    with_weights(GatV2Config::new(D_INPUT, D_HEAD, HEADS).init(device), 26)
}

fn features(seed: u64) -> Sample {
    Sample::random([1, 1, NODES, D_INPUT], seed).scaled(2.0)
}

fn nodes(sample: &Tensor<4>) -> Tensor<2> {
    let [_, _, nodes, width] = sample.dims();
    sample.clone().reshape([nodes, width])
}

fn leaky(x: f64) -> f64 {
    if x < 0.0 { 0.2 * x } else { x }
}

/// `x W` of one head, for a `W` of `[d_input, heads · d_head]`.
fn project(x: &[f64], w: &[f64], head: usize) -> Vec<f64> {
    (0..D_HEAD)
        .map(|d| (0..D_INPUT).map(|n| x[n] * w[n * HEADS * D_HEAD + head * D_HEAD + d]).sum())
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Dense attention: all pairs of nodes are scored, an edge that is listed n times counts n times.
/// Returns the features of concatenated heads.
fn dense(
    edges: &EdgeList,
    values: impl Fn(usize, usize) -> Vec<f64>,
    score: impl Fn(usize, usize, usize) -> f64,
) -> Vec<f64> {
    let mut count = [[0.0; NODES]; NODES];
    edges.iter().for_each(|(source, target)| count[target][source] += 1.0);
    let mut result = Vec::new();
    for (i, count) in count.iter().enumerate() {
        for head in 0..HEADS {
            let weights: Vec<f64> =
                (0..NODES).map(|j| count[j] * score(head, i, j).exp()).collect();
            let sum: f64 = weights.iter().sum();
            let mut context = vec![0.0; D_HEAD];
            if sum > 0.0 {
                for (j, weight) in weights.iter().enumerate() {
                    for (c, v) in context.iter_mut().zip(values(head, j)) {
                        *c += weight / sum * v;
                    }
                }
            }
            result.extend(context);
        }
    }
    result
}

/// What concatenated heads are when they are averaged.
fn averaged(concatenated: &[f64]) -> Vec<f64> {
    let node = |heads: &[f64]| -> Vec<f64> {
        (0..D_HEAD).map(|d| (heads[d] + heads[D_HEAD + d]) / 2.0).collect()
    };
    concatenated.chunks(HEADS * D_HEAD).flat_map(node).collect()
}

#[test]
fn gat_is_its_equation() {
    let x = features(1);
    for device in devices() {
        let graph = edges().to_device(&device);
        let config = GatConfig::new(D_INPUT, D_HEAD, HEADS);
        let layer = with_weights(config.init(&device), 20);
        let w = values(&layer.project.weight.val());
        let a = [&layer.score_target, &layer.score_source].map(|a| values(&a.val()));
        let value = |head, j| project(x.row(0, 0, j), &w, head);
        let expected = dense(&edges(), value, |head, i, j| {
            let of = |half: &[f64], node| dot(&half[head * D_HEAD..], &value(head, node));
            leaky(of(&a[0], i) + of(&a[1], j))
        });
        let found = layer.forward(nodes(&x.f32(&device)), &graph);
        // Sums of five products, one exponential, one average: each good to a few roundings.
        assert_close("gat", &values(&found), &expected, 2e-6);
        let mut mean = config.with_combine(CombineHeads::Mean).init(&device);
        let record = layer.clone();
        (mean.project, mean.score_target, mean.score_source) =
            (record.project, record.score_target, record.score_source);
        let found = mean.forward(nodes(&x.f32(&device)), &graph);
        assert_close("gat, mean", &values(&found), &averaged(&expected), 2e-6);
    }
}

#[test]
fn gatv2_is_its_equation() {
    let x = features(2);
    for device in devices() {
        let graph = edges().to_device(&device);
        let layer = gatv2(&device);
        let [target, source] =
            [&layer.target, &layer.source].map(|half| values(&half.weight.val()));
        let a = values(&layer.score.val());
        let value = |head, j| project(x.row(0, 0, j), &source, head);
        let expected = dense(&edges(), value, |head, i, j| {
            let query = project(x.row(0, 0, i), &target, head);
            let pair: Vec<f64> =
                query.iter().zip(value(head, j)).map(|(q, k)| leaky(q + k)).collect();
            dot(&a[head * D_HEAD..], &pair)
        });
        let found = layer.forward(nodes(&x.f32(&device)), &graph);
        assert_close("gatv2", &values(&found), &expected, 2e-6);
    }
}

/// Every node of GAT gives the first place among all nodes to the same one; not so in GATv2.
#[test]
fn only_gatv2_ranks_neighbors_by_query() {
    let device = Device::flex();
    let pairs = || (0..NODES).flat_map(|i| (0..NODES).map(move |j| (j, i)));
    let (sources, targets) = pairs().unzip();
    let graph = EdgeList::new(sources, targets, NODES).unwrap().to_device(&device);
    let favourites = |weights: Tensor<2>| {
        let weights = values(&weights);
        let favourite = |i: usize| {
            let row = &weights[i * NODES..][..NODES];
            (0..NODES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
        };
        (0..NODES).map(favourite).collect::<std::collections::HashSet<_>>().len()
    };
    // One-hot nodes. In GATv2, the parts of a pair cancel where its nodes are the same, and only a
    // part that is not cancelled counts against it.
    let one_hot = || Tensor::<2>::eye(NODES, &device);
    let gat = with_weights(GatConfig::new(NODES, D_HEAD, 1).init(&device), 23);
    assert_eq!(favourites(gat.forward_with_weights(one_hot(), &graph).weights), 1);
    let mut gatv2 = GatV2Config::new(NODES, NODES, 1).init(&device);
    gatv2.target.weight = burn::module::Param::from_tensor(one_hot() * 4.0);
    gatv2.source.weight = burn::module::Param::from_tensor(one_hot() * -4.0);
    gatv2.score = burn::module::Param::from_tensor(Tensor::ones([1, 1, NODES], &device) * -1.0);
    assert_eq!(favourites(gatv2.forward_with_weights(one_hot(), &graph).weights), NODES);
}

#[test]
fn weights_into_a_node_sum_to_one() {
    for device in devices() {
        let graph = edges().to_device(&device);
        let layer = gatv2(&device);
        let weights = layer.forward_with_weights(nodes(&features(3).f32(&device)), &graph).weights;
        assert_eq!(weights.dims(), [edges().len(), HEADS]);
        let targets: Vec<_> = edges().iter().map(|(_, target)| target).collect();
        let sums = Segments::new(&targets, NODES, &device).unwrap().sum(weights);
        let expected: Vec<f64> =
            (0..NODES).flat_map(|i| [f64::from(targets.contains(&i)); HEADS]).collect();
        // Four weights, each rounded.
        assert_close("sums", &values(&sums), &expected, 1e-6);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    // Sums of tens of smooth terms of about 1, differences of step 1e-5: errors of 1e-10, and of
    // 1e-16 / 1e-5 by rounding. Scores and pairs are not within 1e-5 of the kink at 0.
    let x = features(4);
    for dropout in [0.0, 0.4] {
        let config = GatConfig::new(D_INPUT, D_HEAD, HEADS).with_dropout(dropout);
        let init = |device: &Device| with_weights(config.init(device), 22);
        check_module_gradients("gat", init, std::slice::from_ref(&x), 1e-7, run);
        let config = GatV2Config::new(D_INPUT, D_HEAD, HEADS)
            .with_dropout(dropout)
            .with_combine(CombineHeads::Mean);
        let init = |device: &Device| with_weights(config.init(device), 22);
        check_module_gradients("gatv2", init, std::slice::from_ref(&x), 1e-7, run);
    }
}

fn run<L: Layer>(layer: &L, inputs: &[Tensor<4>]) -> Tensor<4> {
    random::seed(5);
    let graph = edges().to_device(&inputs[0].device());
    layer.run(nodes(&inputs[0]), &graph).features.unsqueeze()
}

#[test]
fn numbering_nodes_otherwise_changes_nothing_else() {
    let new_name = [3, 7, 0, 5, 1, 6, 2, 4];
    let x = features(6);
    let mut renamed = x.clone();
    for (old, &new) in new_name.iter().enumerate() {
        renamed.data[new * D_INPUT..][..D_INPUT].copy_from_slice(x.row(0, 0, old));
    }
    let (sources, targets) =
        edges().iter().map(|(source, target)| (new_name[source], new_name[target])).unzip();
    let moved = EdgeList::new(sources, targets, NODES).unwrap();
    for device in devices() {
        let gat = with_weights(GatConfig::new(D_INPUT, D_HEAD, HEADS).init(&device), 21);
        let gatv2 = gatv2(&device);
        check(&gat, &x, &renamed, &moved, &new_name, &device);
        check(&gatv2, &x, &renamed, &moved, &new_name, &device);
    }

    fn check(
        layer: &impl Layer,
        x: &Sample,
        renamed: &Sample,
        moved: &EdgeList,
        new_name: &[usize],
        device: &Device,
    ) {
        let found = layer.run(nodes(&renamed.f32(device)), &moved.to_device(device));
        let expected = layer.run(nodes(&x.f32(device)), &edges().to_device(device));
        // Edges are as they were, so that their weights are, up to the order in a matrix product.
        assert_close("weights", &values(&found.weights), &values(&expected.weights), 1e-6);
        let (found, expected) = (values(&found.features), values(&expected.features));
        let width = HEADS * D_HEAD;
        for (old, new) in new_name.iter().enumerate() {
            let node = |of: &[f64], node: usize| of[node * width..][..width].to_vec();
            assert_close("features", &node(&found, *new), &node(&expected, old), 1e-6);
        }
    }
}

#[test]
fn the_law_holds() {
    fn check(init: impl Fn(&Device) -> Box<dyn Fn(&Sample, &EdgeList) -> Answer>) {
        for device in devices() {
            let answer = init(&device.autodiff());
            let clean = answer(&features(7), &edges());
            let again = answer(&features(7), &edges());
            assert!(clean == again, "another answer the second time");
            let width = HEADS * D_HEAD;
            // Nodes 1, 4 and 7 have no edge into them.
            for blind in [1, 4, 7] {
                assert_eq!(clean.features[blind * width..][..width], [0.0; 6], "blind {blind}");
            }
            assert_eq!(clean.d_features[7 * D_INPUT..][..D_INPUT], [0.0; D_INPUT]);
            for gradient in [&clean.d_features, &clean.d_weights] {
                assert!(gradient.iter().all(|x| x.is_finite()));
            }

            // Node 7 has no edge.
            let mut poisoned = features(7);
            poisoned.data[7 * D_INPUT + 1] = f64::NAN;
            poisoned.data[7 * D_INPUT + 2] = f64::INFINITY;
            assert!(answer(&poisoned, &edges()) == clean, "what nobody sees leaks");

            // Node 1 is seen by 0 and 3.
            let mut poisoned = features(7);
            poisoned.data[D_INPUT + 3] = f64::NEG_INFINITY;
            let found = answer(&poisoned, &edges()).features;
            for node in 0..NODES {
                let (found, clean) =
                    (&found[node * width..][..width], &clean.features[node * width..][..width]);
                if [0, 3].contains(&node) {
                    assert!(found.iter().all(|x| x.is_nan()), "node {node} does not see node 1");
                } else {
                    assert_eq!(found, clean, "node {node} sees node 1");
                }
            }

            let lonely = EdgeList::new(vec![], vec![], NODES).unwrap();
            let found = answer(&features(7), &lonely);
            assert_eq!(found.features, [0.0; NODES * 6]);
            assert!(found.d_features.iter().chain(&found.d_weights).all(|&x| x == 0.0));
        }
    }

    #[derive(PartialEq)]
    struct Answer {
        features: Vec<f64>,
        d_features: Vec<f64>,
        d_weights: Vec<f64>,
    }

    fn answer(layer: &impl Layer, x: &Sample, edges: &EdgeList, device: &Device) -> Answer {
        random::seed(3);
        let leaf = x.f32(device).require_grad();
        let found = layer.run(nodes(&leaf), &edges.to_device(device)).features;
        let upstream = Sample::random([1, 1, NODES, HEADS * D_HEAD], 8).f32(device);
        let gradients = (found.clone() * nodes(&upstream)).sum().backward();
        let zeros = || vec![0.0; x.data.len()];
        Answer {
            features: values(&found),
            d_features: leaf.grad(&gradients).map_or_else(zeros, |gradient| values(&gradient)),
            d_weights: weights_of(layer, Some(&gradients)),
        }
    }

    check(|device| {
        let config = GatConfig::new(D_INPUT, D_HEAD, HEADS);
        let (layer, device) = (with_weights(config.init(device), 24), device.clone());
        Box::new(move |x, edges| answer(&layer, x, edges, &device))
    });
    check(|device| {
        let config = GatV2Config::new(D_INPUT, D_HEAD, HEADS).with_dropout(0.3);
        let (layer, device) = (with_weights(config.init(device), 25), device.clone());
        Box::new(move |x, edges| answer(&layer, x, edges, &device))
    });
}

/// Segment ids of 9 elements in no order; segments 1 and 4 are empty.
const IDS: [usize; 9] = [3, 0, 3, 2, 0, 3, 3, 0, 3];

#[test]
fn segment_softmax_is_its_equation() {
    let scores = Sample::random([1, 1, IDS.len(), HEADS], 9).scaled(4.0);
    let mut expected = scores.clone();
    for (e, id) in IDS.iter().enumerate() {
        for head in 0..HEADS {
            let of = |e: usize| scores.data[e * HEADS + head].exp();
            let sum: f64 = (0..IDS.len()).filter(|&f| IDS[f] == *id).map(of).sum();
            expected.data[e * HEADS + head] = of(e) / sum;
        }
    }
    for device in devices() {
        let segments = Segments::new(&IDS, 5, &device).unwrap();
        let found = segment_softmax(nodes(&scores.f32(&device)), &segments);
        assert_close("softmax", &values(&found), &expected.data, 1e-6);
    }
    // Smooth, with derivatives below 1: off by step² = 1e-10, and 1e-16 / 1e-5 by rounding.
    check_gradients("segment softmax", &[scores], 1e-7, |inputs| {
        let segments = Segments::new(&IDS, 5, &inputs[0].device()).unwrap();
        segment_softmax(nodes(&inputs[0]), &segments).unsqueeze()
    });
}

/// Segments of all lengths around powers of two: the largest of each is found wherever it is.
#[test]
fn no_segment_overflows_or_vanishes() {
    let ids: Vec<usize> =
        (0..10_usize).flat_map(|length| std::iter::repeat_n(length, length)).collect();
    for device in devices() {
        let segments = Segments::new(&ids, 10, &device).unwrap();
        for largest in 0..9 {
            // Segments are far from each other and far from 0; one element leads its segment.
            let mut position = [0; 10];
            let scores: Vec<f32> = ids
                .iter()
                .map(|&id| {
                    position[id] += 1;
                    let base = if id % 2 == 0 { -1e4 } else { 1e4 } * id as f32;
                    base + if position[id] - 1 == largest.min(id - 1) { 2e3 } else { 0.0 }
                })
                .collect();
            let scores = Tensor::<1>::from_data(&scores[..], &device).unsqueeze_dim(1);
            let sums = segments.sum(segment_softmax(scores, &segments));
            let expected: Vec<f64> = (0..10).map(|id| f64::from(id > 0)).collect();
            assert_eq!(values(&sums), expected, "the largest at {largest}");
        }
    }
}

#[test]
fn a_score_that_is_not_finite_breaks_its_segment_and_head_only() {
    let clean = Sample::random([1, 1, IDS.len(), HEADS], 10);
    for device in devices() {
        let segments = Segments::new(&IDS, 5, &device).unwrap();
        let expected = values(&segment_softmax(nodes(&clean.f32(&device)), &segments));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut scores = clean.clone();
            scores.data[4 * HEADS + 1] = bad;
            let found = values(&segment_softmax(nodes(&scores.f32(&device)), &segments));
            for n in 0..found.len() {
                if IDS[n / HEADS] == 0 && n % HEADS == 1 {
                    assert!(found[n].is_nan(), "{bad}: element {n}");
                } else {
                    assert_eq!(found[n], expected[n], "{bad}: element {n}");
                }
            }
        }
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    let huge = 1_usize << 62;
    for result in [GatConfig::new(1, huge, 4).validate(), GatV2Config::new(1, 4, huge).validate()] {
        assert!(matches!(result, Err(MechanismError::Uncountable { .. })), "{result:?}");
    }
}
