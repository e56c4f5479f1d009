//! What the commands that install Python wheels share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The programs that may be a Python, in the order in which they are tried; Windows installers put only `python` on the path.
const PROGRAMS: [&str; 6] = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"];

/// A folder that is removed when it goes out of scope, on the file system of its parent so files can be renamed.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// Makes a folder for what becomes `name` in `parent`.
    pub(crate) fn new(parent: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = parent.join(format!("{name}.{}.partial", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on the removal: the folder lies in the build folder and has a name of its own.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the first Python 3 that starts, is at least 3.`oldest` and has pip.
pub(crate) fn python(oldest: u32) -> anyhow::Result<&'static str> {
    let answers = |program: &str, arguments: &[&str]| {
        let command = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        command.is_ok_and(|status| status.success())
    };
    let is_new_enough = format!("import sys; sys.exit(sys.version_info < (3, {oldest}))");
    let found: Vec<&str> = PROGRAMS.into_iter().filter(|program| answers(program, &["-c", &is_new_enough])).collect();
    let Some(first) = found.first() else {
        bail!("no Python 3.{oldest} or newer was found; it fetches the wheels. Install one with pip");
    };
    let has_pip = |program: &&str| answers(program, &["-m", "pip", "--version"]);
    found.iter().copied().find(has_pip).with_context(|| {
        format!("`{first} -m pip` does not work; it fetches the wheels. Install pip, for example with `{first} -m ensurepip`")
    })
}

/// Moves the complete folder into place, so that no reader ever sees half of it.
///
/// `is_installed` says whether another process installed the same in the meantime.
pub(crate) fn replace(staged: &Path, folder: &Path, is_installed: impl Fn() -> bool) -> anyhow::Result<()> {
    if folder.exists() {
        // Out of the way first: a folder with files in it cannot be renamed over. It goes with the scratch folder.
        let _ = fs::rename(folder, staged.with_extension("replaced"));
    }
    let moved = fs::rename(staged, folder);
    if moved.is_err() && is_installed() {
        return Ok(());
    }
    moved.with_context(|| format!("cannot write {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_folder_is_complete_and_the_old_one_gone() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "replaced").unwrap();
        let (folder, staged) = (scratch.0.join("onnxruntime"), scratch.0.join("ready"));
        for (path, version) in [(&folder, "1.0.0"), (&staged, "2.0.0")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("VERSION"), version).unwrap();
        }
        replace(&staged, &folder, || false).unwrap();
        assert_eq!(fs::read_to_string(folder.join("VERSION")).unwrap(), "2.0.0");
        assert!(!staged.exists());
    }

    #[test]
    fn a_folder_that_another_process_installed_stays() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "raced").unwrap();
        let (folder, missing) = (scratch.0.join("folder"), scratch.0.join("missing"));
        assert!(replace(&missing, &folder, || true).is_ok());
        assert!(replace(&missing, &folder, || false).is_err());
    }

    #[test]
    fn a_scratch_folder_goes_away() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "gone").unwrap();
        let path = scratch.0.clone();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_python_that_does_not_exist_is_asked_for() {
        let error = python(999).unwrap_err().to_string();
        assert!(error.starts_with("no Python 3.999 or newer"), "{error}");
    }
}
