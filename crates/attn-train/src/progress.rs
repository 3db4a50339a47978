//! The progress bar.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether a progress bar is drawn on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Progress {
    /// If standard error is a terminal.
    #[default]
    Auto,
    /// Never.
    Hidden,
}

/// A bar over the steps of a run.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar of `steps` steps, of which `done` were taken before now.
    pub(crate) fn new(progress: Progress, done: usize, steps: usize) -> Self {
        let target = match progress {
            Progress::Auto => ProgressDrawTarget::stderr(),
            Progress::Hidden => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} | {eta} left")
            .expect("the template is valid");
        bar.set_style(style);
        bar.set_position(done as u64);
        // Steps of an earlier process say nothing about the speed of this one.
        bar.reset_eta();
        Self(bar)
    }

    /// One more step has been taken.
    pub(crate) fn step(&self, loss: f64, learning_rate: f64, tokens_per_second: f64) {
        if !self.0.is_hidden() {
            self.0.set_message(format!(
                "loss {loss:.4} | rate {learning_rate:.2e} | {tokens_per_second:.0} tokens/s"
            ));
        }
        self.0.inc(1);
    }

    /// A line above the bar, which stays.
    pub(crate) fn note(&self, line: &str) {
        self.0.println(line);
    }
}

impl Drop for Bar {
    /// Leaves the terminal clean, also when a run ends in an error.
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
