//! A folder that one process holds.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use attn_files::{FolderLock, LockError};
use tempfile::TempDir;

/// Names the folder in a process that the tests below start; without it, it is a test like the others.
const FOLDER: &str = "ATTN_FILES_LOCK_FOLDER";

/// The other process: holds a folder, says so, and waits until its input ends.
#[test]
fn other_process() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let lock = FolderLock::acquire(&folder);
    println!("\nheld: {}", lock.is_ok());
    std::io::stdin().lines().for_each(drop);
}

struct Other {
    child: Child,
    /// Open until the end: it has more to say.
    _output: BufReader<ChildStdout>,
    holds: bool,
}

impl Other {
    fn start(folder: &TempDir) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["lock::other_process", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map(Result::unwrap);
        let said = lines.find(|line| line.starts_with("held: "));
        Self { child, _output: output, holds: said.unwrap() == "held: true" }
    }

    /// Waiting closes its input.
    fn end(mut self) {
        self.child.wait().unwrap();
    }
}

#[test]
fn another_process_is_kept_out_until_this_one_lets_go() {
    let folder = TempDir::new().unwrap();
    let lock = FolderLock::acquire(folder.path()).unwrap();
    let same = FolderLock::acquire(&folder.path().join(".")).unwrap();
    drop(lock);
    let other = Other::start(&folder);
    assert!(!other.holds, "this process holds it still, by its second lock");
    other.end();
    drop(same);
    let other = Other::start(&folder);
    assert!(other.holds);
    other.end();
}

#[test]
fn a_lock_dies_with_its_process() {
    let folder = TempDir::new().unwrap();
    let mut other = Other::start(&folder);
    assert!(other.holds);
    let error = FolderLock::acquire(folder.path()).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("{} is in use by another process", folder.path().display())
    );
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    assert!(FolderLock::acquire(folder.path()).is_ok());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = FolderLock::acquire(&PathBuf::from("no/such/run")).unwrap_err();
    assert_eq!(error.to_string(), "cannot lock no/such/run");
}
