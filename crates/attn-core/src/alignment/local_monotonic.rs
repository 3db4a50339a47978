//! Local attention around the position of the step.

use super::{Aligned, Alignment, AlignmentError, Scores};
use attn_kernels::attention::unfused;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`LocalMonotonic`] alignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalMonotonicConfig {
    /// `D`: how many keys the window has on either side of its centre.
    pub d: usize,
}

impl LocalMonotonicConfig {
    /// A window of `2 d + 1` keys.
    pub fn new(d: usize) -> Self {
        Self { d }
    }

    /// # Errors
    /// If `d` is zero.
    pub fn validate(&self) -> Result<(), AlignmentError> {
        AlignmentError::check_sizes("local_m", &[("d", self.d)])
    }

    /// The alignment.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, _device: &Device) -> LocalMonotonic {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        LocalMonotonic { d: self.d }
    }
}

/// Local attention with monotonic alignment, "local-m", Luong et al. (2015), section 3.2: a softmax
/// over the visible keys of the window `[p_t - D, p_t + D]` with `p_t = t`.
///
/// `t` is the number of the query since the start of the sequence: [`Past::steps`] plus its place
/// among the queries, counted from 0. It is compared with the number of the key, so source and
/// target are taken to run about equally fast, without padding on the left. A window that holds no
/// visible key, such as that of a step far behind the last one, leaves its query without any:
/// weights of 0.
///
/// Time and memory are `q · k`: the scores exist already when they get here. What it gives up is
/// everything outside of the window.
///
/// [`Past::steps`]: super::Past::steps
#[derive(Module, Debug)]
pub struct LocalMonotonic {
    #[module(skip)]
    d: usize,
}

impl Alignment for LocalMonotonic {
    fn align(&self, scores: &Scores<'_>) -> Aligned {
        let dims @ [_, _, q, k] = scores.dims();
        let device = scores.plain_device();
        let first = scores.past.steps as i64;
        let centre = Tensor::<1, Int>::arange(first..first + q as i64, &device);
        let key = Tensor::<1, Int>::arange(0..k as i64, &device);
        let distance = centre.reshape([1, 1, q, 1]) - key.reshape([1, 1, 1, k]); // [1, 1, q, k]
        // No distance is larger, and an integer of the device may be short.
        let reach = self.d.min(scores.past.steps + q + k);
        let window = distance.abs().lower_equal_elem(reach as i64).expand(dims);
        let scores = scores.within(window).hidden_as(f64::NEG_INFINITY);
        Aligned::new(unfused::Softmax::new(scores, None).weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "local_m alignment: d must be at least 1, got 0")]
    fn a_window_of_one_key_is_refused() {
        LocalMonotonicConfig::new(0).init(&Device::flex());
    }
}
