//! PyTorch's side: what its own profiler says.

use super::{Looked, Part, Seconds};
use crate::contest::{Side, SideError, Work, median};
use crate::pytorch::Pytorch;
use crate::setting::Setting;
use std::collections::BTreeMap;
use std::path::Path;

/// The same of PyTorch, by `torch.profiler`: the time of each operation without those that it
/// calls, on the thread that leads the step. It does not know of waiting.
///
/// # Errors
/// If PyTorch does not start, fails, or names a part that is none.
pub fn look(python: &Path, setting: &Setting, steps: usize) -> Result<Looked, SideError> {
    let mut side = Pytorch::start(python, setting)?;
    side.run(Work::Train)?;
    let times = (0..steps)
        .map(|_| side.run(Work::Train).map(|time| time.as_secs_f64()))
        .collect::<Result<Vec<_>, _>>()?;
    let answer = side.profile(steps)?;
    let failed = |reason: String| SideError { side: side.name(), reason };
    let named: BTreeMap<String, f64> = serde_json::from_str(&answer)
        .map_err(|error| failed(format!("answered {answer:?} instead of parts: {error}")))?;
    let mut parts = Seconds::default();
    for (name, seconds) in named {
        let part = Part::ALL.into_iter().find(|part| part.name() == name);
        let part = part.ok_or_else(|| failed(format!("{name:?} is no part of a step")))?;
        parts[part as usize] += seconds;
    }
    Ok(Looked::new(side.name(), median(&times), parts))
}
