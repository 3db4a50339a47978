//! The layers and their batch, the same for every side.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// Which cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent unit, whose reset gate acts behind the matrix.
    Gru,
}

/// Recurrent layers and one batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Which cell.
    pub cell: Cell,
    /// Layers, one on top of the other.
    pub layers: usize,
    /// Whether each reads in both directions.
    pub bidirectional: bool,
    /// Number of steps of each row; the longest has them all.
    pub lengths: Vec<usize>,
    /// Width of an input and of a state.
    pub width: usize,
}

impl Setting {
    /// Cell, layers and kind of lengths.
    pub fn name(&self) -> String {
        let cell = match self.cell {
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
        };
        let layers = match (self.layers, self.bidirectional) {
            (1, false) => "1 layer".into(),
            (layers, false) => format!("{layers} layers"),
            (layers, true) => format!("{layers} layers, both directions"),
        };
        let unequal = self.lengths.iter().any(|&length| length < self.steps());
        format!("{cell}, {layers}{}", if unequal { ", unequal lengths" } else { "" })
    }

    /// Steps of the longest row.
    pub fn steps(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// Whether every row has all steps.
    pub fn is_equal(&self) -> bool {
        self.lengths.iter().all(|&length| length == self.steps())
    }

    /// Steps of all rows.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// `[b, s, width]`, tracked.
    pub fn input(&self, device: &Device) -> Tensor<3> {
        let dims = [self.lengths.len(), self.steps(), self.width];
        let mut rng = StdRng::seed_from_u64(0);
        let data = (0..dims.iter().product()).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
        Tensor::from_data(TensorData::new::<f32, _>(data, dims), device).require_grad()
    }
}
