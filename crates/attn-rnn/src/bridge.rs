//! From the encoder's last states to the decoder's first.

use crate::config::{ConfigError, check_size};
use crate::linear;
use crate::recurrent::{RecurrentConfig, State};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// How a decoder's first states are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BridgeKind {
    /// They are zeros.
    Zero,
    /// Each layer from the last state of the encoder's layer, both directions side by side
    /// (Sutskever et al. 2014).
    Last,
    /// Each layer from `tanh(W h + b)` of the last state of the encoder's last layer, both directions
    /// side by side (Bahdanau et al. 2015, appendix A.2.2, of both directions instead of one); a
    /// memory cell from `V c + d`.
    #[default]
    Dense,
}

impl BridgeKind {
    pub(crate) fn validate(
        self,
        from: &RecurrentConfig,
        to: &RecurrentConfig,
    ) -> Result<(), ConfigError> {
        if self != Self::Last {
            return Ok(());
        }
        let reason = "the encoder's, which the bridge hands over as they are";
        check_size("decoder.recurrent.layers", to.layers, from.layers, reason)?;
        check_size("decoder.recurrent.d_hidden", to.d_hidden, from.d_output(), reason)?;
        if from.cell.has_memory() != to.cell.has_memory() {
            return Err(ConfigError::Cells);
        }
        Ok(())
    }

    pub(crate) fn init(
        self,
        from: &RecurrentConfig,
        to: &RecurrentConfig,
        device: &Device,
    ) -> Bridge {
        let layer = || linear::new([from.d_output(), to.d_hidden], true, device);
        let dense = |_| DenseBridge { hidden: layer(), cell: to.cell.has_memory().then(layer) };
        let layers = if self == Self::Dense { to.layers } else { 0 };
        let directions = if from.bidirectional { 2 } else { 1 };
        Bridge { dense: (0..layers).map(dense).collect(), kind: self, directions }
    }
}

/// Makes the decoder's first states.
#[derive(Module, Debug)]
pub struct Bridge {
    /// Of each of the decoder's layers, where the bridge is dense.
    pub dense: Vec<DenseBridge>,
    #[module(skip)]
    kind: BridgeKind,
    directions: usize,
}

/// The linear maps into one layer's first state.
#[derive(Module, Debug)]
pub struct DenseBridge {
    /// `W` and `b`
    pub hidden: Linear,
    /// `V` and `d`, of a layer with memory cells.
    pub cell: Option<Linear>,
}

impl Bridge {
    /// The first states of the decoder's layers; `None`: zeros.
    pub(crate) fn forward(&self, last: Vec<State>) -> Option<Vec<State>> {
        match self.kind {
            BridgeKind::Zero => None,
            BridgeKind::Last => Some(
                last.chunks(self.directions)
                    .map(|sides| State::concatenate_features(sides.to_vec()))
                    .collect(),
            ),
            BridgeKind::Dense => {
                let last =
                    State::concatenate_features(last[last.len() - self.directions..].to_vec());
                let of = |layer: &DenseBridge| State {
                    hidden: linear::apply(&layer.hidden, last.hidden.clone()).tanh(),
                    cell: layer.cell.as_ref().map(|map| {
                        // The state of a GRU has no memory cell: its hidden state is all there is.
                        linear::apply(map, last.cell.clone().unwrap_or(last.hidden.clone()))
                    }),
                };
                Some(self.dense.iter().map(of).collect())
            }
        }
    }
}
