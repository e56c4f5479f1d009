//! `cargo xtask tidy`: the rules of the repository that no compiler knows.

mod circles;
mod crates;
mod manifest;
mod mask;
mod source;
mod tree;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, bail};

use crate::workspace::Workspace;

/// Checks every rule and reports all problems together.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let problems = problems(workspace)?;
    if problems.is_empty() {
        println!("tidy: no problems");
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!("tidy found {} problem(s)", problems.len());
}

fn problems(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let ignored = tree::ignored(&fs::read_to_string(workspace.root.join(".gitignore")).unwrap_or_default());
    let crates: Vec<_> =
        workspace.packages.iter().map(|package| crates::Crate::new(package, &workspace.root)).collect();
    let files = tree::files(&workspace.root, &ignored)?;

    let mut problems = tree::top_level_problems(&tree::names(&workspace.root)?, &ignored);
    problems.extend(crates::problems(&crates));
    let mut facade = String::new();
    let mut sources: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for file in &files {
        let absolute = workspace.root.join(&file.path);
        problems.extend(tree::image_problem(file));
        if !source::is_text(&file.path) {
            continue;
        }
        let text = fs::read_to_string(&absolute).with_context(|| format!("cannot read {}", absolute.display()))?;
        if file.path.starts_with("crates/augraft/src/") {
            facade.push_str(&mask::mask(&text).code);
        }
        if crates.iter().any(|of_crate| of_crate.manifest == file.path) {
            problems.extend(manifest::problems(&file.path, &text));
        }
        problems.extend(source::problems(&file.path, &text));
        let owner = crates.iter().find_map(|of_crate| of_crate.source(&file.path));
        if let Some((folder, below)) = owner.filter(|(_, below)| source::is_module(below)) {
            sources.entry(folder).or_default().push((below, text));
        }
    }
    for (folder, files) in &sources {
        problems.extend(circles::problems(folder, files)?);
    }
    problems.extend(crates::link_problems(&crates, &facade));
    Ok(problems)
}
