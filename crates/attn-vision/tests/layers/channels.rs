//! Gates of channels and places.

use attn_testing::{Sample, assert_close, check_module_gradients, devices, values, with_weights};
use attn_vision::{Cbam, CbamConfig, SqueezeExcite, SqueezeExciteConfig};
use burn::tensor::{Device, Tensor};

const BATCH: usize = 2;
const CHANNELS: usize = 6;
const REDUCTION: usize = 3;
const HEIGHT: usize = 4;
const WIDTH: usize = 5;

fn squeeze_excite(device: &Device) -> SqueezeExcite {
    let config = SqueezeExciteConfig::new(CHANNELS).with_reduction(REDUCTION);
    with_weights(config.init(device), 20)
}

fn cbam(kernel: usize, device: &Device) -> Cbam {
    let config = CbamConfig::new(CHANNELS).with_reduction(REDUCTION).with_kernel(kernel);
    with_weights(config.init(device), 21)
}

fn image(seed: u64) -> Sample {
    Sample::random([BATCH, CHANNELS, HEIGHT, WIDTH], seed).scaled(2.0)
}

/// All pixels of a channel.
fn pixels(image: &Sample, b: usize, c: usize) -> &[f64] {
    &image.data[(b * CHANNELS + c) * HEIGHT * WIDTH..][..HEIGHT * WIDTH]
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn max(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// `x W`, for a `W` of `[inputs, outputs]`.
fn linear(x: &[f64], w: &[f64]) -> Vec<f64> {
    let outputs = w.len() / x.len();
    (0..outputs).map(|o| (0..x.len()).map(|i| x[i] * w[i * outputs + o]).sum()).collect()
}

fn mlp(x: &[f64], reduce: &[f64], restore: &[f64]) -> Vec<f64> {
    let hidden: Vec<f64> = linear(x, reduce).into_iter().map(|x| x.max(0.0)).collect();
    linear(&hidden, restore)
}

#[test]
fn squeeze_and_excitation_is_its_equation() {
    let image = image(1);
    for device in devices() {
        let block = squeeze_excite(&device);
        let [reduce, restore] = [&block.reduce, &block.restore].map(|w| values(&w.weight.val()));
        let (mut gates, mut features) = (Vec::new(), Vec::new());
        for b in 0..BATCH {
            let means: Vec<f64> = (0..CHANNELS).map(|c| mean(pixels(&image, b, c))).collect();
            for (c, gate) in mlp(&means, &reduce, &restore).into_iter().map(sigmoid).enumerate() {
                gates.push(gate);
                features.extend(pixels(&image, b, c).iter().map(|x| gate * x));
            }
        }
        let found = block.forward_with_gates(image.f32(&device));
        // Sums of at most twenty numbers of about 1.
        assert_close("gates", &values(&found.gates), &gates, 2e-6);
        assert_close("features", &values(&found.features), &features, 2e-6);
    }
}

#[test]
fn cbam_is_its_equation() {
    let image = image(2);
    let cases = [1, 3, 7].into_iter().flat_map(|k| devices().into_iter().map(move |d| (k, d)));
    for (kernel, device) in cases {
        let block = cbam(kernel, &device);
        let [reduce, restore] = [&block.reduce, &block.restore].map(|w| values(&w.weight.val()));
        let places = values(&block.places.weight.val()); // [1, 2, kernel, kernel]
        let (mut by_channel, mut by_place, mut features) = (Vec::new(), Vec::new(), Vec::new());
        for b in 0..BATCH {
            let pooled = |of: fn(&[f64]) -> f64| -> Vec<f64> {
                (0..CHANNELS).map(|c| of(pixels(&image, b, c))).collect()
            };
            let [means, maxima] =
                [mean, max].map(|of: fn(&[f64]) -> f64| mlp(&pooled(of), &reduce, &restore));
            let gates: Vec<f64> =
                means.iter().zip(&maxima).map(|(mean, max)| sigmoid(mean + max)).collect();
            let gated = |c: usize, y: usize, x: usize| gates[c] * image.row(b, c, y)[x];
            let column = |y: usize, x: usize| -> Vec<f64> {
                (0..CHANNELS).map(|c| gated(c, y, x)).collect()
            };
            let mut map = Vec::new();
            for y in 0..HEIGHT {
                for x in 0..WIDTH {
                    let mut sum = 0.0;
                    for v in 0..kernel {
                        for u in 0..kernel {
                            // Beyond the border there are zeros.
                            let (Some(y), Some(x)) =
                                ((y + v).checked_sub(kernel / 2), (x + u).checked_sub(kernel / 2))
                            else {
                                continue;
                            };
                            if y < HEIGHT && x < WIDTH {
                                let column = column(y, x);
                                sum += places[v * kernel + u] * mean(&column);
                                sum += places[(kernel + v) * kernel + u] * max(&column);
                            }
                        }
                    }
                    map.push(sigmoid(sum));
                }
            }
            for c in 0..CHANNELS {
                for y in 0..HEIGHT {
                    features.extend((0..WIDTH).map(|x| map[y * WIDTH + x] * gated(c, y, x)));
                }
            }
            by_channel.extend(gates);
            by_place.extend(map);
        }
        let found = block.forward_with_maps(image.f32(&device));
        assert_eq!(found.places.dims(), [BATCH, HEIGHT, WIDTH]);
        // Sums of at most 98 numbers of about 1, times weights of at most 1.
        assert_close("channels", &values(&found.channels), &by_channel, 5e-6);
        assert_close("places", &values(&found.places), &by_place, 5e-6);
        assert_close("features", &values(&found.features), &features, 5e-6);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    // No two pixels, and no two channels of a place, are within 1e-5 of being the largest, nor is a
    // hidden unit within 1e-5 of 0; else smooth, with derivatives of about 1.
    check_module_gradients(
        "squeeze and excitation",
        squeeze_excite,
        &[image(3)],
        1e-7,
        |block, inputs| block.forward(inputs[0].clone()),
    );
    check_module_gradients(
        "cbam",
        |device| cbam(3, device),
        &[image(4)],
        1e-7,
        |block, inputs| block.forward(inputs[0].clone()),
    );
}

/// Where pixels go, their gates go too: a channel's gate does not know of places.
#[test]
fn moving_pixels_moves_the_answer_of_squeeze_and_excitation() {
    for device in devices() {
        let block = squeeze_excite(&device);
        let image = image(5).f32(&device);
        let found = block.forward(image.clone().flip([2, 3]));
        let expected = block.forward(image).flip([2, 3]);
        // Means are sums in another order.
        assert_close("flipped", &values(&found), &values(&expected), 1e-6);
    }
}

/// Gates do not turn signs, and take nothing to more than it was.
#[test]
fn gates_are_between_zero_and_one() {
    for device in devices() {
        let image = image(6).f32(&device);
        let se = squeeze_excite(&device);
        let both = cbam(3, &device);
        let excited = se.forward_with_gates(image.clone());
        let refined = both.forward_with_maps(image);
        for gates in [values(&excited.gates), values(&refined.channels), values(&refined.places)] {
            assert!(gates.iter().all(|gate| (0.0..=1.0).contains(gate)), "{gates:?}");
        }
    }
}

#[test]
fn images_of_a_batch_do_not_mix() {
    for device in devices() {
        let se = squeeze_excite(&device);
        let both = cbam(3, &device);
        let forwards: [&dyn Fn(Tensor<4>) -> Tensor<4>; 2] =
            [&|image| se.forward(image), &|image| both.forward(image)];
        for forward in forwards {
            let clean = values(&forward(image(7).f32(&device)));
            let mut poisoned = image(7);
            poisoned.data[3] = f64::NAN;
            let found = values(&forward(poisoned.f32(&device)));
            let half = CHANNELS * HEIGHT * WIDTH;
            assert_eq!(found[half..], clean[half..]);
            assert!(found[3].is_nan());
        }
    }
}
