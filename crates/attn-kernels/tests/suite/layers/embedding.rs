//! Rows of a table.

use super::against_f64::check;
use attn_kernels::combine;
use attn_kernels::embedding::embedding;
use attn_kernels::linear::linear;
use burn::tensor::{Device, Tensor, TensorData};

/// A row's gradient is a sum of as many numbers below 4 as it has copies.
#[test]
fn embeddings_are_rows_and_their_gradients_the_sums_of_the_copies() {
    for [b, s, v, m] in
        [[1, 1, 1, 1], [2, 3, 5, 7], [3, 40, 9, 16], [7, 300, 70, 33], [2, 5, 200, 20]]
    {
        // The last ids of the table are not used.
        let rows = |like: &Tensor<2>| {
            let id = |at: u64| (combine(3, at) % (v as u64).div_ceil(2)) as i64;
            let ids = (0..(b * s) as u64).map(id).collect();
            Tensor::from_data(TensorData::new::<i64, _>(ids, [b, s]), &like.device())
        };
        check("embedding", &[[v, m]], [(b * s) as f64, 4.0], |t| {
            embedding(t[0].clone(), rows(&t[0])).flatten(0, 1)
        });
        check("embedding of columns", &[[m, v]], [(b * s) as f64, 4.0], |t| {
            embedding(t[0].clone().transpose(), rows(&t[0])).flatten(0, 1)
        });
        let table = [(b * s + v + m) as f64, 8.0 * m as f64];
        check("a tied table", &[[v, m]], table, |t| {
            let x = embedding(t[0].clone(), rows(&t[0])).flatten::<2>(0, 1);
            linear(x, t[0].clone().transpose(), None)
        });
    }
}

#[test]
#[should_panic(expected = "id 5 is out of range for a table of 5 rows")]
fn an_id_beyond_the_table_is_refused() {
    let device = Device::flex();
    embedding(Tensor::zeros([5, 2], &device), Tensor::from_ints([[4, 5]], &device));
}

#[test]
#[should_panic(expected = "id -1 is out of range for a table of 5 rows")]
#[allow(deprecated)]
fn an_id_before_the_table_is_refused() {
    let device = Device::ndarray();
    embedding(Tensor::zeros([5, 2], &device), Tensor::from_ints([[-1, 0]], &device));
}
