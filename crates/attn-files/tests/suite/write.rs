//! Replacing files.

use std::fs;
use std::path::Path;

use attn_files::write;
use tempfile::TempDir;

fn count(folder: &TempDir) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_file_is_replaced_and_nothing_is_left_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    write(&path, b"old and long").unwrap();
    write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(count(&folder), 1);
}

/// A folder in the way is refused, whoever runs the test.
#[test]
fn a_failure_leaves_the_old_content_and_no_new_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), b"old").unwrap();
    write(&path, b"new").unwrap_err();
    assert_eq!(fs::read(path.join("inside")).unwrap(), b"old");
    assert_eq!(count(&folder), 1);
    write(&folder.path().join("missing/config.json"), b"new").unwrap_err();
    write(&folder.path().join(".."), b"new").unwrap_err();
    write(Path::new("/"), b"new").unwrap_err();
    assert_eq!(count(&folder), 1);
}
