//! Grouped queries: several query heads that share a key head.

use burn::tensor::Tensor;

/// Scores grouped queries with a function that knows nothing of groups (Ainslie et al. 2023).
///
/// Query head `h` reads key head `h / (heads / kv_heads)`. The query heads of a group are handed to
/// `score` as further queries of their key head, so nothing of the keys is repeated.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, _]`
/// - `key`: `[batch, kv_heads, keys, _]`
/// - `score`: `[batch, kv_heads, heads / kv_heads · queries, _]`, `[batch, kv_heads, keys, _]` →
///   `[batch, kv_heads, heads / kv_heads · queries, keys]`
/// - result: `[batch, heads, queries, keys]`
///
/// # Panics
/// If query and key differ in batch, or the query heads do not split evenly over the key heads.
pub fn grouped(
    query: Tensor<4>,
    key: Tensor<4>,
    score: impl FnOnce(Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> Tensor<4> {
    let [batch, heads, queries, width] = query.dims();
    let [key_batch, kv_heads, keys, _] = key.dims();
    assert_eq!(batch, key_batch, "query batch {batch} does not fit key batch {key_batch}");
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "{heads} query heads do not split evenly over {kv_heads} key heads"
    );
    let rows = heads / kv_heads * queries;
    let scores = score(query.reshape([batch, kv_heads, rows, width]), key);
    scores.reshape([batch, heads, queries, keys])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn score(query: [usize; 4], key: [usize; 4]) -> Tensor<4> {
        let device = Device::flex();
        grouped(Tensor::ones(query, &device), Tensor::ones(key, &device), |query, key| {
            query.matmul(key.transpose())
        })
    }

    #[test]
    fn every_query_head_gets_scores() {
        assert_eq!(score([2, 6, 3, 5], [2, 3, 7, 5]).dims(), [2, 6, 3, 7]);
    }

    #[test]
    #[should_panic(expected = "query batch 2 does not fit key batch 3")]
    fn batches_must_agree() {
        score([2, 6, 5, 7], [3, 6, 4, 7]);
    }

    #[test]
    #[should_panic(expected = "6 query heads do not split evenly over 4 key heads")]
    fn heads_must_split_evenly() {
        score([2, 6, 5, 7], [2, 4, 3, 7]);
    }
}
