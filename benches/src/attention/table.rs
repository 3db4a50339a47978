//! The table: our side, its peers, and what it must reach.

use super::contest::{Column, Time};
use super::setting::{AVX2, Goal, Setting};
use serde::Serialize;

/// Everything that is needed to read the numbers, and the numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// The command that prints it again.
    pub command: String,
    /// Where it ran.
    pub machine: String,
    /// Threads of every side, and the variables that change what it says.
    pub environment: String,
    /// The sides, with their versions.
    pub sides: Vec<String>,
    /// One for each setting and device.
    pub rows: Vec<Row>,
    /// Sides that failed or were left out, and why.
    pub notes: Vec<String>,
}

/// One setting on one device of ours.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its sizes.
    pub setting: Setting,
    /// Device of our side.
    pub device: &'static str,
    /// Our side.
    pub ours: Option<Time>,
    /// Billions of unavoidable operations per second of our side's median time.
    pub gflops: Option<f64>,
    /// The other sides.
    pub peers: Vec<(Column, Option<Time>)>,
    /// The time of PyTorch over ours.
    pub ratio: Option<f64>,
    /// Least ratio that is no failure.
    pub floor: Option<f64>,
    /// Ratio that is wanted.
    pub goal: Option<f64>,
    /// What of them the ratio has reached.
    pub verdict: Option<Verdict>,
}

/// What a ratio has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The goal.
    Goal,
    /// The floor.
    Floor,
    /// Neither.
    Missed,
}

/// What rows are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// Each by its own goal.
    Each,
    /// All by [`AVX2`].
    Avx2,
    /// Nothing: these are not the sizes that the goals are for.
    Nobody,
}

impl Judge {
    /// Floor and goal of a setting, given the rows before it.
    fn bounds(self, setting: &Setting, device: &str, before: &[Row]) -> Option<[f64; 2]> {
        let goal = match self {
            Self::Each => setting.goal,
            Self::Avx2 => AVX2,
            Self::Nobody => return None,
        };
        match goal {
            Goal::Times { floor, goal } => Some([floor, goal]),
            Goal::OfWidth64 { floor, goal } => {
                let name = Setting { width: 64, ..setting.clone() }.name();
                let reference =
                    before.iter().find(|row| row.name == name && row.device == device)?;
                Some([floor, goal].map(|part| part * reference.ratio.unwrap_or(f64::NAN)))
            }
        }
    }
}

impl Row {
    /// The rows of one setting, one for each device of ours.
    pub fn of(
        setting: &Setting,
        times: &[(Column, Option<Time>)],
        judge: Judge,
        before: &[Self],
    ) -> Vec<Self> {
        let pytorch = find(times, Column::Pytorch);
        let peers: Vec<_> = times
            .iter()
            .copied()
            .filter(|(column, _)| !matches!(column, Column::Ours(_)))
            .collect();
        let row = |&(column, ours): &(Column, Option<Time>)| {
            let Column::Ours(device) = column else { return None };
            let ratio = pytorch.zip(ours).map(|(peer, ours)| peer.seconds / ours.seconds);
            let bounds = judge.bounds(setting, device, before).filter(|[floor, _]| !floor.is_nan());
            let verdict = ratio.zip(bounds).map(|(ratio, [floor, goal])| match ratio {
                ratio if ratio >= goal => Verdict::Goal,
                ratio if ratio >= floor => Verdict::Floor,
                _ => Verdict::Missed,
            });
            Some(Self {
                name: setting.name(),
                setting: setting.clone(),
                device,
                ours,
                gflops: ours.map(|time| setting.flops() / time.seconds / 1e9),
                peers: peers.clone(),
                ratio,
                floor: bounds.map(|[floor, _]| floor),
                goal: bounds.map(|[_, goal]| goal),
                verdict,
            })
        };
        times.iter().filter_map(row).collect()
    }

