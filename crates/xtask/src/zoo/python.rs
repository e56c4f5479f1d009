//! The Python that exports models of timm and gives the second opinions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::pins::{CONSTRAINTS, Exported, PACKAGES};
use crate::process;
use crate::wheels::{Scratch, python};

const EXPORT: &str = include_str!("export.py");

/// The oldest Python 3 that all pins have wheels for.
const OLDEST: u32 = 11;

/// A Python with `onnx` and `onnxruntime`.
pub(super) struct Python {
    program: PathBuf,
    packages: Option<PathBuf>,
}

impl Python {
    /// The one of `cargo xtask python`, which needs no further download.
    pub(super) fn of_tests(target: &Path) -> anyhow::Result<Self> {
        let packages = target.join("python");
        let program = fs::read_to_string(packages.join("PYTHON")).context("run `cargo xtask python` first")?;
        Ok(Self { program: program.trim().into(), packages: Some(packages) })
    }

    /// The virtual environment in `zoo/venv`, which is made unless it is there.
    pub(super) fn installed(zoo: &Path, offline: bool) -> anyhow::Result<Self> {
        let folder = zoo.join("venv");
        let stamp = [PACKAGES, CONSTRAINTS].concat().join("\n");
        let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let found = Self { program, packages: None };
        if fs::read_to_string(folder.join("PINS")).is_ok_and(|recorded| recorded == stamp) {
            return Ok(found);
        }
        ensure!(!offline, "{} is not there; leave out --offline", folder.display());
        println!(
            "==> installing {} with pip; where pip knows no index with torch for the CPU alone, that is 6 GB",
            PACKAGES.join(", ")
        );
        process::run(Command::new(python(OLDEST)?).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let constraints = folder.join("constraints");
        fs::write(&constraints, CONSTRAINTS.join("\n"))?;
        let mut pip = Command::new(&found.program);
        // Nothing is kept for later: the cache would be as large again.
        pip.args(
            "-m pip install --quiet --only-binary=:all: --no-cache-dir --disable-pip-version-check --constraint"
                .split(' '),
        )
        .arg(&constraints)
        .args(PACKAGES);
        process::run(&mut pip).context(
            "pip could not install the exporters: its message is above. The package index must be reachable (proxy, PIP_INDEX_URL)",
        )?;
        fs::write(folder.join("PINS"), stamp)?;
        Ok(found)
    }

    /// A command that runs a script with these arguments.
    pub(super) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(script);
        if let Some(packages) = &self.packages {
            command.env("PYTHONPATH", packages);
        }
        command
    }

    /// Exports a model of timm into `zoo/models`, unless it is there.
    pub(super) fn export(&self, zoo: &Path, model: &Exported, exporter: &str) -> anyhow::Result<()> {
        let name = format!("{}-{exporter}", model.name);
        let models = zoo.join("models");
        let stamp = zoo.join("exports").join(&name);
        let contents = [&[EXPORT, "\n", &model.size.to_string(), "\n"], PACKAGES, CONSTRAINTS].concat().join("\n");
        let is_there = models.join(format!("{name}.onnx")).is_file();
        if is_there && fs::read_to_string(&stamp).is_ok_and(|recorded| recorded == contents) {
            return Ok(());
        }
        println!("==> exporting {name}");
        fs::create_dir_all(zoo.join("exports"))?;
        let scratch = Scratch::new(zoo, &name)?;
        let script = scratch.0.join("export.py");
        fs::write(&script, EXPORT)?;
        let mut export = self.script(&script);
        export.arg(&models).args([exporter, model.name, &model.size.to_string()]);
        // Both exporters tell the story of what they do; it is shown when they fail.
        let output = export.output().with_context(|| format!("`{}` did not start", process::line(&export)))?;
        ensure!(
            output.status.success(),
            "torch could not export {name}:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        fs::write(&stamp, contents)?;
        Ok(())
    }
}
