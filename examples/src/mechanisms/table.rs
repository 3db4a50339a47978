//! The table, in Markdown.

use super::contest::Outcome;
use super::family::Member;
use super::{Args, memory};

/// Below this part of right answers, at a length that was trained on, a mechanism has not learned
/// the task.
const LEARNED: f64 = 0.9;

/// What is measured, and the first two lines.
pub fn head(args: &Args) -> String {
    let Args { steps, batch, train, test, .. } = args;
    let mut columns = vec!["mechanism".to_string()];
    columns.extend(test.iter().map(|items| format!("{items} items")));
    columns.extend(["ms/step".into(), format!("MiB at {}", memory::STEPS), "remark".into()]);
    let rules = format!("|---|{}---|", "--:|".repeat(test.len() + 2));
    let train = train.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "{steps} steps of {batch} memories of {train} items; right answers in per cent, chance is \
         6.25\n\n| {} |\n{rules}\n",
        columns.join(" | ")
    )
}

/// The line of a mechanism.
pub fn row(member: &Member, outcome: &Outcome, memory: Option<u64>, args: &Args) -> String {
    let below = |trained: bool| {
        let mut tested = args.test.iter().zip(&outcome.accuracy);
        tested.any(|(items, &right)| args.train.contains(items) == trained && right < LEARNED)
    };
    let limit = member.limit.map_or_else(String::new, |limit| format!(": {limit}"));
    let remark = match (below(true), below(false)) {
        (true, _) => format!("**not learned**{limit}"),
        (false, true) => format!("not at other lengths{limit}"),
        (false, false) => String::new(),
    };
    let mut cells = vec![member.name.to_string()];
    cells.extend(outcome.accuracy.iter().map(|right| format!("{:.1}", 100.0 * right)));
    cells.push(format!("{:.2}", outcome.step_ms));
    cells.push(
        memory.map_or("—".into(), |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))),
    );
    cells.push(remark);
    format!("| {} |\n", cells.join(" | "))
}
