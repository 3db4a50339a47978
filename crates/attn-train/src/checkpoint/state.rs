//! Where a run stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CHECKPOINT_VERSION;
use crate::config::TrainerConfig;
use crate::log::Event;

/// Where a run stands, between two steps.
///
/// With the parameters and the moments of the optimizer this is all there is: learning rate,
/// dropout and the order of the data are functions of it and of the config.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainState {
    /// Steps taken.
    pub step: usize,
    /// Epoch of the next batch, from 0.
    pub epoch: u64,
    /// The next batch of that epoch, from 0.
    pub batch: usize,
    /// Batches of that epoch: data that changed would not be gone on with unnoticed.
    pub batches: usize,
    /// Best evaluation so far.
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub stale: usize,
    /// What the next line of the log is an average of.
    pub window: Window,
    /// Time that the run has taken, in seconds.
    pub seconds: f64,
}

/// The evaluation with the lowest validation loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Steps taken then.
    pub step: usize,
    /// Validation loss.
    #[serde(with = "exact")]
    pub loss: f64,
}

/// Sums since the last line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Summed loss.
    #[serde(with = "exact")]
    pub loss: f64,
    /// What the loss was summed over.
    pub tokens: usize,
    /// Time taken by the steps, in seconds.
    pub seconds: f64,
}

/// The content of `state.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub version: u32,
    pub config: TrainerConfig,
    pub state: TrainState,
    /// What the run was begun with, by name.
    #[serde(default)]
    pub record: BTreeMap<String, Value>,
    /// The evaluation that it was saved after, whose line may be missing in the log.
    #[serde(default)]
    pub evaluation: Option<Event>,
    /// Steps that the moments of each parameter have seen.
    pub moments: Vec<usize>,
    /// What each other file must look like.
    pub files: BTreeMap<String, Fingerprint>,
}

impl Manifest {
    /// Of a checkpoint whose files are not written yet.
    pub(crate) fn new(
        config: &TrainerConfig,
        state: &TrainState,
        record: &BTreeMap<String, Value>,
        evaluation: Option<Event>,
    ) -> Self {
        let (config, state, record) = (config.clone(), state.clone(), record.clone());
        let (moments, files) = Default::default();
        Self { version: CHECKPOINT_VERSION, config, state, record, evaluation, moments, files }
    }
}

/// Length and checksum of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    pub bytes: usize,
    pub crc32: u32,
}

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), crc32: crc32fast::hash(bytes) }
    }
}

/// Numbers that must come back bit by bit, as strings: JSON readers may round the last digit.
mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_loss_comes_back_bit_by_bit(bits: u64) {
            let best = Best { step: 3, loss: f64::from_bits(bits) };
            let text = serde_json::to_string(&best).unwrap();
            let back: Best = serde_json::from_str(&text).unwrap();
            if best.loss.is_nan() {
                prop_assert!(back.loss.is_nan());
            } else {
                prop_assert_eq!(back.loss.to_bits(), bits);
            }
        }
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        let check = Fingerprint { bytes: 9, crc32: 0xCBF4_3926 };
        assert_eq!(Fingerprint::of(b"123456789"), check);
    }
}
