//! Which files lie where.

use std::fs;
use std::path::Path;

use anyhow::Context;

/// What the top level may hold besides names with a leading dot and ignored names.
const TOP_LEVEL: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "crates",
    "out",
    "pipelines",
    "plugins",
    "target",
    "tests",
];
const IMAGES: &[&str] = &["bmp", "gif", "jpeg", "jpg", "png", "webp"];
const IMAGE_FOLDERS: &[&str] = &["fixtures", "snapshots", "tests"];
const MAX_IMAGE_BYTES: u64 = 20 * 1024;

/// A file of the repository.
pub(super) struct File {
    /// The path from the root of the workspace, with `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
}

/// Returns the plain names of a `.gitignore`; patterns are left out.
pub(super) fn ignored(gitignore: &str) -> Vec<String> {
    let names = gitignore.lines().map(|line| line.trim().trim_matches('/'));
    names.filter(|name| !name.is_empty() && !name.contains(['*', '#', '!', '/'])).map(str::to_owned).collect()
}

/// Lists the files below `root` in a stable order, without ignored names and names with a leading dot.
///
/// The folder is walked instead of asking git, so that the check works on an unpacked archive too.
pub(super) fn files(root: &Path, ignored: &[String]) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in names(&root.join(&folder))? {
            if name.starts_with('.') || ignored.contains(&name) {
                continue;
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let metadata = fs::symlink_metadata(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                files.push(File { path, bytes: metadata.len() });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Lists the names in a folder in a stable order.
pub(super) fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names: anyhow::Result<Vec<_>> =
        listing.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    let mut names = names?;
    names.sort();
    Ok(names)
}

/// Returns every name of the top level that belongs somewhere else.
pub(super) fn top_level_problems(names: &[String], ignored: &[String]) -> Vec<String> {
    let allowed = |name: &String| name.starts_with('.') || TOP_LEVEL.contains(&name.as_str()) || ignored.contains(name);
    let strays = names.iter().filter(|name| !allowed(name));
    strays.map(|name| format!("{name}: does not belong on the top level; move it, or add it to .gitignore")).collect()
}

/// Returns a problem when the file is an image for tests that is too large to keep in history.
pub(super) fn image_problem(file: &File) -> Option<String> {
    let (folder, name) = file.path.rsplit_once('/')?;
    let (_, extension) = name.rsplit_once('.')?;
    let checked = IMAGES.contains(&extension.to_ascii_lowercase().as_str())
        && folder.split('/').any(|part| IMAGE_FOLDERS.contains(&part));
    (checked && file.bytes > MAX_IMAGE_BYTES)
        .then(|| format!("{}: {} bytes; images for tests have at most {MAX_IMAGE_BYTES}", file.path, file.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_of_gitignore_are_ignored() {
        assert_eq!(ignored("target/\n/out\n# note\n*.log\n!keep\n\na/b\n"), ["target", "out"]);
    }

    #[test]
    fn a_stray_on_the_top_level_is_found() {
        let names = ["Cargo.toml", ".ci", "venv", "notes.txt", "rustfmt.toml"].map(str::to_owned);
        let problems = top_level_problems(&names, &["venv".to_owned()]);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with("notes.txt: ") && problems[1].starts_with("rustfmt.toml: "));
    }

    #[test]
    fn a_large_image_for_tests_is_found() {
        let file = |path: &str, bytes| File { path: path.to_owned(), bytes };
        assert!(image_problem(&file("tests/snapshots/mix.png", 20_480)).is_none());
        assert!(image_problem(&file("tests/snapshots/mix.png", 20_481)).is_some());
        assert!(image_problem(&file("crates/augraft-data/tests/data/fixtures/a.JPG", 30_000)).is_some());
        assert!(image_problem(&file("pipelines/data/photos/a.jpg", 30_000)).is_none());
        assert!(image_problem(&file("tests/src/large.rs", 30_000)).is_none());
    }

    #[test]
    fn the_walk_leaves_out_what_is_ignored() {
        let root = std::env::temp_dir().join(format!("augraft-xtask-walk-{}", std::process::id()));
        for path in ["b/c.rs", "a.rs", ".git/x", "b/target/y"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        let found = files(&root, &["target".to_owned()]).unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.rs", "b/c.rs"]);
    }
}
