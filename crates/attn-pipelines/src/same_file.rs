//! Files that are to be written, and files that are read.

use std::fs;
use std::path::Path;

use crate::Error;

/// Refuses to write over a file that is read, by whatever name; `what` says what it is.
///
/// # Errors
///
/// [`Error::OwnInput`] if both are one file.
pub(crate) fn refuse(output: &Path, input: &Path, what: &'static str) -> Result<(), Error> {
    if is_same(output, input) {
        return Err(Error::OwnInput { path: output.into(), what });
    }
    Ok(())
}

/// Whether both are there and are one regular file: by links, hard links, or another way to the folder.
/// A device may be read and written, too.
fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |path: &Path| {
            let file = fs::metadata(path).ok().filter(|file| file.is_file())?;
            Some((file.dev(), file.ino()))
        };
        identity(one).is_some_and(|one| Some(one) == identity(other))
    }
    #[cfg(not(unix))]
    {
        let identity = |path: &Path| fs::canonicalize(path).ok();
        identity(one).is_some_and(|one| Some(one) == identity(other))
    }
}

/// Refuses to write results over a file that the program reads.
///
/// # Errors
///
/// [`Error::OwnInput`] if both are one file, by whatever name.
pub fn refuse_own_input(output: &Path, input: &Path) -> Result<(), Error> {
    refuse(output, input, "read, too")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_itself_by_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, link, hard] = ["a", "b", "link", "hard"].map(|name| folder.path().join(name));
        fs::write(&a, "").unwrap();
        fs::write(&b, "").unwrap();
        fs::hard_link(&a, &hard).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&a, &link).unwrap();
        #[cfg(not(unix))]
        fs::hard_link(&a, &link).unwrap();
        for name in [&a, &link, &hard, &folder.path().join("./a")] {
            let error = refuse(name, &a, "the file of test pairs").unwrap_err().to_string();
            assert!(error.contains(" is the file of test pairs: writing"), "{error}");
            refuse(name, &b, "another").unwrap();
        }
        refuse(&folder.path().join("new"), &folder.path().join("new"), "none yet").unwrap();
    }
}
