//! The parts side by side.

use super::{Looked, Part};
use crate::setting::Setting;
use serde::Serialize;

/// One part of the step of every side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `None`: the whole step.
    pub part: Option<Part>,
    /// Seconds of each side.
    pub seconds: Vec<f64>,
    /// The rate of its matrix products over that of this machine, for each side; nothing where it has
    /// none.
    pub shares: Vec<Option<f64>>,
}

/// The rows of all parts that any side has, and the whole step, where `rate` is the machine's rate of
/// matrix products in operations a second.
pub fn rows(sides: &[Looked], setting: &Setting, rate: f64) -> Vec<Row> {
    let row = |part: Option<Part>, seconds: Vec<f64>, flops: Option<f64>| {
        let share = |&seconds: &f64| flops.map(|flops| flops / seconds / rate);
        Row { part, shares: seconds.iter().map(share).collect(), seconds }
    };
    let parts = Part::ALL.into_iter().map(|part| {
        let seconds = sides.iter().map(|side| side.parts[part as usize]).collect();
        row(Some(part), seconds, part.flops(setting))
    });
    let mut rows: Vec<_> = parts.filter(|row| row.seconds.iter().any(|&it| it > 0.0)).collect();
    let all = Part::ALL.into_iter().filter_map(|part| part.flops(setting)).sum();
    rows.push(row(None, sides.iter().map(|side| side.step).collect(), Some(all)));
    rows
}

/// The head of the table.
pub fn head(sides: &[Looked]) -> String {
    let names: Vec<_> = sides.iter().map(|it| format!("{}, ms | of products", it.side)).collect();
    format!("| part of a step | {} |\n|---|{}", names.join(" | "), "--:|--:|".repeat(sides.len()))
}

impl Row {
    /// A line of Markdown.
    pub fn markdown(&self) -> String {
        let cell = |(seconds, share): (&f64, &Option<f64>)| {
            let share = share.map_or("–".into(), |share| format!("{:.0} %", share * 1e2));
            match seconds {
                0.0 => "– | –".into(),
                seconds => format!("{:.1} | {share}", seconds * 1e3),
            }
        };
        let cells: Vec<String> = self.seconds.iter().zip(&self.shares).map(cell).collect();
        let name = self.part.map_or("the whole step", Part::name);
        format!("| {name} | {} |", cells.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Seconds;
    use crate::setting::Preset;

    #[test]
    fn parts_that_nobody_has_get_no_row_and_products_a_share() {
        let [setting, _] = Preset::Small.settings(100);
        let looked = |scale: f64| {
            let mut parts = Seconds::default();
            parts[Part::Linear as usize] = 0.25 * scale;
            parts[Part::Norm as usize] = 0.125 * scale;
            Looked { side: format!("side {scale}"), step: 0.375 * scale, parts }
        };
        let rate = 4.0 * Part::Linear.flops(&setting).unwrap();
        let rows = rows(&[looked(1.0), looked(2.0)], &setting, rate);
        let lines: Vec<_> = rows.iter().map(Row::markdown).collect();
        assert_eq!(lines[0], "| linear maps | 250.0 | 100 % | 500.0 | 50 % |");
        assert_eq!(lines[1], "| norms | 125.0 | – | 250.0 | – |");
        assert!(lines[2].starts_with("| the whole step | 375.0 | "), "{}", lines[2]);
        assert_eq!(lines.len(), 3);
    }
}
