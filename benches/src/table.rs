//! The table of ratios, as Markdown for people and as JSON for the documentation.

use crate::contest::{Times, Work, median};
use crate::flops::flops;
use crate::machine::Peak;
use crate::setting::Setting;
use serde::Serialize;

/// Everything that is needed to read the numbers, and the numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Table<S> {
    /// The command that prints it again.
    pub command: String,
    /// Where it ran.
    pub machine: String,
    /// Floating-point operations per second of the fastest matrix product, in the same run.
    pub rate: f64,
    /// The side that [`Row::speed`] is relative to.
    pub base: String,
    /// What was run.
    #[serde(flatten)]
    pub setting: S,
    /// One side at one kind of work each.
    pub rows: Vec<Row>,
    /// Sides that were left out, and why.
    pub skipped: Vec<String>,
}

/// One side at one kind of work.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The work.
    pub work: Work,
    /// Name and version of the side.
    pub side: String,
    /// Median time.
    pub seconds: f64,
    /// Least time.
    pub fastest: f64,
    /// Tokens of the batch over the median time.
    pub tokens_per_second: f64,
    /// Tokens per second over those of the base.
    pub speed: f64,
    /// Of the rate of matrix products, what the model's own products ran at.
    pub share: f64,
    /// What the process had resident; of a training step alone.
    pub memory: Option<Peak>,
}

/// One side as measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its name and version.
    pub side: String,
    /// What it took.
    pub times: Times,
    /// What a training step had resident.
    pub memory: Option<Peak>,
}

impl Row {
    /// The rows of `sides`, work by work, for those that have times; `base` is the index of the side
    /// that speed is relative to, and `rate` that of matrix products.
    ///
    /// # Panics
    /// If there is no such side, or it did not do what another did.
    pub fn all(sides: &[Measured], base: usize, setting: &Setting, rate: f64) -> Vec<Self> {
        let mut rows = Vec::new();
        for work in Work::ALL {
            for Measured { side, times, memory } in sides {
                let own = &times[work as usize];
                if own.is_empty() {
                    continue;
                }
                let seconds = median(own);
                rows.push(Self {
                    work,
                    side: side.clone(),
                    seconds,
                    fastest: own.iter().copied().fold(f64::INFINITY, f64::min),
                    tokens_per_second: setting.tokens(work) as f64 / seconds,
                    speed: median(&sides[base].times[work as usize]) / seconds,
                    share: flops(setting, work) / seconds / rate,
                    memory: memory.filter(|_| work == Work::Train),
                });
            }
        }
        rows
    }

    fn markdown(&self) -> String {
        let Self { work, side, seconds, fastest, tokens_per_second, speed, share, memory } = self;
        let work = match work {
            Work::Train => "training step",
            Work::Forward => "forward",
            Work::Decode => "token by token",
        };
        let memory = memory.map_or("–".into(), |peak| {
            format!("{:.0} MiB", peak.added() as f64 / f64::from(1 << 20))
        });
        let [median, fastest, percent] = [seconds * 1e3, fastest * 1e3, share * 1e2];
        format!(
            "| {work} | {side} | {median:.1} | {fastest:.1} | {tokens_per_second:.0} | {speed:.2} | \
             {percent:.0} % | {memory} |"
        )
    }
}

const HEAD: &str = "\
| work | side | median ms | fastest ms | tokens/s | speed | of matrix products | memory |
|---|---|--:|--:|--:|--:|--:|--:|";

impl<S> Table<S> {
    /// A Markdown table; below it what its numbers are relative to, the command and the machine.
    pub fn markdown(&self) -> String {
        let mut lines = vec![HEAD.to_string()];
        lines.extend(self.rows.iter().map(Row::markdown));
        lines.extend(self.skipped.iter().map(|reason| format!("\nskipped: {reason}")));
        lines.push(format!("\nSpeed: tokens per second over those of {}", self.base));
        lines.push(format!("Matrix products: {:.0} GFLOP/s at most", self.rate / 1e9));
        lines.push(format!("Command: `{}`", self.command));
        lines.push(format!("Machine: {}", self.machine));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Preset;

    fn table() -> Table<()> {
        let [setting, _] = Preset::Small.settings(100);
        let measured = |side: &str, times, memory| Measured { side: side.into(), times, memory };
        let peak = Peak { baseline: 1 << 20, peak: 7 << 20 };
        let sides = [
            measured("ours", [vec![0.5, 0.25, 1.0], vec![0.125], vec![]], Some(peak)),
            measured("theirs", [vec![1.0], vec![0.0625], vec![]], None),
        ];
        // A training step of half a second runs at all of it.
        let rate = 2.0 * flops(&setting, Work::Train);
        Table {
            command: "cargo run".into(),
            machine: "abacus".into(),
            rate,
            base: "theirs".into(),
            setting: (),
            rows: Row::all(&sides, 1, &setting, rate),
            skipped: vec!["no torch".into()],
        }
    }

    #[test]
    fn ratios_are_of_medians_and_work_that_was_not_done_has_no_row() {
        let [ours, theirs, ours_forward, theirs_forward] = table().rows.try_into().unwrap();
        assert_eq!((ours.speed, theirs.speed), (2.0, 1.0));
        assert_eq!((ours_forward.speed, theirs_forward.speed), (0.5, 1.0));
        assert_eq!((ours.tokens_per_second, ours.fastest), (200.0, 0.25));
        assert_eq!((ours.share, theirs.share), (1.0, 0.5));
        assert_eq!((ours_forward.memory, theirs.memory), (None, None));
    }

    #[test]
    fn the_table_names_base_command_machine_and_what_was_skipped() {
        let text = table().markdown();
        for part in [
            "| training step | ours | 500.0 | 250.0 | 200 | 2.00 | 100 % | 6 MiB |",
            "| training step | theirs | 1000.0 | 1000.0 | 100 | 1.00 | 50 % | – |",
            "over those of theirs",
            "skipped: no torch",
            "`cargo run`",
            "abacus",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
