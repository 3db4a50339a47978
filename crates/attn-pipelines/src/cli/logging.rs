//! Where the events of the libraries go.

use std::io;

use tracing::level_filters::LevelFilter;

/// Writes events on standard error: warnings and errors, and with `verbose` what goes on as well.
/// A second call changes nothing.
pub(super) fn install(verbose: bool) {
    let level = if verbose { LevelFilter::INFO } else { LevelFilter::WARN };
    // An error here means that a subscriber is there already: the caller's own is as good.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .without_time()
        // It would tell of a standard error that cannot be written on standard error, and panic.
        .log_internal_errors(false)
        .try_init();
}
