//! Sides that do the same work, measured in turns.

use serde::Serialize;
use std::time::Duration;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Forward, loss, backward and optimizer step, with dropout.
    Train,
    /// Logits of the batch, without gradients and dropout.
    Forward,
    /// The same token by token, with a cache: what writing the batch takes, less the choosing.
    Decode,
}

impl Work {
    /// Everything that is timed, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Train, Self::Forward, Self::Decode];
}

/// One implementation of the work.
pub trait Side {
    /// What the table calls it, with its version.
    fn name(&self) -> String;

    /// Trainable numbers of its model: sides that disagree do not run the same model.
    fn parameters(&self) -> usize;

    /// Does the work once and says how long it took.
    ///
    /// # Errors
    /// If the side runs elsewhere and has gone.
    fn run(&mut self, work: Work) -> Result<Duration, SideError>;
}

/// Why a side cannot be measured.
#[derive(Debug, thiserror::Error)]
#[error("{side}: {reason}")]
pub struct SideError {
    /// Its name.
    pub side: String,
    /// What it said.
    pub reason: String,
}

/// How often each side does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::Args)]
pub struct Rounds {
    /// Rounds; in each, every side has its turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Timed repetitions in a turn
    #[arg(long, default_value_t = 3)]
    pub repeats: usize,
}

impl Rounds {
    /// # Errors
    /// If nothing would be measured.
    pub fn validate(&self) -> Result<(), String> {
        match *self {
            Self { rounds: 0, .. } | Self { repeats: 0, .. } => {
                Err(format!("nothing is measured in {self:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// What one side took, in seconds, in the order of [`Work::ALL`]; nothing for what it did not do.
pub type Times = [Vec<f64>; Work::ALL.len()];

/// Measures the sides at `works` in turns, so that a machine that slows down slows all of them.
///
/// Every turn begins with one repetition that does not count: the turn before has left the caches
/// full of another side's data, and the first one of all also warms the side up. `progress` is told
/// before each turn.
///
/// # Errors
/// If a side fails.
pub fn measure(
    sides: &mut [Box<dyn Side>],
    works: &[Work],
    rounds: Rounds,
    mut progress: impl FnMut(usize, &str),
) -> Result<Vec<Times>, SideError> {
    let mut times: Vec<Times> = sides.iter().map(|_| Times::default()).collect();
    for round in 0..rounds.rounds {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            progress(round, &side.name());
            for &work in works {
                side.run(work)?;
                for _ in 0..rounds.repeats {
                    times[work as usize].push(side.run(work)?.as_secs_f64());
                }
            }
        }
    }
    Ok(times)
}

/// The median, and the mean of the middle two of an even number.
///
/// # Panics
/// If there are no times, or one is NaN.
pub fn median(times: &[f64]) -> f64 {
    assert!(!times.is_empty(), "the median of no times is undefined");
    let mut sorted = times.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("times are not NaN"));
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one second more at each call.
    struct Counter(u64);

    impl Side for Counter {
        fn name(&self) -> String {
            "counter".into()
        }

        fn parameters(&self) -> usize {
            0
        }

        fn run(&mut self, _: Work) -> Result<Duration, SideError> {
            self.0 += 1;
            Ok(Duration::from_secs(self.0))
        }
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn the_first_repetition_of_a_turn_does_not_count() {
        let mut sides: Vec<Box<dyn Side>> = vec![Box::new(Counter(0))];
        let rounds = Rounds { rounds: 2, repeats: 2 };
        let times = measure(&mut sides, &Work::ALL, rounds, |_, _| ()).unwrap();
        let [train, forward, decode] = &times[0];
        assert_eq!(*train, [2.0, 3.0, 11.0, 12.0]);
        assert_eq!(*forward, [5.0, 6.0, 14.0, 15.0]);
        assert_eq!(*decode, [8.0, 9.0, 17.0, 18.0]);
    }

    #[test]
    fn work_that_is_not_asked_for_is_not_done() {
        let mut sides: Vec<Box<dyn Side>> = vec![Box::new(Counter(0))];
        let rounds = Rounds { rounds: 1, repeats: 1 };
        let times = measure(&mut sides, &[Work::Decode], rounds, |_, _| ()).unwrap();
        assert_eq!(times, [[vec![], vec![], vec![2.0]]]);
    }
}
