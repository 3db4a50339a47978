//! The table of ratios, as Markdown for people and as JSON for the documentation.

use crate::contest::{Times, Work, median};
use serde::Serialize;

/// Everything that is needed to read the numbers, and the numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Table<S> {
    /// The command that prints it again.
    pub command: String,
    /// Where it ran.
    pub machine: String,
    /// The device of the sides that are written in Rust.
    pub device: String,
    /// What was run.
    #[serde(flatten)]
    pub setting: S,
    /// One side each; ratios are to the first.
    pub rows: Vec<Row>,
    /// Sides that were left out, and why.
    pub skipped: Vec<String>,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name and version.
    pub side: String,
    /// A training step.
    pub train: Cell,
    /// A forward pass.
    pub forward: Cell,
    /// A forward pass token by token.
    pub decode: Cell,
}

/// One kind of work of one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// Median time.
    pub seconds: f64,
    /// Least time.
    pub fastest: f64,
    /// Tokens of the batch over the median time.
    pub tokens_per_second: f64,
    /// Median time over that of the first side.
    pub ratio: f64,
}

impl Row {
    /// The rows of sides that took `times` for `tokens` tokens.
    ///
    /// # Panics
    /// If there is a side without times.
    pub fn all(sides: &[String], times: &[Times], tokens: usize) -> Vec<Self> {
        let cell = |times: &Times, first: &Times, work: Work| {
            let seconds = median(&times[work as usize]);
            Cell {
                seconds,
                fastest: times[work as usize].iter().copied().fold(f64::INFINITY, f64::min),
                tokens_per_second: tokens as f64 / seconds,
                ratio: seconds / median(&first[work as usize]),
            }
        };
        let row = |(side, time): (&String, &Times)| Self {
            side: side.clone(),
            train: cell(time, &times[0], Work::Train),
            forward: cell(time, &times[0], Work::Forward),
            decode: cell(time, &times[0], Work::Decode),
        };
        sides.iter().zip(times).map(row).collect()
    }
}

impl Cell {
    fn markdown(&self) -> String {
        let Self { seconds, fastest, tokens_per_second, ratio } = self;
        let [median, fastest] = [seconds * 1e3, fastest * 1e3];
        format!("{median:.1} ms | {fastest:.1} ms | {tokens_per_second:.0} | {ratio:.2}")
    }
}

/// The heads of the columns of a [`Cell`].
const HEAD: fn(&str) -> String = |work| format!("{work} | fastest | tokens/s | time ÷ first");

impl<S> Table<S> {
    /// A Markdown table, with the command and the machine below it.
    pub fn markdown(&self) -> String {
        let mut lines = vec![
            format!(
                "| side | {} |",
                ["training step", "forward", "token by token"].map(HEAD).join(" | ")
            ),
            format!("|---|{}", "--:|".repeat(4 * Work::ALL.len())),
        ];
        for Row { side, train, forward, decode } in &self.rows {
            let cells = [train, forward, decode].map(Cell::markdown).join(" | ");
            lines.push(format!("| {side} | {cells} |"));
        }
        lines.extend(self.skipped.iter().map(|reason| format!("\nskipped: {reason}")));
        lines.push(format!("\nCommand: `{}`", self.command));
        lines.push(format!("Machine: {}; device: {}", self.machine, self.device));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<()> {
        let sides = ["ours".to_string(), "theirs".to_string()];
        let times =
            [[vec![0.5, 0.25, 1.0], vec![0.125], vec![2.0]], [vec![1.0], vec![0.0625], vec![8.0]]];
        Table {
            command: "cargo run".into(),
            machine: "abacus".into(),
            device: "Flex".into(),
            setting: (),
            rows: Row::all(&sides, &times, 100),
            skipped: vec!["no torch".into()],
        }
    }

    #[test]
    fn ratios_are_medians_over_those_of_the_first_side() {
        let [ours, theirs] = table().rows.try_into().unwrap();
        assert_eq!((ours.train.ratio, ours.forward.ratio), (1.0, 1.0));
        assert_eq!((theirs.train.ratio, theirs.forward.ratio), (2.0, 0.5));
        assert_eq!((theirs.decode.ratio, theirs.decode.tokens_per_second), (4.0, 12.5));
        assert_eq!((ours.train.tokens_per_second, ours.train.fastest), (200.0, 0.25));
    }

    #[test]
    fn the_table_names_command_machine_and_what_was_skipped() {
        let text = table().markdown();
        assert!(
            text.contains("| theirs | 1000.0 ms | 1000.0 ms | 100 | 2.00 | 62.5 ms |"),
            "{text}"
        );
        for part in ["skipped: no torch", "`cargo run`", "abacus; device: Flex"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
