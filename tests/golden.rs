//! What pipelines draw and compute is held by snapshots: changed pixels for the same seed are a breaking change.
//!
//! Each operator is held by `golden.snap` in its fixture folder, which the tests of the plugins read.

use std::path::PathBuf;

use augraft_tests::{run, workspace};

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Pipelines that have a snapshot beside them.
fn golden() -> Vec<PathBuf> {
    let folders = ["tests/golden", "pipelines"].map(|folder| workspace().join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let snapshots =
        files.map(|file| file.expect("a file").path()).filter(|file| file.extension().is_some_and(|end| end == "snap"));
    snapshots.map(|snapshot| snapshot.with_extension("")).collect()
}

#[test]
fn pipelines_draw_and_compute_what_they_did() {
    let golden = golden();
    assert!(golden.len() >= 3, "{golden:?}");
    for pipeline in golden {
        let checked = run(PROGRAM, workspace(), &["snapshot", "--check", &pipeline.to_string_lossy()]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
