//! The filters of DRAW.

use attn_testing::{
    Sample, assert_close, check_gradients, check_module_gradients, devices, values, with_weights,
};
use attn_vision::{GlimpseConfig, Window};
use burn::tensor::{Device, Tensor};

const BATCH: usize = 2;
const CHANNELS: usize = 3;
const HEIGHT: usize = 7;
const WIDTH: usize = 9;
const SIZE: usize = 4;
const D_STATE: usize = 5;

/// `(g̃_X, g̃_Y, log σ², log δ̃, log γ)`, `[batch, 5]`
fn chosen() -> Sample {
    Sample::from_fn([1, 1, BATCH, 5], |n| {
        f64::from([0.2_f32, -0.3, 0.4, -0.2, 0.6, -0.4, 0.1, -0.8, -1.1, -0.5][n])
    })
}

fn image() -> Sample {
    Sample::random([BATCH, CHANNELS, HEIGHT, WIDTH], 1)
}

fn patch() -> Sample {
    Sample::random([BATCH, CHANNELS, SIZE, SIZE], 2)
}

fn flat(sample: &Tensor<4>) -> Tensor<2> {
    let [_, _, rows, width] = sample.dims();
    sample.clone().reshape([rows, width])
}

/// `F[i][a]`, of the paper's equations.
fn filters(center: f64, variance: f64, stride: f64, size: usize, pixels: usize) -> Vec<Vec<f64>> {
    let filter = |i: usize| {
        let middle = center + (i as f64 - size as f64 / 2.0 - 0.5) * stride;
        let height = |a: usize| (-(a as f64 - middle).powi(2) / (2.0 * variance)).exp();
        let sum: f64 = (1..=pixels).map(height).sum();
        (1..=pixels).map(|a| height(a) / sum).collect()
    };
    (1..=size).map(filter).collect()
}

/// `F_Y`, `F_X` and `γ` for one row of `chosen`.
fn window(chosen: &[f64]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>, f64) {
    let x = (WIDTH + 1) as f64 / 2.0 * (chosen[0] + 1.0);
    let y = (HEIGHT + 1) as f64 / 2.0 * (chosen[1] + 1.0);
    let stride = (WIDTH.max(HEIGHT) - 1) as f64 / (SIZE - 1) as f64 * chosen[3].exp();
    let variance = chosen[2].exp();
    (
        filters(y, variance, stride, SIZE, HEIGHT),
        filters(x, variance, stride, SIZE, WIDTH),
        chosen[4].exp(),
    )
}

#[test]
fn it_reads_as_its_equation() {
    let image = image();
    let mut expected = Vec::new();
    for b in 0..BATCH {
        let (filters_y, filters_x, intensity) = window(chosen().row(0, 0, b));
        for c in 0..CHANNELS {
            for f_y in &filters_y {
                for f_x in &filters_x {
                    let pixel = |y: usize, x: usize| f_y[y] * image.row(b, c, y)[x] * f_x[x];
                    let sum: f64 =
                        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| pixel(y, x))).sum();
                    expected.push(intensity * sum);
                }
            }
        }
    }
    for device in devices() {
        let window = Window::new(flat(&chosen().f32(&device)), SIZE, [HEIGHT, WIDTH]);
        let found = window.read(image.f32(&device));
        assert_eq!(found.dims(), [BATCH, CHANNELS, SIZE, SIZE]);
        // Middles of up to 10 are good to 1e-6, and so are the filters; sums of averages.
        assert_close("read", &values(&found), &expected, 1e-5);
    }
}

#[test]
fn it_writes_as_its_equation() {
    let patch = patch();
    let mut expected = Vec::new();
    for b in 0..BATCH {
        let (filters_y, filters_x, intensity) = window(chosen().row(0, 0, b));
        for c in 0..CHANNELS {
            for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
                let cell =
                    |j: usize, i: usize| filters_y[j][y] * patch.row(b, c, j)[i] * filters_x[i][x];
                let sum: f64 = (0..SIZE).flat_map(|j| (0..SIZE).map(move |i| cell(j, i))).sum();
                expected.push(sum / intensity);
            }
        }
    }
    for device in devices() {
        let window = Window::new(flat(&chosen().f32(&device)), SIZE, [HEIGHT, WIDTH]);
        let found = window.write(patch.f32(&device));
        assert_eq!(found.dims(), [BATCH, CHANNELS, HEIGHT, WIDTH]);
        assert_close("write", &values(&found), &expected, 1e-5);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    // Smooth everywhere; strides and centers enter the exponents with factors of up to 10, so third
    // derivatives of up to 1e3 and differences good to 1e-10 · 1e3.
    check_gradients("read", &[chosen(), image()], 1e-6, |inputs| {
        Window::new(flat(&inputs[0]), SIZE, [HEIGHT, WIDTH]).read(inputs[1].clone())
    });
    check_gradients("write", &[chosen(), patch()], 1e-6, |inputs| {
        Window::new(flat(&inputs[0]), SIZE, [HEIGHT, WIDTH]).write(inputs[1].clone())
    });
    let state = Sample::random([1, 1, BATCH, D_STATE], 3);
    check_module_gradients(
        "glimpse",
        |device| with_weights(GlimpseConfig::new(D_STATE, SIZE).init(device), 20),
        &[state, image()],
        1e-6,
        |glimpse, inputs| glimpse.window(flat(&inputs[0]), [HEIGHT, WIDTH]).read(inputs[1].clone()),
    );
}

