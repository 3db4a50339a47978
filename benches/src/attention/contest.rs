//! Sides that do one setting after another, measured in turns.

use super::setting::Setting;
use crate::contest::{SideError, median};
use serde::Serialize;
use std::time::Duration;

/// One implementation of attention, on one device.
pub trait Contender {
    /// What the table calls it.
    fn name(&self) -> String;

    /// Which column of the table it fills.
    fn column(&self) -> Column;

    /// Makes the tensors of a setting, and returns what does it; `None` if there is no path for it.
    /// A path that would not fit into memory is none.
    ///
    /// # Errors
    /// If there should be a path, and it fails.
    fn prepare(&mut self, setting: &Setting) -> Result<Option<Repetition<'_>>, SideError>;
}

/// Does the work of a setting so often, back to back, and says how many seconds each took.
pub type Repetition<'a> = Box<dyn FnMut(usize) -> Result<Vec<f64>, SideError> + 'a>;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// `attn_core::attend`, on the device of that name.
    Ours(&'static str),
    /// `scaled_dot_product_attention`.
    Pytorch,
    /// Two products and a softmax.
    Candle,
    /// candle's own fused kernel.
    CandleFused,
    /// burn's own attention, on the device of that name.
    Burn(&'static str),
}

impl Column {
    /// Whether it is what the row is about; a side that only stands by may be slow, and is then not
    /// waited for.
    fn counts(self) -> bool {
        matches!(self, Self::Ours(_) | Self::Pytorch)
    }
}

/// How long the sides are measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pace {
    /// Rounds; in each, every side has its turn.
    pub rounds: usize,
    /// How long a turn should last; it has one timed repetition at least.
    pub turn: Duration,
    /// A side that only stands by and takes longer than this is measured once.
    pub patience: Duration,
}

impl Pace {
    /// Five rounds of 0.3 s: at least five repetitions, and 1.5 s where these are short.
    pub const FULL: Self =
        Self { rounds: 5, turn: Duration::from_millis(300), patience: Duration::from_secs(3) };
    /// A look at whether the bench runs.
    pub const QUICK: Self =
        Self { rounds: 2, turn: Duration::from_millis(5), patience: Duration::from_millis(500) };

    /// Rounds and timed repetitions of a side that takes `seconds`. Sides that stand by have fewer.
    fn of(&self, column: Column, seconds: f64) -> (usize, usize) {
        let repeats = |turn: f64| ((turn / seconds).ceil() as usize).clamp(1, 1000);
        let turn = self.turn.as_secs_f64();
        if column.counts() {
            (self.rounds, repeats(turn))
        } else {
            (self.rounds.min(3), repeats(turn / 3.0))
        }
    }
}

/// What a side took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Time {
    /// Median, in seconds.
    pub seconds: f64,
    /// Least.
    pub fastest: f64,
    /// Timed repetitions. 1 is that of a side that was not waited for: its first one, cold.
    pub repetitions: usize,
}

impl Time {
    fn of(times: &[f64]) -> Self {
        Self {
            seconds: median(times),
            fastest: times.iter().copied().fold(f64::INFINITY, f64::min),
            repetitions: times.len(),
        }
    }
}

/// A side in the middle of a setting.
struct Entrant<'a> {
    repetition: Repetition<'a>,
    rounds: usize,
    repeats: usize,
    times: Vec<f64>,
}

/// Measures the contenders at one setting in turns, so that a machine that slows down slows all of
/// them. `None` for those that have no path for it; a side that fails counts as such, and `failed`
/// hears why.
pub fn measure(
    contenders: &mut [Box<dyn Contender>],
    setting: &Setting,
    pace: Pace,
    mut failed: impl FnMut(SideError),
) -> Vec<Option<Time>> {
    // One after the other, so that the warm-up of one is not disturbed by the tensors of the next.
    let mut entrants = Vec::new();
    for contender in contenders {
        let column = contender.column();
        let entrant = match contender.prepare(setting) {
            Ok(Some(repetition)) => warm_up(repetition, column, pace).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        entrants.push(keep(entrant, &mut failed));
    }
    for round in 0..pace.rounds {
        for entrant in &mut entrants {
            let turn = match entrant.take() {
                Some(entrant) if round < entrant.rounds => take_turn(entrant, pace).map(Some),
                other => Ok(other),
            };
            *entrant = keep(turn, &mut failed);
        }
    }
    entrants.into_iter().map(|entrant| Some(Time::of(&entrant?.times))).collect()
}

fn keep<'a>(
    result: Result<Option<Entrant<'a>>, SideError>,
    failed: &mut impl FnMut(SideError),
) -> Option<Entrant<'a>> {
    result.unwrap_or_else(|error| {
        failed(error);
        None
    })
}

/// A side that is too slow to be waited for is done with its first repetition.
fn warm_up(
    mut repetition: Repetition<'_>,
    column: Column,
    pace: Pace,
) -> Result<Entrant<'_>, SideError> {
    let first = repetition(1)?;
    if !column.counts() && first[0] > pace.patience.as_secs_f64() {
        return Ok(Entrant { repetition, rounds: 0, repeats: 0, times: first });
    }
    let warm =
        if Duration::from_secs_f64(first[0]) < pace.turn { repetition(2)?[1] } else { first[0] };
    let (rounds, repeats) = pace.of(column, warm);
    Ok(Entrant { repetition, rounds, repeats, times: Vec::new() })
}

/// A turn of short repetitions begins with one that does not count: the turn before has left the
/// caches full of another side's data, and this side's threads asleep.
fn take_turn(mut entrant: Entrant<'_>, pace: Pace) -> Result<Entrant<'_>, SideError> {
    let idle = usize::from(entrant.repeats > 1 || pace.turn < Duration::from_millis(100));
    let times = (entrant.repetition)(idle + entrant.repeats)?;
    entrant.times.extend(&times[idle..]);
    Ok(entrant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::setting::settings;

    /// Always takes as long.
    struct Steady(Column, f64);

    impl Contender for Steady {
        fn name(&self) -> String {
            "steady".into()
        }

        fn column(&self) -> Column {
            self.0
        }

        fn prepare(&mut self, _: &Setting) -> Result<Option<Repetition<'_>>, SideError> {
            let seconds = self.1;
            Ok((seconds > 0.0)
                .then(|| -> Repetition<'_> { Box::new(move |count| Ok(vec![seconds; count])) }))
        }
    }

    fn repetitions(column: Column, seconds: f64) -> Option<usize> {
        let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(Steady(column, seconds))];
        let times = measure(&mut contenders, &settings()[0], Pace::FULL, |error| panic!("{error}"));
        times[0].map(|time| time.repetitions)
    }

    #[test]
    fn short_work_is_repeated_for_a_second_and_a_half_and_long_work_five_times() {
        assert_eq!(repetitions(Column::Pytorch, 0.01), Some(150));
        assert_eq!(repetitions(Column::Ours("flex"), 7.0), Some(5));
    }

    #[test]
    fn a_slow_side_that_stands_by_is_measured_once_and_one_without_a_path_not_at_all() {
        assert_eq!(repetitions(Column::Candle, 1.0), Some(3));
        assert_eq!(repetitions(Column::Candle, 3.5), Some(1));
        assert_eq!(repetitions(Column::Candle, 0.0), None);
    }
}
