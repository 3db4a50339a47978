//! Coverage and its loss.

use attn_core::alignment::Past;
use attn_core::coverage::{coverage, coverage_loss};
use attn_testing::{Sample, assert_close, check_gradients, devices, numbers, rng, values};
use burn::tensor::{Tensor, TensorData};

/// The sums of the weights of earlier queries, of several heads, with a past and without.
#[test]
fn coverage_is_the_sum_of_the_weights_before() {
    let dims @ [batch, heads, queries, keys] = [2, 3, 4, 5];
    for device in devices() {
        let rng = &mut rng(62);
        let drawn: Vec<f64> =
            numbers(rng, dims.iter().product()).into_iter().map(|x| x.abs()).collect();
        let before: Vec<f64> =
            numbers(rng, batch * heads * keys).into_iter().map(|x| x.abs()).collect();
        let f32s = |data: &[f64]| data.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let weights = Tensor::<4>::from_data(TensorData::new(f32s(&drawn), dims), &device);
        let covered = TensorData::new(f32s(&before), [batch, heads, keys]);
        let covered = Tensor::<3>::from_data(covered, &device);
        let past = Past { steps: 3, coverage: Some(covered), ..Past::start() };
        for (past, before) in [(Past::start(), vec![0.0; before.len()]), (past, before)] {
            let (mut expected, mut losses) = (Vec::new(), Vec::new());
            for (head, rows) in drawn.chunks(queries * keys).enumerate() {
                let mut sums = before[head * keys..][..keys].to_vec();
                for row in rows.chunks(keys) {
                    expected.extend(&sums);
                    losses.push(row.iter().zip(&sums).map(|(a, c)| a.min(*c)).sum::<f64>());
                    sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight);
                }
            }
            // Sums of at most five numbers below 1, in two orders.
            assert_close("sums", &values(&coverage(weights.clone(), &past)), &expected, 1e-6);
            let loss = coverage_loss(weights.clone(), &past);
            assert_eq!(loss.dims(), [batch, heads, queries]);
            assert_close("loss", &values(&loss), &losses, 1e-6);
        }
    }
}

#[test]
fn the_loss_has_its_gradients() {
    let random = Sample::random([1, 2, 4, 5], 4);
    let weights = Sample::from_fn(random.dims, |n| 0.55 + 0.5 * random.data[n]);
    // Where a weight is as large as its coverage, the minimum has a kink: no drawn number is there.
    check_gradients("coverage loss", std::slice::from_ref(&weights), 1e-7, |inputs| {
        coverage_loss(inputs[0].clone(), &Past::start()).unsqueeze_dim(3)
    });
}
