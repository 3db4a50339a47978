//! Learning rates as pure functions of the step.
//!
//! A schedule has no state, so a resumed run needs nothing but the number of the step. All of them
//! rise linearly for `warmup` steps: early on, Adam's second moment is an average of few gradients
//! and a large rate would follow its noise.
//!
//! ```
//! use attn_train::Schedule;
//!
//! let schedule = Schedule::InverseSquareRoot { peak: 1e-3, warmup: 100 };
//! assert_eq!(schedule.rate(50), 0.5e-3); // half way up
//! assert_eq!(schedule.rate(100), 1e-3); // the peak
//! assert_eq!(schedule.rate(400), 0.5e-3); // sqrt(100 / 400) of it
//! ```

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, require};

/// Learning rate of each step; the first step is number 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Warm-up, then `peak` for ever.
    Constant {
        /// Highest rate.
        peak: f64,
        /// Steps of warm-up; 0 starts at the peak.
        #[serde(default)]
        warmup: usize,
    },
    /// Vaswani et al. (2017), equation 3:
    /// `factor · d_model^-0.5 · min(step^-0.5, step · warmup^-1.5)`.
    ///
    /// The peak is `factor / sqrt(d_model · warmup)`.
    Noam {
        /// Multiplies the whole; the paper has 1.
        #[serde(default = "one")]
        factor: f64,
        /// Width of the model.
        d_model: usize,
        /// Steps of warm-up; the paper has 4000.
        warmup: usize,
    },
    /// Warm-up, then `peak · sqrt(warmup / step)`: [`Noam`](Self::Noam) with its peak as parameter.
    InverseSquareRoot {
        /// Highest rate.
        peak: f64,
        /// Steps of warm-up.
        warmup: usize,
    },
    /// Warm-up, then half a cosine down to `floor` at step `steps`, and `floor` from there on.
    /// Loshchilov & Hutter (2017), equation 5, without restarts.
    Cosine {
        /// Highest rate.
        peak: f64,
        /// Last rate.
        #[serde(default)]
        floor: f64,
        /// Steps of warm-up; 0 starts at the peak.
        #[serde(default)]
        warmup: usize,
        /// Step at which the floor is reached, warm-up included.
        steps: usize,
    },
}

fn one() -> f64 {
    1.0
}

impl Schedule {
    /// Rate of step `step`.
    ///
    /// # Panics
    /// If `step` is 0: the first step is number 1.
    pub fn rate(&self, step: usize) -> f64 {
        assert!(step > 0, "the first step is number 1, got step 0");
        let t = step as f64;
        match *self {
            Self::Constant { peak, warmup } => peak * rise(step, warmup),
            Self::Noam { factor, d_model, warmup } => {
                let w = warmup as f64;
                factor * (d_model as f64).powf(-0.5) * f64::min(t.powf(-0.5), t * w.powf(-1.5))
            }
            Self::InverseSquareRoot { peak, warmup } => {
                peak * f64::min(rise(step, warmup), (warmup as f64 / t).sqrt())
            }
            Self::Cosine { peak, warmup, .. } if step < warmup => peak * rise(step, warmup),
            Self::Cosine { peak, floor, warmup, steps } => {
                let done = (step.min(steps) - warmup) as f64 / (steps - warmup) as f64;
                floor + 0.5 * (peak - floor) * (1.0 + (PI * done).cos())
            }
        }
    }

    /// Refuses rates that are not positive and finite, and warm-ups that never end.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] with the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |key, rate: f64| {
            require(rate > 0.0 && rate.is_finite(), key, rate, "a positive number")
        };
        let at_least_one = |key, count: usize| require(count > 0, key, count, "at least 1");
        match *self {
            Self::Constant { peak, warmup: _ } => positive("schedule.peak", peak),
            Self::Noam { factor, d_model, warmup } => {
                positive("schedule.factor", factor)?;
                at_least_one("schedule.d_model", d_model)?;
                at_least_one("schedule.warmup", warmup)
            }
            Self::InverseSquareRoot { peak, warmup } => {
                positive("schedule.peak", peak)?;
                at_least_one("schedule.warmup", warmup)
            }
            Self::Cosine { peak, floor, warmup, steps } => {
                positive("schedule.peak", peak)?;
                let range = (0.0..=peak).contains(&floor);
                require(range, "schedule.floor", floor, "between 0 and the peak")?;
                require(steps > warmup, "schedule.steps", steps, "more than the warm-up")
            }
        }
    }
}

