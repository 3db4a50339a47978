//! Signals that ask a program to end.

use std::process::{Command, Stdio};

use crate::program::{Desk, end, from_a_terminal, kill, until};

/// Training ends with 128 and the number of the signal, is saved, and can be gone on with.
#[test]
fn every_signal_that_asks_for_the_end_saves() {
    for (signal, status) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let desk = Desk::new(1_000_000);
        let child = from_a_terminal(&desk.training("run")).spawn().unwrap();
        desk.wait_for_steps("run");
        kill(&child, signal);
        let (found, said) = end(&child.wait_with_output().unwrap());
        assert_eq!(found, status, "{signal}: {said}");
        assert!(said.contains("--resume --out run"), "{said}");
        assert!(desk.is_saved("run"));
        let resumed = desk.translate(&["--resume", "--out", "run", "--max-minutes", "0.0001"]);
        let (found, said) = end(&{ resumed }.output().unwrap());
        assert_eq!(found, 0, "{said}");
    }
}

/// `nohup` has SIGHUP ignored, so that a program outlives its terminal.
#[test]
#[cfg(target_os = "linux")]
fn an_ignored_signal_stays_ignored() {
    let desk = Desk::new(1_000_000);
    let training = desk.training("run");
    let mut command = Command::new("nohup");
    command.arg(training.get_program()).args(training.get_args()).current_dir(desk.path(""));
    let pipe = Stdio::piped;
    let child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    desk.wait_for_steps("run");
    let before = desk.read("run/metrics.jsonl").len();
    kill(&child, "-HUP");
    until(|| desk.read("run/metrics.jsonl").len() > before + 2000);
    kill(&child, "-TERM");
    assert_eq!(end(&child.wait_with_output().unwrap()).0, 143);
}
