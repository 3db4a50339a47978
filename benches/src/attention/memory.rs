//! Peak memory of a forward and a backward pass on a long row: linear in its length, or not.

use super::ours::Attention;
use super::setting::{Pass, Setting, Visible, settings};
use crate::device::NamedDevice;
use crate::machine::{self, Peak};
use serde::Serialize;

/// What the peak may exceed tensors and gradients by.
pub const ALLOWANCE: u64 = 64 << 20;

/// One row of the table of memory.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Of our side.
    pub device: String,
    /// The setting.
    pub setting: String,
    /// What it had resident.
    pub memory: Peak,
    /// Bytes of queries, keys, values, output and the gradients of the former three.
    pub tensors: u64,
}

/// One row of `n` tokens, forward and backward.
pub fn setting(visible: Visible, n: usize) -> Setting {
    let like = settings().into_iter().find(|row| row.pass == Pass::Train);
    Setting { batch: 1, queries: n, keys: n, visible, ..like.expect("the table trains") }
}

/// Does it once in this process, which must be a fresh one; `None` where the system does not say
/// what is resident.
pub fn measure(setting: &Setting, device: &NamedDevice) -> Option<Peak> {
    // The threads belong to the process, not to attention.
    rayon::broadcast(|_| ());
    let baseline = machine::peak_memory()?;
    let attention = Attention::new(setting, &device.device);
    // Whatever follows attention in a model holds its output for as long as this does.
    let output = attention.output();
    let gradients = output.clone().sum().backward();
    let peak = machine::peak_memory()?;
    drop((output, gradients));
    Some(Peak { baseline, peak })
}

impl Row {
    /// The row of a setting.
    pub fn new(device: &str, setting: &Setting, memory: Peak) -> Self {
        let Setting { batch, heads, queries, keys, width, .. } = *setting;
        let [query, key] =
            [queries, keys].map(|n| (batch * heads * n * width * size_of::<f32>()) as u64);
        // Queries and output and their gradient; keys and values and theirs.
        let tensors = 3 * query + 4 * key;
        Self { device: device.into(), setting: setting.name(), memory, tensors }
    }

    /// Whether the peak is within tensors and [`ALLOWANCE`].
    pub fn met(&self) -> bool {
        self.memory.added() <= self.tensors + ALLOWANCE
    }
}

/// A Markdown table of the rows.
pub fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![
        "| setting | device | peak − baseline | tensors and gradients | the rest | allowed | verdict |"
            .to_string(),
        "|---|---|--:|--:|--:|--:|---|".to_string(),
    ];
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    for row in rows {
        let Row { setting, device, memory, tensors } = row;
        let above = memory.added();
        let cells =
            [above, *tensors, above.saturating_sub(*tensors), ALLOWANCE].map(mib).join(" | ");
        let verdict = if row.met() { "met" } else { "missed" };
        lines.push(format!("| {setting} | {device} | {cells} | {verdict} |"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowance_is_what_is_left_after_seven_tensors() {
        let setting = setting(Visible::Causal, 16_384);
        let tensor = 8 * 16_384 * 64 * 4;
        let at = |above| Row::new("flex", &setting, Peak { baseline: 10, peak: 10 + above });
        assert!(at(7 * tensor + ALLOWANCE).met());
        assert!(!at(7 * tensor + ALLOWANCE + 1).met());
        assert!(
            markdown(&[at(7 * tensor)])
                .contains("| 224.0 MiB | 224.0 MiB | 0.0 MiB | 64.0 MiB | met |")
        );
    }
}
