//! Signals that ask a program to end: the step in hand is finished and saved first.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use attn_train::StopSignal;

/// The number of SIGINT, which Ctrl-C sends.
const INTERRUPT: i32 = 2;

/// The signal that asked for the end.
static RECEIVED: AtomicI32 = AtomicI32::new(INTERRUPT);

/// The exit status of a program that a signal ended: 128 and the number of the signal, as shells
/// have it.
pub(crate) fn status() -> u8 {
    u8::try_from(128 + RECEIVED.load(Ordering::Relaxed)).unwrap_or(u8::MAX)
}

/// What the user is told.
const NOTICE: &str = "finishing this step; press Ctrl-C again to stop without saving";

/// A signal that is given by the first Ctrl-C (SIGINT), by what a scheduler sends to end a job
/// (SIGTERM) and by a terminal that is closed (SIGHUP). A second Ctrl-C ends the program at once.
///
/// What is ignored when the program starts stays ignored: `nohup` ignores SIGHUP, so that the program
/// outlives its terminal.
///
/// # Errors
///
/// Fails if the system takes no handler.
#[cfg(unix)]
pub(super) fn stop_signal() -> io::Result<StopSignal> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let signal = StopSignal::new();
    let given = signal.clone();
    let ignored = ignored();
    let caught = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|n| ignored >> (n - 1) & 1 == 0);
    let mut signals = Signals::new(caught)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for number in signals.forever() {
            if given.is_stopped() {
                // Schedulers send SIGHUP behind SIGTERM: only a person sends SIGINT twice.
                if number == SIGINT {
                    std::process::exit(128 + number);
                }
                continue;
            }
            RECEIVED.store(number, Ordering::Relaxed);
            given.stop();
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("\n{NOTICE}\n"));
        }
    })?;
    Ok(signal)
}

/// The signals that this process ignores, as bits; none where the system does not say.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A signal that is given by the first Ctrl-C; the second one ends the program at once.
///
/// # Errors
///
/// Fails if the system takes no handler.
#[cfg(not(unix))]
pub(super) fn stop_signal() -> io::Result<StopSignal> {
    let signal = StopSignal::new();
    let given = signal.clone();
    ctrlc::set_handler(move || {
        if given.is_stopped() {
            std::process::exit(128 + INTERRUPT);
        }
        given.stop();
        let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("\n{NOTICE}\n"));
    })
    .map_err(io::Error::other)?;
    Ok(signal)
}

/// Lets a file that grows beyond its limit (`ulimit -f`) fail the write, in place of ending the
/// process.
///
/// # Errors
///
/// Fails if the system takes no handler.
pub(super) fn fail_writes_beyond_the_limit() -> io::Result<()> {
    #[cfg(unix)]
    {
        let unread = std::sync::Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unread)?;
    }
    Ok(())
}