/// The part of the peak that warm-up allows at `step`.
fn rise(step: usize, warmup: usize) -> f64 {
    if step < warmup { step as f64 / warmup as f64 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedules(warmup: usize) -> [Schedule; 4] {
        [
            Schedule::Constant { peak: 2e-3, warmup },
            Schedule::Noam { factor: 1.5, d_model: 48, warmup },
            Schedule::InverseSquareRoot { peak: 2e-3, warmup },
            Schedule::Cosine { peak: 2e-3, floor: 1e-5, warmup, steps: 7 * warmup },
        ]
    }

    /// Two roundings of `powf` and a product each: far below 1e-12 of the value.
    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
    }

    /// d_model 512 and 4000 steps of warm-up, the base model of the paper, by hand: the peak is
    /// 1 / sqrt(512 · 4000), and 1/√4 of it at 16 000 steps.
    #[test]
    fn noam_has_the_values_of_the_paper() {
        let noam = Schedule::Noam { factor: 1.0, d_model: 512, warmup: 4000 };
        let peak = 1.0 / (512.0_f64 * 4000.0).sqrt();
        assert!(close(noam.rate(4000), peak));
        assert!(close(noam.rate(1), peak / 4000.0));
        assert!(close(noam.rate(16_000), peak / 2.0));
    }

    #[test]
    fn cosine_ends_at_its_floor_and_stays_there() {
        let cosine = Schedule::Cosine { peak: 1.0, floor: 0.125, warmup: 10, steps: 110 };
        assert_eq!(cosine.rate(10), 1.0);
        assert!(close(cosine.rate(60), (1.0 + 0.125) / 2.0));
        assert!(close(cosine.rate(110), 0.125));
        assert!(close(cosine.rate(1_000_000), 0.125));
    }

    #[test]
    fn without_warm_up_a_schedule_starts_at_its_peak() {
        assert_eq!(Schedule::Constant { peak: 0.5, warmup: 0 }.rate(1), 0.5);
        let cosine = Schedule::Cosine { peak: 0.5, floor: 0.0, warmup: 0, steps: 1_000_000 };
        assert!((cosine.rate(1) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn rates_have_the_values_of_their_equations() {
        let root = Schedule::InverseSquareRoot { peak: 0.5, warmup: 4 };
        assert_eq!([1, 2, 4, 16, 64].map(|step| root.rate(step)), [0.125, 0.25, 0.5, 0.25, 0.125]);
        let cosine = Schedule::Cosine { peak: 0.5, floor: 0.0, warmup: 4, steps: 20 };
        assert_eq!([1, 2, 3].map(|step| cosine.rate(step)), [0.125, 0.25, 0.375]);
    }

    #[test]
    fn the_factor_of_noam_is_one_if_it_is_not_given() {
        let read = serde_json::from_str::<Schedule>;
        let short = read(r#"{"kind": "noam", "d_model": 48, "warmup": 7}"#).unwrap();
        assert_eq!(short, Schedule::Noam { factor: 1.0, d_model: 48, warmup: 7 });
    }

    #[test]
    #[should_panic(expected = "the first step is number 1, got step 0")]
    fn there_is_no_step_0() {
        Schedule::Constant { peak: 0.5, warmup: 3 }.rate(0);
    }

    #[test]
    fn json_names_the_kind_and_refuses_unknown_keys() {
        let text = r#"{"kind":"cosine","peak":0.001,"warmup":10,"steps":50}"#;
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        assert_eq!(schedule, Schedule::Cosine { peak: 1e-3, floor: 0.0, warmup: 10, steps: 50 });
        let typo = r#"{"kind":"constant","peak":0.001,"warm_up":10}"#;
        let error = serde_json::from_str::<Schedule>(typo).unwrap_err().to_string();
        assert!(error.contains("warm_up"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_key() {
        for (schedule, message) in [
            (Schedule::Constant { peak: 0.0, warmup: 1 }, "schedule.peak = 0"),
            (Schedule::Constant { peak: f64::NAN, warmup: 1 }, "schedule.peak = NaN"),
            (Schedule::Noam { factor: 1.0, d_model: 0, warmup: 1 }, "schedule.d_model = 0"),
            (Schedule::InverseSquareRoot { peak: 1.0, warmup: 0 }, "schedule.warmup = 0"),
            (Schedule::Cosine { peak: 1.0, floor: 2.0, warmup: 1, steps: 9 }, "schedule.floor = 2"),
            (Schedule::Cosine { peak: 1.0, floor: 0.0, warmup: 9, steps: 9 }, "schedule.steps = 9"),
        ] {
            let error = schedule.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_rate_is_positive_rises_through_the_warm_up_and_never_after(
            warmup in 1usize..200, step in 1usize..2000
        ) {
            for schedule in schedules(warmup) {
                schedule.validate().unwrap();
                let (now, next) = (schedule.rate(step), schedule.rate(step + 1));
                prop_assert!(now > 0.0 && now.is_finite());
                if step < warmup {
                    prop_assert!(next > now, "{schedule:?} at {step}: {now} then {next}");
                } else {
                    prop_assert!(next <= now, "{schedule:?} at {step}: {now} then {next}");
                }
            }
        }
    }
}
