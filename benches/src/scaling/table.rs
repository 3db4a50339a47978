//! The table: times, and the exponents between them.

use super::setting::Claim;
use crate::attention::setting::Pass;
use serde::Serialize;

/// Everything that is needed to read the numbers, and the numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// The command that prints it again.
    pub command: String,
    /// Where it ran.
    pub machine: String,
    /// Device, threads and allocator.
    pub environment: String,
    /// Tokens, ascending.
    pub lengths: Vec<usize>,
    /// One for each attention and pass.
    pub rows: Vec<Row>,
}

/// One attention and what was timed of it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What was timed.
    pub pass: Pass,
    /// How it is claimed to grow.
    pub claim: Claim,
    /// Median seconds at each length; none where it was not measured.
    pub seconds: Vec<Option<f64>>,
    /// From each length to the next, `ln(t₂ / t₁) / ln(n₂ / n₁)`.
    pub exponents: Vec<Option<f64>>,
}

impl Row {
    /// The row of these times.
    pub fn new(
        name: &str,
        pass: Pass,
        claim: Claim,
        lengths: &[usize],
        seconds: Vec<Option<f64>>,
    ) -> Self {
        let exponent = |(n, t): (&[usize], &[Option<f64>])| {
            let growth = t[1]? / t[0]?;
            Some(growth.ln() / (n[1] as f64 / n[0] as f64).ln())
        };
        let exponents = lengths.windows(2).zip(seconds.windows(2)).map(exponent).collect();
        Self { name: name.into(), pass, claim, seconds, exponents }
    }

    /// Its line of Markdown.
    pub fn markdown(&self) -> String {
        let Self { name, pass, claim, seconds, exponents } = self;
        let pass = match pass {
            Pass::Forward => "forward",
            Pass::Train => "forward+backward",
        };
        let number = |value: Option<f64>, digits| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "—".into(),
        };
        let mut cells = vec![name.clone(), pass.into()];
        cells.extend(seconds.iter().map(|seconds| number(seconds.map(|s| s * 1e3), 2)));
        cells.extend(exponents.iter().map(|&exponent| number(exponent, 2)));
        cells.push(format!("{} ({})", claim.order, claim.exponent));
        format!("| {} |", cells.join(" | "))
    }
}

/// The head of the table of [`Row::markdown`] lines.
pub fn head(lengths: &[usize]) -> String {
    let mut cells = vec!["attention".to_string(), "pass".into()];
    cells.extend(lengths.iter().map(|n| format!("n = {n}, ms")));
    cells.extend(lengths.windows(2).map(|n| format!("exponent {} → {}", n[0], n[1])));
    cells.push("claimed (exponent)".into());
    let numbers = "--:|".repeat(2 * lengths.len() - 1);
    format!("| {} |\n|---|---|{numbers}---|", cells.join(" | "))
}

impl Table {
    /// What stands below the table.
    pub fn foot(&self) -> String {
        let Self { command, machine, environment, .. } = self;
        format!("\nEnvironment: {environment}\nMachine: {machine}\nCommand: `{command}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_the_growth() {
        let lengths = [1000, 4000, 16_000];
        let seconds = vec![Some(0.001), Some(0.016), Some(0.064)];
        let row = Row::new("some", Pass::Forward, Claim::WINDOW, &lengths, seconds);
        let line = "| some | forward | 1.00 | 16.00 | 64.00 | 2.00 | 1.00 | n·w (1) |";
        assert_eq!(row.markdown(), line);
        let row =
            Row::new("some", Pass::Train, Claim::STRIDE, &lengths, vec![Some(1.0), None, None]);
        let line = "| some | forward+backward | 1000.00 | — | — | — | — | n·√n (1.5) |";
        assert_eq!(row.markdown(), line);
    }

    #[test]
    fn the_head_has_a_cell_for_each_of_a_row() {
        for lengths in [&[1000][..], &[1000, 4000, 16_000]] {
            let row = Row::new("", Pass::Train, Claim::LINEAR, lengths, vec![None; lengths.len()]);
            let cells = row.markdown().matches('|').count();
            assert!(head(lengths).lines().all(|line| line.matches('|').count() == cells));
        }
    }
}
