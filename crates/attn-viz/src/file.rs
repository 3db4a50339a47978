//! Writing a file whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes beside `path`, syncs, and renames: whoever reads `path`, at any time, finds a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    // In the same folder, since a rename is atomic only within one file system.
    let mut beside = name.to_os_string();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use crate::{AlignmentPicture, PictureError};
    use std::error::Error;
    use std::fs;

    fn picture() -> AlignmentPicture {
        AlignmentPicture::new(1, ["a"], ["b"], vec![1.0]).unwrap()
    }

    #[test]
    fn the_file_is_the_document_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.svg");
        fs::write(&path, "an older one").unwrap();
        picture().save(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), picture().to_svg());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing/picture.svg"), folder.path().join("..")] {
            let error = picture().save(&path).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
            assert!(matches!(error, PictureError::Write { .. }) && error.source().is_some());
        }
        // A folder is in the way: the rename fails, and what was written beside it is gone.
        let taken = folder.path().join("taken.svg");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), "").unwrap();
        picture().save(&taken).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
