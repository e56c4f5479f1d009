//! `cargo xtask fuzz`: mutated models against everything that reads or rewrites models.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::process;
use crate::workspace::Workspace;

/// Options of `fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long it runs.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Which mutants it makes; the same seed makes the same ones in the same order.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the fuzzer of `augraft-onnx` over the bundled models, and those of the folder that `AUGRAFT_SHARED` names.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let mut files = models(&workspace.root.join("pipelines/models"))?;
    if let Some(shared) = std::env::var_os("AUGRAFT_SHARED") {
        files.extend(models(&PathBuf::from(shared).join("models"))?);
    }
    let mut command = process::cargo(workspace, "run --release --locked --package augraft-onnx --example fuzz --");
    command.args(["--seconds", &(args.minutes * 60).to_string(), "--seed", &args.seed.to_string()]).args(files);
    println!("==> {}", process::line(&command));
    process::run(&mut command)
}

/// Returns the models of a folder in the order of their names.
fn models(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = listing.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|file| file.extension() == Some(OsStr::new("onnx")));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_in_order() {
        let folder = std::env::temp_dir().join(format!("augraft-xtask-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["b.onnx", "a.onnx", "README.md"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(models(&folder).unwrap(), [folder.join("a.onnx"), folder.join("b.onnx")]);
        fs::remove_dir_all(&folder).unwrap();
        assert!(models(&folder).is_err());
    }
}
