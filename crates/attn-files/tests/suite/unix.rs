//! What a file is besides its content, and what is no regular file.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use attn_files::write;
use tempfile::TempDir;

#[test]
fn the_permissions_of_what_is_replaced_stay() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    for mode in [0o640, 0o604, 0o755] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
    }
}

/// Only root may give files away; others have none of another owner to replace here.
#[test]
fn the_owner_of_what_is_replaced_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, "old").unwrap();
    if std::os::unix::fs::chown(&path, Some(1234), Some(2345)).is_err() {
        println!("skipped: this user may not give a file to another");
        return;
    }
    write(&path, b"new").unwrap();
    let new = fs::metadata(&path).unwrap();
    assert_eq!((new.uid(), new.gid()), (1234, 2345));
}

#[test]
fn a_new_file_has_the_permissions_that_any_program_gives_it() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("ours"), b"new").unwrap();
    fs::write(folder.path().join("theirs"), "new").unwrap();
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().mode();
    assert_eq!(mode("ours"), mode("theirs"));
}

#[test]
fn through_a_link_its_target_is_replaced() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("far")).unwrap();
    fs::write(at("far/there"), "old").unwrap();
    // A link to a link, both relative to their own folder; and one without a target.
    symlink("there", at("far/near")).unwrap();
    symlink("far/near", at("link")).unwrap();
    symlink("far/nothing", at("dangling")).unwrap();
    symlink("circle", at("circle")).unwrap();
    write(&at("link"), b"new").unwrap();
    write(&at("dangling"), b"made").unwrap();
    write(&at("circle"), b"new").unwrap_err();
    assert_eq!(fs::read(at("far/there")).unwrap(), b"new");
    assert_eq!(fs::read(at("far/nothing")).unwrap(), b"made");
    for link in ["link", "dangling", "far/near"] {
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
    }
    assert_eq!(fs::read_dir(at("far")).unwrap().count(), 3);
}

#[test]
fn what_is_no_regular_file_is_written_into() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut content = Vec::new();
            File::open(pipe).unwrap().read_to_end(&mut content).unwrap();
            content
        }
    });
    write(&pipe, b"into the pipe").unwrap();
    // First: a reader of a pipe that is gone would wait for ever.
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), b"into the pipe");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    // A device, by a link of ours: a rename would replace the link.
    let device = folder.path().join("null");
    symlink("/dev/null", &device).unwrap();
    write(&device, b"gone").unwrap();
    assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
}
