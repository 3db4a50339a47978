//! Ctrl-C as a wish: the work in hand is finished and saved first.

use attn_train::StopSignal;

use crate::exit::INTERRUPTED;

/// A signal that the first Ctrl-C gives; the second one ends the program at once.
///
/// # Errors
///
/// Fails if the system takes no handler, or a handler is there already.
pub fn on_ctrl_c() -> Result<StopSignal, ctrlc::Error> {
    let signal = StopSignal::new();
    let given = signal.clone();
    ctrlc::set_handler(move || {
        if given.is_stopped() {
            std::process::exit(INTERRUPTED.into());
        }
        given.stop();
        eprintln!("\nfinishing this step; press Ctrl-C again to stop without saving");
    })?;
    Ok(signal)
}