    /// Its line of Markdown.
    pub fn markdown(&self) -> String {
        let peer = |column| milliseconds(find(&self.peers, column));
        let number = |value: Option<f64>, digits| match value {
            Some(value) => format!("{value:.digits$}"),
            None => "—".into(),
        };
        let verdict = match self.verdict {
            Some(Verdict::Goal) => "goal",
            Some(Verdict::Floor) => "floor",
            Some(Verdict::Missed) => "**missed**",
            None => "—",
        };
        let cells = [
            self.name.clone(),
            self.device.to_string(),
            milliseconds(self.ours),
            number(self.gflops, 0),
            peer(Column::Pytorch),
            number(self.ratio, 2),
            peer(Column::Candle),
            peer(Column::CandleFused),
            peer(Column::Burn("flex")),
            peer(Column::Burn("ndarray")),
            number(self.floor, 2),
            number(self.goal, 2),
            verdict.to_string(),
        ];
        format!("| {} |", cells.join(" | "))
    }
}

fn find(times: &[(Column, Option<Time>)], wanted: Column) -> Option<Time> {
    times.iter().find(|(column, _)| *column == wanted)?.1
}

/// With three digits; with a tilde if it was not worth a second repetition.
fn milliseconds(time: Option<Time>) -> String {
    let Some(Time { seconds, repetitions, .. }) = time else { return "—".into() };
    let ms = seconds * 1e3;
    let digits = if ms < 1.0 { 3 } else { usize::from(ms < 100.0) + usize::from(ms < 10.0) };
    let about = if repetitions == 1 { "~" } else { "" };
    format!("{about}{ms:.digits$}")
}

/// The head of the table of [`Row::markdown`] lines.
pub const HEAD: &str = "\
| setting | device | ours ms | GFLOP/s | PyTorch ms | PyTorch ÷ ours | candle ms | candle flash_attn ms | burn flex ms | burn ndarray ms | floor | goal | verdict |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|";

impl Table {
    /// What stands below the table.
    pub fn foot(&self) -> String {
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == Some(verdict)).count();
        let [goal, floor, missed] = [Verdict::Goal, Verdict::Floor, Verdict::Missed].map(count);
        let mut lines = vec![format!(
            "\n{} rows: {goal} reach the goal, {floor} the floor, {missed} miss it, {} are not judged",
            self.rows.len(),
            self.rows.len() - goal - floor - missed,
        )];
        lines.extend(self.notes.iter().map(|note| format!("Note: {note}")));
        lines.push(format!("Sides: {}", self.sides.join("; ")));
        lines.push(format!("Environment: {}", self.environment));
        lines.push(format!("Machine: {}", self.machine));
        lines.push(format!("Command: `{}`", self.command));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::setting::settings;

    fn time(seconds: f64) -> Option<Time> {
        Some(Time { seconds, fastest: seconds, repetitions: 5 })
    }

    fn row(setting: &Setting, pytorch: f64, before: &[Row]) -> Row {
        let times = [(Column::Ours("flex"), time(0.01)), (Column::Pytorch, time(pytorch))];
        Row::of(setting, &times, Judge::Each, before).remove(0)
    }

    #[test]
    fn a_ratio_is_judged_by_its_setting() {
        let setting = &settings()[0]; // 1.2, 1.35
        let verdict = |pytorch| row(setting, pytorch, &[]).verdict;
        assert_eq!(verdict(0.0119), Some(Verdict::Missed));
        assert_eq!(verdict(0.0121), Some(Verdict::Floor));
        assert_eq!(verdict(0.0136), Some(Verdict::Goal));
    }

    #[test]
    fn another_width_is_judged_by_the_ratio_at_64() {
        let at_64 = row(&settings()[0], 0.02, &[]);
        let wide = Setting {
            width: 96,
            goal: Goal::OfWidth64 { floor: 0.9, goal: 1.0 },
            ..settings()[0].clone()
        };
        assert_eq!(row(&wide, 0.019, &[]).verdict, None, "there is nothing to compare with");
        let row = row(&wide, 0.019, &[at_64]);
        assert_eq!((row.floor, row.goal), (Some(1.8), Some(2.0)));
        assert_eq!(row.verdict, Some(Verdict::Floor));
    }

    #[test]
    fn a_line_has_a_cell_for_each_column_and_a_dash_for_what_has_no_path() {
        let line = row(&settings()[0], 0.0125, &[]).markdown();
        let expected = "| forward full b1 n1024 | flex | 10.0 | 215 | 12.5 | 1.25 | — | — | — | — | 1.20 | 1.35 | floor |";
        assert_eq!(line, expected);
        let columns = |line: &str| line.matches('|').count();
        assert!(HEAD.lines().all(|head| columns(head) == columns(&line)));
    }
}
