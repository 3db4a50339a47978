//! Rotary positions: "RoFormer", Su et al. 2021.

use super::FrequencyScaling;
use super::sinusoidal::frequencies;
use crate::config::{ConfigError, check_nonzero, check_positive};
use attn_kernels::rotary;
use burn::tensor::{DType, Device, Tensor, TensorData, assert_shape};
use serde::{Deserialize, Serialize};

/// Which two features of a head turn together. Weights trained with one pairing are of no use with
/// the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// Features `i` and `i + d/2`: GPT-NeoX, Llama as in Hugging Face's checkpoints.
    #[default]
    HalfSplit,
    /// Features `2i` and `2i + 1`: RoFormer, GPT-J, Llama as in Meta's checkpoints.
    Interleaved,
}

/// Configuration of rotary positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RotaryConfig {
    /// The longest wavelength is nearly `2π` times this; `10000` in the paper.
    pub base: f64,
    /// Which features turn together.
    pub pairing: Pairing,
    /// Stretches the waves, for sequences longer than those trained on.
    pub scaling: Option<FrequencyScaling>,
}

impl Default for RotaryConfig {
    fn default() -> Self {
        Self { base: 10_000.0, pairing: Pairing::default(), scaling: None }
    }
}

impl RotaryConfig {
    /// # Errors
    /// If the head width is zero or odd, or a number is out of its range.
    pub fn validate(&self, d_head: usize) -> Result<(), ConfigError> {
        check_nonzero("d_head", d_head)?;
        if d_head % 2 == 1 {
            return Err(ConfigError::OddRotary { d_head });
        }
        check_positive("base", self.base)?;
        self.scaling.as_ref().map_or(Ok(()), FrequencyScaling::validate)
    }

    /// The rotation of heads of width `d_head` at `positions`, rows of equal length `[b, s]`.
    ///
    /// Angles are computed in f64 on the host: in f32 an angle of 10⁵ is off by 10⁻², which is what
    /// makes long contexts drift.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration, or the rows differ in length.
    pub fn rotation(
        &self,
        positions: &[Vec<usize>],
        d_head: usize,
        device: &Device,
        dtype: DType,
    ) -> Rotation {
        self.validate(d_head).unwrap_or_else(|error| panic!("{error}"));
        let (frequencies, amplitude) = match &self.scaling {
            None => (frequencies(self.base, d_head), 1.0),
            Some(scaling) => scaling.frequencies(self.base, d_head),
        };
        let (batch, steps) = (positions.len(), positions.first().map_or(0, Vec::len));
        let mut cos = Vec::with_capacity(batch * steps * d_head / 2);
        let mut sin = Vec::with_capacity(cos.capacity());
        for row in positions {
            assert_eq!(row.len(), steps, "rows of positions differ in length");
            for &position in row {
                for frequency in &frequencies {
                    let (y, x) = (position as f64 * frequency).sin_cos();
                    cos.push((amplitude * x) as f32);
                    sin.push((amplitude * y) as f32);
                }
            }
        }
        let dims = [batch, 1, steps, d_head / 2];
        let tensor = |values| Tensor::from_data(TensorData::new(values, dims), (device, dtype));
        Rotation { cos: tensor(cos), sin: tensor(sin), pairing: self.pairing }
    }
}

/// The rotation of one batch of steps, the same for all layers and heads.
///
/// A pair of features `(x, y)` at position `p` turns by the angle `p θᵢ` (Su et al. 2021,
/// equation 34), so that the product of a query and a key depends on the difference of their
/// positions alone.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// `[b | 1, 1, s, d/2]`
    cos: Tensor<4>,
    /// `[b | 1, 1, s, d/2]`
    sin: Tensor<4>,
    pairing: Pairing,
}

impl Rotation {
    /// Turns queries or keys.
    ///
    /// # Shapes
    /// - `x` and result: `[b, h, s, d]`
    ///
    /// # Panics
    /// If steps or head width are not those of the rotation.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, steps, half] = self.cos.dims();
        assert_shape!(x, [_, _, steps, 2 * half]);
        let pairing = match self.pairing {
            Pairing::HalfSplit => rotary::Pairing::HalfSplit,
            Pairing::Interleaved => rotary::Pairing::Interleaved,
        };
        rotary::rotate(x, self.cos.clone(), self.sin.clone(), pairing)
    }
}
