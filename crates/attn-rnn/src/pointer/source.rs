//! The words of source sentences that may be copied.

use super::PointerError;
use burn::tensor::{FloatDType, IndexingUpdateOp, Int, Tensor, TensorData};
use std::collections::HashMap;

/// The words of a batch of sources, as ids of a vocabulary that is extended by those it lacks.
///
/// Prepared once per batch, however many steps then copy from it.
#[derive(Clone, Debug)]
pub struct SourceWords {
    /// `[batch, keys]`
    ids: Tensor<2, Int>,
    /// `[batch, keys, keys]`: 1 where the word of a row's key is first met at the column's.
    first: Tensor<3>,
    extended: usize,
}

impl SourceWords {
    /// Sources whose ids are below `extended`, the size of the vocabulary with the out-of-vocabulary
    /// words of this batch behind it. The ids are read back to the host.
    ///
    /// Padding may have any id below that, as its weights are 0.
    ///
    /// # Shapes
    /// - `ids`: `[batch, keys]`
    ///
    /// # Errors
    /// If an id is negative or not below `extended`, or there is no batch, key or word at all.
    pub fn new(ids: Tensor<2, Int>, extended: usize) -> Result<Self, PointerError> {
        let [batch, keys] = ids.dims();
        PointerError::check_sizes(&[
            ("source batch", batch),
            ("source keys", keys),
            ("extended", extended),
        ])?;
        let mut first = vec![0.0_f32; batch * keys * keys];
        let data = ids.clone().into_data();
        let (mut row, mut met) = (0, HashMap::new());
        for (n, id) in data.iter::<i64>().enumerate() {
            let key = n % keys;
            if n / keys != row {
                row = n / keys;
                met.clear();
            }
            if usize::try_from(id).map_or(true, |id| id >= extended) {
                return Err(PointerError::Id { row, key, id, extended });
            }
            first[n * keys + *met.entry(id).or_insert(key)] = 1.0;
        }
        let first = TensorData::new(first, [batch, keys, keys]);
        let first = Tensor::from_data(first, &ids.device().without_autodiff());
        Ok(Self { ids, first, extended })
    }

    /// `[batch, keys]`
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }

    /// Size of the extended vocabulary.
    pub fn extended(&self) -> usize {
        self.extended
    }

    /// The sources of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self {
            ids: self.ids.select(0, rows.clone()),
            first: self.first.select(0, rows.clone()),
            ..self
        }
    }

    /// The copy distribution, the last term of See et al. (2017), equation 9: the weights of each
    /// word's positions in the source, summed.
    ///
    /// The same bits each time, on a GPU too: what a word got is summed by a product, of `keys²` per
    /// step, before it is scattered, so that no two numbers meet at one place.
    ///
    /// # Shapes
    /// - `weights`: `[batch, steps, keys]`
    /// - result: `[batch, steps, extended]`
    ///
    /// # Panics
    /// If the weights are of another batch or number of keys.
    pub fn copy(&self, weights: Tensor<3>) -> Tensor<3> {
        let [batch, steps, keys] = weights.dims();
        assert_eq!(
            [batch, keys],
            self.ids.dims(),
            "pointer-generator: weights {:?} do not fit a source of {:?}: batch and keys must agree",
            weights.dims(),
            self.ids.dims()
        );
        let (device, dtype) = (weights.device(), weights.dtype());
        let mut first = self.first.clone().cast(FloatDType::from(dtype));
        if device.is_autodiff() {
            first = Tensor::from_inner(first);
        }
        let words = weights.matmul(first); // [b, t, k]
        let ids = self.ids.clone().unsqueeze_dim::<3>(1).expand([batch, steps, keys]);
        let none = Tensor::zeros([batch, steps, self.extended], (&device, dtype));
        none.scatter(2, ids, words, IndexingUpdateOp::Add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn source(ids: [[i64; 3]; 2], extended: usize) -> Result<SourceWords, PointerError> {
        SourceWords::new(Tensor::from_data(ids, &Device::flex()), extended)
    }

    #[test]
    fn an_id_beyond_the_extended_vocabulary_is_refused() {
        let error = source([[0, 1, 2], [3, 7, 0]], 7).unwrap_err();
        let text = "source word 1 of row 1 has the id 7, not in an extended vocabulary of 7";
        assert_eq!(error.to_string(), text);
        let error = source([[0, 1, -2], [3, 7, 0]], 7).unwrap_err();
        assert_eq!(error, PointerError::Id { row: 0, key: 2, id: -2, extended: 7 });
    }

    #[test]
    #[should_panic(expected = "weights [2, 4, 5] do not fit a source of [2, 3]")]
    fn keys_must_agree() {
        let source = source([[0, 1, 2], [3, 4, 0]], 9).unwrap();
        source.copy(Tensor::ones([2, 4, 5], &Device::flex()));
    }
}
