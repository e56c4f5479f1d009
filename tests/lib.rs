//! What the whole-program tests share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder of large data that some tests use; says that `test` is skipped without it.
#[must_use]
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AUGRAFT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped {test}: AUGRAFT_SHARED is not set");
    }
    folder
}

/// Runs the program `binary` with `arguments` in `folder`.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(binary: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary).current_dir(folder).args(arguments).output().expect("the program starts")
}
