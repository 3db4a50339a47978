//! Dropout of states.

use burn::tensor::{Int, Tensor};

/// Factors of recurrent dropout for one batch of sequences, of each layer and direction.
#[derive(Clone, Debug)]
pub struct RecurrentDropout(pub(super) Vec<Option<Tensor<2>>>);

impl RecurrentDropout {
    /// Those of a batch whose row `r` was row `rows[r]`.
    pub(crate) fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        let pick = |kept: Option<Tensor<2>>| kept.map(|kept| kept.select(0, rows.clone()));
        Self(self.0.into_iter().map(pick).collect())
    }
}
