//! The clock.

use super::setting::Setting;
use crate::attention::setting::Pass;
use crate::attention::tensors::{timed, uniform};
use crate::contest::{SideError, median};
use crate::device::NamedDevice;
use burn::tensor::{Tensor, TensorData};

/// Sizes that are the same at every length.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of queries, keys and values.
    pub heads: usize,
    /// Of a head.
    pub width: usize,
}

/// How long each length is measured.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Seconds of timed repetitions.
    pub seconds: f64,
    /// Timed repetitions at least.
    pub least: usize,
    /// A first repetition of more seconds than this is the only one.
    pub patience: f64,
}

impl Pace {
    /// The median of three at least.
    pub const FULL: Self = Self { seconds: 0.5, least: 3, patience: 5.0 };
    /// A look at whether the bench runs.
    pub const QUICK: Self = Self { seconds: 0.0, least: 1, patience: 0.5 };

    /// Timed repetitions of what takes `seconds`; none if the first one has to do.
    fn repetitions(&self, seconds: f64) -> usize {
        if seconds > self.patience {
            return 0;
        }
        ((self.seconds / seconds).ceil() as usize).clamp(self.least, 1000)
    }
}

/// Median seconds of a pass over one row of `n` tokens.
///
/// # Errors
/// If the device fails.
pub fn measure(
    setting: &Setting,
    n: usize,
    sizes: Sizes,
    pass: Pass,
    device: &NamedDevice,
    pace: Pace,
) -> Result<f64, SideError> {
    let on = match pass {
        Pass::Forward => device.device.clone(),
        Pass::Train => device.device.clone().autodiff(),
    };
    let draw = |seed| {
        let dims = [1, sizes.heads, n, sizes.width];
        let data = TensorData::new(uniform(seed, dims.iter().product()), dims);
        let tensor = Tensor::<4>::from_data(data, &on);
        if pass == Pass::Train { tensor.require_grad() } else { tensor }
    };
    let [query, key, value] = [0, 1, 2].map(draw);
    let (mechanism, mask) = (setting.make)(n, sizes, &on);
    let forward = || mechanism.forward(query.clone(), key.clone(), value.clone(), &mask);
    let mut repeat = timed(setting.name.into(), device.device.clone(), pass, forward);
    let first = repeat(1)?;
    let times = match pace.repetitions(first[0]) {
        0 => first,
        repetitions => repeat(repetitions)?,
    };
    Ok(median(&times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_slow_is_measured_once_and_what_is_quick_often() {
        assert_eq!(Pace::FULL.repetitions(6.0), 0);
        assert_eq!(Pace::FULL.repetitions(2.0), 3);
        assert_eq!(Pace::FULL.repetitions(0.05), 10);
    }
}
