//! A program that was built, and a folder with a small text for it.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A command of an example of this build. Its standard streams are pipes.
pub fn program(name: &str) -> Command {
    // The tests lie in target/debug/deps, the examples in target/debug/examples.
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().join("examples");
    let path = folder.join(name);
    let built = fs::metadata(&path).and_then(|file| file.modified());
    let built = built.unwrap_or_else(|error| {
        panic!("{}: {error}: build it with `cargo build --examples`", path.display())
    });
    let source = newest(Path::new(env!("CARGO_MANIFEST_DIR")))
        .max(newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/attn-pipelines/src")));
    assert!(
        built >= source,
        "{} is older than its source: build it with `cargo build --examples`",
        path.display()
    );
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// When the newest of the sources of a folder was changed, those of tests aside.
fn newest(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let changed = if path.is_dir() && path.file_name() != Some(OsStr::new("tests")) {
            self::newest(&path)
        } else if path.extension() == Some(OsStr::new("rs")) {
            entry.metadata().and_then(|file| file.modified()).unwrap()
        } else {
            continue;
        };
        newest = newest.max(changed);
    }
    newest
}

/// A folder with a small text and a config for a small model.
pub struct Desk(tempfile::TempDir);

impl Desk {
    /// A model that is trained for so many steps.
    pub fn new(steps: usize) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let line = |n: usize| {
            let word = "abcdefghij".repeat(2)[n % 10..][..2 + n % 4].to_owned();
            format!("{word} {n}\t{n} {}\n", word.to_uppercase())
        };
        desk.write("train.tsv", (0..40).map(line).collect::<String>());
        desk.write("valid.tsv", (40..47).map(line).collect::<String>());
        desk.write(
            "small.json",
            format!(
                r#"{{
                    "model": {{
                        "encoder_layers": 1, "decoder_layers": 1,
                        "block": {{"d_model": 8, "heads": 2, "d_ff": 12}}
                    }},
                    "max_len": {{"source": 20, "target": 20}},
                    "training": {{
                        "max_steps": {steps}, "patience": null,
                        "batch_tokens": 60, "eval_every": 2, "log_every": 1
                    }}
                }}"#
            ),
        );
        desk
    }

    /// With a trained model in `run`.
    pub fn with_run() -> Self {
        let desk = Self::new(4);
        let output = desk.training("run").output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command that trains in the folder `out`.
    pub fn training(&self, out: &str) -> Command {
        let mut command = program("translate");
        command
            .current_dir(self.0.path())
            .args(["--train", "train.tsv", "--valid", "valid.tsv", "--config", "small.json"])
            .args(["--tokenizer", "characters", "--out", out]);
        command
    }

    /// The program with such arguments, in the folder.
    pub fn translate(&self, arguments: &[&str]) -> Command {
        let mut command = program("translate");
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// Waits until a training in `out` has evaluated and logged.
    pub fn wait_for_steps(&self, out: &str) {
        let log = self.path(out).join("metrics.jsonl");
        until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains("\"valid\"")));
    }

    /// Whether there is a checkpoint in `out`.
    pub fn is_saved(&self, out: &str) -> bool {
        let checkpoints = fs::read_dir(self.path(out).join("checkpoints"));
        checkpoints.is_ok_and(|mut entries| entries.next().is_some())
    }
}

/// Waits for something that comes within a minute, if it comes.
pub fn until(mut there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not come");
        thread::sleep(Duration::from_millis(5));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit status and what was said on standard error; a signal that killed it is negative.
pub fn end(output: &Output) -> (i32, String) {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
    (status, text(&output.stderr))
}

/// Sends a signal, as `kill` does.
pub fn kill(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Reads until the next line end.
pub fn read_line(reader: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    text(&line)
}

/// The command with the signals that a terminal leaves to it: a script has what it begins in the
/// background ignore SIGINT, and that is inherited down to this test.
pub fn from_a_terminal(command: &Command) -> Command {
    let mut all = if cfg!(target_os = "linux") {
        let mut env = Command::new("env");
        env.arg("--default-signal=INT,TERM,HUP").arg(command.get_program());
        env
    } else {
        Command::new(command.get_program())
    };
    all.args(command.get_args()).current_dir(command.get_current_dir().expect("that of a desk"));
    all.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    all
}
