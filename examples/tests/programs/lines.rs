//! Lines of standard input, answered as they come.

use std::io::Write;
use std::process::Stdio;

use crate::program::{Desk, end, read_line, text};

#[test]
fn a_line_is_answered_while_the_input_stays_open() {
    let desk = Desk::with_run();
    let mut child = desk.translate(&["--model", "run"]).stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for sentence in ["ab 1", "cde 2"] {
        writeln!(input, "{sentence}").unwrap();
        let answer = read_line(&mut output);
        let alone = desk.translate(&["--model", "run", sentence]).output().unwrap();
        assert_eq!(answer, text(&alone.stdout).trim_end());
    }
    drop(input);
    assert_eq!(end(&child.wait_with_output().unwrap()), (0, String::new()));
}

/// With `--window 2` the first line waits for the second.
#[test]
fn a_window_waits_for_its_lines() {
    let desk = Desk::with_run();
    let command = ["--model", "run", "--window", "2"];
    let mut child = desk.translate(&command).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ab 1\ncde 2\n").unwrap();
    let mut output = child.stdout.take().unwrap();
    read_line(&mut output);
    read_line(&mut output);
    input.write_all(b"ab 1\n").unwrap();
    drop(input);
    read_line(&mut output);
    assert_eq!(end(&child.wait_with_output().unwrap()), (0, String::new()));
}
