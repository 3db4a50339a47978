//! Our side: samples of the stack of the thread that leads a training step.

use super::{Looked, Part, Seconds};
use crate::contest::{SideError, Work, median};
use crate::setting::Setting;
use crate::sides::Contestant;
use pprof::{Frames, ProfilerGuardBuilder};
use std::thread;
use std::time::Instant;

/// Name of the thread that leads the steps.
const LEADER: &str = "step";

/// Samples a second of processor time: a prime, so that they do not keep step with what they look at.
const FREQUENCY: i32 = 997;

/// Takes `steps` training steps that are timed, and as many that are looked at.
///
/// Every kernel is begun by the thread that calls it, and all threads end it together: where that
/// thread spends its time is where the step spends it. What it takes no samples in, it waits.
///
/// # Errors
/// If the side fails, or the system lets nobody look.
pub fn look(contestant: &Contestant, setting: &Setting, steps: usize) -> Result<Looked, SideError> {
    let failed = |reason: String| SideError { side: "this workspace".into(), reason };
    let lead = || -> Result<Looked, SideError> {
        let mut side = contestant.open(setting)?;
        let mut step = || side.run(Work::Train).map(|time| time.as_secs_f64());
        step()?;
        let times = (0..steps).map(|_| step()).collect::<Result<Vec<_>, _>>()?;
        let guard = ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (start, before) = (Instant::now(), processor_time());
        (0..steps).try_for_each(|_| step().map(drop))?;
        let (wall, after) = (start.elapsed().as_secs_f64(), processor_time());
        let report = guard.report().build().map_err(|error| failed(error.to_string()))?;

        let mut parts = Seconds::default();
        for (frames, &count) in
            report.data.iter().filter(|(frames, _)| frames.thread_name == LEADER)
        {
            parts[part_of(frames) as usize] += count as f64;
        }
        let samples: f64 = parts.iter().sum();
        if samples == 0.0 {
            return Err(failed("no sample was taken: more steps take longer".into()));
        }
        let busy =
            before.zip(after).map(|(before, after)| after - before).filter(|&busy| busy > 0.0);
        let busy = busy.unwrap_or(wall);
        parts = parts.map(|count| count / samples * busy);
        parts[Part::Waiting as usize] = (wall - busy).max(0.0);
        Ok(Looked::new(side.name(), median(&times), parts))
    };
    thread::scope(|scope| {
        let leader = thread::Builder::new().name(LEADER.into()).spawn_scoped(scope, lead);
        let leader = leader.map_err(|error| failed(error.to_string()))?;
        leader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Seconds that this thread has had a processor; `None` where the system does not say.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

fn part_of(frames: &Frames) -> Part {
    // From the function that was sampled outwards; the outermost kernel is the one that was called.
    let names =
        frames.frames.iter().rev().flat_map(|frame| frame.iter().rev()).map(|symbol| symbol.name());
    names.filter_map(|name| Part::of_function(&name)).next().unwrap_or(Part::Rest)
}