/// A grid as large as the image, of filters narrower than a pixel.
#[test]
fn the_widest_and_sharpest_window_shows_the_image() {
    let (width, intensity) = (6, 2.0_f32);
    let image = Sample::random([1, CHANNELS, width, width], 4);
    let widest = [0.0_f32, 0.0, -4.0, 0.0, intensity.ln()];
    for device in devices() {
        let chosen = Tensor::<1>::from_data(widest, &device).unsqueeze();
        let window = Window::new(chosen, width, [width, width]);
        assert_eq!(values(&window.center), [3.5, 3.5]);
        assert_eq!(values(&window.stride), [1.0]);
        // A neighbour's share is exp(−e⁴/2) = 1e-12.
        let twice = window.read(image.f32(&device) * 0.5);
        assert_close("read", &values(&twice), &image.data, 1e-6);
        let back = window.write(twice * intensity);
        assert_close("write", &values(&back), &image.data, 1e-6);
    }
}

#[test]
fn filters_that_lie_in_the_image_sum_to_one() {
    for device in devices() {
        for size in [1, SIZE, 12] {
            let window = Window::new(flat(&chosen().f32(&device)), size, [HEIGHT, WIDTH]);
            assert_eq!(window.filters_x.dims(), [BATCH, size, WIDTH]);
            assert_eq!(window.filters_y.dims(), [BATCH, size, HEIGHT]);
            for filters in [window.filters_x, window.filters_y] {
                // At most nine numbers, each rounded.
                let sums = filters.sum_dim(2);
                assert_close("sums", &values(&sums), &vec![1.0; BATCH * size], 1e-6);
            }
        }
    }
}

/// A filter that lies outside sees nothing: it reads 0 and draws 0, and has no gradient.
#[test]
fn a_window_outside_of_the_image_sees_nothing() {
    for device in devices() {
        let device = device.autodiff();
        for far in [-30.0_f32, 30.0, 1e9, -1e20] {
            let chosen = Tensor::<1>::from_data([far, 0.0, 0.0, 0.0, 0.0], &device);
            let chosen = chosen.unsqueeze::<2>().repeat_dim(0, BATCH).require_grad();
            let window = Window::new(chosen.clone(), SIZE, [HEIGHT, WIDTH]);
            let image = image().f32(&device).require_grad();
            let read = window.read(image.clone());
            let written = window.write(patch().f32(&device));
            assert!(values(&read).iter().chain(&values(&written)).all(|&x| x == 0.0), "{far}");
            let gradients = (read.sum() + written.sum()).backward();
            for gradient in [
                chosen.grad(&gradients).map(|g| values(&g)),
                image.grad(&gradients).map(|g| values(&g)),
            ] {
                assert!(gradient.unwrap().iter().all(|&x| x == 0.0), "{far}");
            }
        }
    }
}

#[test]
fn every_finite_state_has_a_finite_window() {
    let extremes = [0.0_f32, 1.0, -1.0, 1e3, -1e3, 1e9, -1e9];
    for device in devices() {
        let device = device.autodiff();
        for position in 0..5 {
            for extreme in extremes {
                for rest in [0.0, 50.0, -50.0] {
                    let mut numbers = [rest; 5];
                    numbers[position] = extreme;
                    check(numbers, &device);
                }
            }
        }
    }

    fn check(numbers: [f32; 5], device: &Device) {
        let chosen = Tensor::<1>::from_data(numbers, device).unsqueeze::<2>().require_grad();
        let window = Window::new(chosen.clone(), SIZE, [HEIGHT, WIDTH]);
        let one = |sample: Sample| sample.f32(device).slice_dim(0, 0..1);
        let (read, written) = (window.read(one(image())), window.write(one(patch())));
        assert!(values(&read).iter().all(|x| x.is_finite()), "{numbers:?}: read");
        assert!(values(&written).iter().all(|x| x.is_finite()), "{numbers:?}: written");
        let gradient = chosen.grad(&(read.sum() + written.sum()).backward()).unwrap();
        assert!(values(&gradient).iter().all(|x| x.is_finite()), "{numbers:?}: gradient");
    }
}

#[test]
fn images_of_a_batch_do_not_mix() {
    for device in devices() {
        let window = Window::new(flat(&chosen().f32(&device)), SIZE, [HEIGHT, WIDTH]);
        let clean = values(&window.read(image().f32(&device)));
        let mut poisoned = image();
        poisoned.data[0] = f64::NAN;
        let found = values(&window.read(poisoned.f32(&device)));
        let part = CHANNELS * SIZE * SIZE;
        assert_eq!(found[part..], clean[part..]);
        // Nor do channels.
        assert_eq!(found[SIZE * SIZE..part], clean[SIZE * SIZE..part]);
        assert!(found[0].is_nan());
    }
}
