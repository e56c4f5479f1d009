//! `cargo xtask generate`: files that are derived from the code.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Folders of the repository in which every file is derived, so that others are left over.
const WHOLE: [&str; 3] = ["crates/augraft/completions", "crates/augraft/man", "plugins/strips"];

/// Options of `generate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fails when a file is not current instead of writing it.
    #[arg(long)]
    check: bool,
}

/// Has the program write the schema, the reference of the operators, completions and manual, and brings the repository up to them.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let fresh = workspace.target.join("generated");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("cannot empty {}", fresh.display()))?;
    }
    let mut command =
        process::cargo(workspace, "run --quiet --package augraft -- generate --photos pipelines/data/photos");
    process::run(command.arg(&fresh))?;
    let changes = changes(&fresh, &workspace.root)?;
    for (path, change) in &changes {
        if args.check {
            println!("{path}: {}", if change.is_some() { "is not current" } else { "is left over" });
        } else {
            apply(&workspace.root.join(path), change.as_deref())?;
            println!("{path}: {}", if change.is_some() { "written" } else { "removed" });
        }
    }
    match (changes.is_empty(), args.check) {
        (true, _) => println!("everything is current"),
        (false, true) => bail!("{} files are not current; run `cargo xtask generate`", changes.len()),
        (false, false) => {}
    }
    Ok(())
}

/// What differs between the fresh files and those of the repository: by path, what belongs there, or nothing for a file that is left over.
fn changes(fresh: &Path, root: &Path) -> anyhow::Result<BTreeMap<String, Option<Vec<u8>>>> {
    let written = files(fresh, "")?;
    ensure!(!written.is_empty(), "nothing was written to {}", fresh.display());
    let mut changes = BTreeMap::new();
    for folder in WHOLE.iter().filter(|folder| root.join(folder).is_dir()) {
        let left = files(&root.join(folder), &format!("{folder}/"))?;
        changes.extend(left.into_iter().filter(|path| !written.contains(path)).map(|path| (path, None)));
    }
    for path in written {
        let bytes = fs::read(fresh.join(&path)).with_context(|| format!("cannot read {path}"))?;
        if fs::read(root.join(&path)).is_ok_and(|old| old == bytes) {
            continue;
        }
        changes.insert(path, Some(bytes));
    }
    Ok(changes)
}

/// Every file below a folder, as `prefix` and its path with `/`.
fn files(folder: &Path, prefix: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/"))?);
        } else {
            found.push(name);
        }
    }
    Ok(found)
}

fn apply(path: &Path, content: Option<&[u8]>) -> anyhow::Result<()> {
    let done = match content {
        None => fs::remove_file(path),
        Some(bytes) => path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, bytes)),
    };
    done.with_context(|| format!("cannot bring {} up to date", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_brought_up_to_date_and_what_is_left_over_goes() {
        let folder = std::env::temp_dir().join(format!("augraft-generate-{}", std::process::id()));
        let (fresh, root) = (folder.join("fresh"), folder.join("root"));
        for (path, text) in [
            ("fresh/plugins/strips/a.png", "a"),
            ("fresh/plugins/OPERATORS.md", "new"),
            ("root/plugins/strips/a.png", "a"),
            ("root/plugins/strips/b.png", "b"),
            ("root/plugins/OPERATORS.md", "old"),
            ("root/plugins/README.md", "kept"),
        ] {
            apply(&folder.join(path), Some(text.as_bytes())).unwrap();
        }
        let found = changes(&fresh, &root).unwrap();
        let expected =
            [("plugins/OPERATORS.md".to_owned(), Some(b"new".to_vec())), ("plugins/strips/b.png".to_owned(), None)];
        assert_eq!(found, BTreeMap::from(expected));
        for (path, change) in &found {
            apply(&root.join(path), change.as_deref()).unwrap();
        }
        assert!(changes(&fresh, &root).unwrap().is_empty());
        assert_eq!(fs::read(root.join("plugins/README.md")).unwrap(), b"kept");
        fs::remove_dir_all(&folder).unwrap();
    }
}
