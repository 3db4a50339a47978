//! Frequency scaling: rotary positions beyond the length a model was trained on.

use super::sinusoidal::frequencies;
use crate::config::{ConfigError, check_nonzero, check_positive};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// How the waves of rotary positions are stretched. `θᵢ = base^(-2i/d)` is the unscaled frequency of
/// pair `i`, its wavelength `2π / θᵢ`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FrequencyScaling {
    /// Position interpolation, `θᵢ / factor` (Chen et al. 2023, equation 3).
    Linear {
        /// New length over old length.
        factor: f64,
    },
    /// "NTK-aware": another base, `base · factor^(d / (d - 2))`, so that the shortest wave stays as
    /// it is and the longest stretches by `factor` (Peng et al. 2023, equation 16).
    Ntk {
        /// New length over old length.
        factor: f64,
    },
    /// By wavelength, as Llama 3.1 does: short waves stay, long ones stretch by `factor`, and
    /// between the two bounds the frequency is interpolated.
    Llama3 {
        /// New length over old length.
        factor: f64,
        /// Waves longer than `original_len` over this stretch in full.
        low_frequency_factor: f64,
        /// Waves shorter than `original_len` over this stay.
        high_frequency_factor: f64,
        /// The length trained on.
        original_len: usize,
    },
    /// YaRN, "NTK by parts" (Peng et al. 2023, equations 17–21): as by wavelength, with a ramp over
    /// the pairs, and queries and keys both lengthened by `0.1 ln(factor) + 1` (equation 22).
    Yarn {
        /// New length over old length.
        factor: f64,
        /// The length trained on.
        original_len: usize,
        /// Waves that turn more often than this in `original_len` stay; `32` in the paper.
        beta_fast: f64,
        /// Waves that turn less often than this in `original_len` stretch in full; `1` in the paper.
        beta_slow: f64,
    },
}

impl FrequencyScaling {
    /// # Errors
    /// If a number is not positive, or two bounds are in the wrong order.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match *self {
            Self::Linear { factor } | Self::Ntk { factor } => Ok(check_positive("factor", factor)?),
            Self::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_len,
            } => {
                check_positive("factor", factor)?;
                check_positive("low_frequency_factor", low)?;
                check_nonzero("original_len", original_len)?;
                check_order(["low_frequency_factor", "high_frequency_factor"], [low, high])
            }
            Self::Yarn { factor, original_len, beta_fast, beta_slow } => {
                check_positive("factor", factor)?;
                check_positive("beta_slow", beta_slow)?;
                check_nonzero("original_len", original_len)?;
                check_order(["beta_slow", "beta_fast"], [beta_slow, beta_fast])
            }
        }
    }

    /// The frequency of each pair of `width` features, and the factor of cosines and sines.
    pub(super) fn frequencies(&self, base: f64, width: usize) -> (Vec<f64>, f64) {
        let plain = frequencies(base, width);
        match *self {
            Self::Linear { factor } => (plain.iter().map(|theta| theta / factor).collect(), 1.0),
            Self::Ntk { factor } => {
                // A single pair has no longest wave to stretch; its exponent would divide by zero.
                let exponent = width as f64 / (width as f64 - 2.0).max(1.0);
                (frequencies(base * factor.powf(exponent), width), 1.0)
            }
            Self::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_len,
            } => {
                let scale = |theta: f64| {
                    let turns = original_len as f64 * theta / TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    mix(theta / factor, theta, kept)
                };
                (plain.into_iter().map(scale).collect(), 1.0)
            }
            Self::Yarn { factor, original_len, beta_fast, beta_slow } => {
                // The pair, as a real number, that turns `turns` times in the original length.
                let pair_of = |turns: f64| {
                    let wave = original_len as f64 / (turns * TAU);
                    width as f64 * wave.ln() / (2.0 * base.ln())
                };
                let low = pair_of(beta_fast).floor().max(0.0);
                let high = pair_of(beta_slow).ceil().min(width as f64 - 1.0);
                // The reference's guard for a ramp of no width.
                let width = if high == low { 1e-3 } else { high - low };
                let scale = |(i, theta): (usize, f64)| {
                    let stretched = ((i as f64 - low) / width).clamp(0.0, 1.0);
                    mix(theta, theta / factor, stretched)
                };
                let amplitude = if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
                (plain.into_iter().enumerate().map(scale).collect(), amplitude)
            }
        }
    }
}

/// `from` at `share = 0`, `to` at `share = 1`.
fn mix(from: f64, to: f64, share: f64) -> f64 {
    from * (1.0 - share) + to * share
}

fn check_order(keys: [&'static str; 2], [low, high]: [f64; 2]) -> Result<(), ConfigError> {
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) || high.is_infinite() {
        let [low_key, high_key] = keys;
        return Err(ConfigError::Disordered { low_key, low, high_key, high });
    }
    Ok(())
}
