//! Where and with what the numbers were made.

use serde::{Deserialize, Serialize};
use std::{fs, thread};

/// What a process had resident, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peak {
    /// Before there were tensors.
    pub baseline: u64,
    /// At most.
    pub peak: u64,
}

impl Peak {
    /// What the tensors added.
    pub fn added(self) -> u64 {
        self.peak - self.baseline
    }
}

/// Processor, cores that this process may use, memory, system; and a warning in a debug build, whose
/// numbers mean nothing.
pub fn describe() -> String {
    let processor =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into());
    let cores = cores();
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(String::new, |kib| format!(", {:.0} GiB", kib / f64::from(1 << 20)));
    let [system, arch] = [std::env::consts::OS, std::env::consts::ARCH];
    let build = if cfg!(debug_assertions) { ", DEBUG BUILD" } else { "" };
    format!("{processor}, {cores} cores{memory}, {system} {arch}{build}")
}

/// Cores that this process may use; the sides in Rust take them all.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Bytes that a process can still have without swapping; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemAvailable")
}

/// Most bytes that this process has had resident at once; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM")
}

fn kibibytes(path: &str, key: &str) -> Option<u64> {
    Some(field(path, key)?.split(' ').next()?.parse::<u64>().ok()? * 1024)
}

/// The value of the first line `key : value` of a file.
fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// The version of burn that this was compiled with.
pub fn burn_version() -> &'static str {
    include_str!("../../Cargo.lock")
        .split_once("name = \"burn\"\nversion = \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("of an unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_version_of_burn() {
        assert!(burn_version().starts_with(|first: char| first.is_ascii_digit()));
    }
}
