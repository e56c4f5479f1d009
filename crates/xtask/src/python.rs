//! `cargo xtask python`: the Python packages that tests use as a second opinion, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::process;
use crate::wheels::{Scratch, python, replace};
use crate::workspace::Workspace;

/// Every package, those that others need included, so that a new release of one changes no test.
const PINS: [&str; 9] = [
    "flatbuffers==25.12.19",
    "ml_dtypes==0.6.0",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.31.1",
    "packaging==26.3",
    "pillow==11.3.0",
    "protobuf==7.36.2",
    "typing_extensions==4.16.0",
];

/// The oldest Python 3 that all pins have wheels for.
const OLDEST: u32 = 11;

/// Puts the packages into `target/python`, unless the same ones for the same interpreter lie there.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let folder = workspace.target.join("python");
    let interpreter = Interpreter::ask(python(OLDEST)?)?;
    let stamp = interpreter.stamp();
    if is_installed(&folder, &stamp) {
        println!("Python packages are present: {}", folder.display());
        return Ok(());
    }
    println!("==> fetching {} with pip", PINS.join(", "));
    let scratch = Scratch::new(&workspace.target, "python")?;
    let staged = stage(&interpreter, &scratch.0)?;
    replace(&staged, &folder, || is_installed(&folder, &stamp))?;
    println!("Python packages for {}: {}", interpreter.path.display(), folder.display());
    Ok(())
}

/// A Python, as it describes itself.
struct Interpreter {
    path: PathBuf,
    version: String,
}

impl Interpreter {
    /// Asks a program of the search path for its own path, which stays the same when the search path changes.
    fn ask(program: &str) -> anyhow::Result<Self> {
        let script = "import platform, sys; print(sys.executable); print(platform.python_version())";
        let printed = process::output(Command::new(program).args(["-c", script]))?;
        let printed = String::from_utf8(printed).with_context(|| format!("the path of {program} is not UTF-8"))?;
        let mut lines = printed.lines().map(str::trim);
        let (Some(path), Some(version)) = (lines.next().filter(|path| !path.is_empty()), lines.next()) else {
            bail!("`{program}` does not say where it lies");
        };
        Ok(Self { path: path.into(), version: version.to_owned() })
    }

    /// What `VERSION` holds: wheels with compiled code fit one version of Python.
    fn stamp(&self) -> String {
        format!("python {}\n{}\n{}\n", self.version, self.path.display(), PINS.join("\n"))
    }
}

fn is_installed(folder: &Path, stamp: &str) -> bool {
    fs::read_to_string(folder.join("VERSION")).is_ok_and(|recorded| recorded == stamp)
}

/// Installs the packages in a new folder below `scratch` and imports them once.
fn stage(interpreter: &Interpreter, scratch: &Path) -> anyhow::Result<PathBuf> {
    let staged = scratch.join("ready");
    let mut pip = Command::new(&interpreter.path);
    // Without dependencies: the pins name them all. A user setting of pip must not send the wheels elsewhere.
    pip.args("-m pip install --no-deps --only-binary=:all: --ignore-installed --no-user --quiet".split(' '))
        .args(["--disable-pip-version-check", "--target"])
        .arg(&staged)
        .args(PINS)
        // The folder belongs to this build alone, so the warning about pip as root does not apply.
        .env("PIP_ROOT_USER_ACTION", "ignore");
    process::run(&mut pip).with_context(|| {
        format!(
            "pip could not install the Python packages: its message is above. The package index must be reachable \
             (proxy, PIP_INDEX_URL) and have wheels for Python {} on this machine",
            interpreter.version
        )
    })?;
    let script = "import numpy, onnx.reference, onnxruntime";
    process::run(Command::new(&interpreter.path).args(["-c", script]).env("PYTHONPATH", &staged))
        .context("the Python packages were installed and do not load on this machine")?;
    fs::write(staged.join("PYTHON"), format!("{}\n", interpreter.path.display()))?;
    fs::write(staged.join("VERSION"), interpreter.stamp())?;
    Ok(staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_pins_or_another_python_are_not_installed() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "python").unwrap();
        let interpreter = |version: &str| Interpreter { path: "/bin/python3".into(), version: version.to_owned() };
        let stamp = interpreter("3.11.7").stamp();
        assert!(!is_installed(&scratch.0, &stamp));
        fs::write(scratch.0.join("VERSION"), &stamp).unwrap();
        assert!(is_installed(&scratch.0, &stamp));
        assert!(!is_installed(&scratch.0, &interpreter("3.12.1").stamp()));
        fs::write(scratch.0.join("VERSION"), stamp.replace("onnx==1.23.2", "onnx==1.23.1")).unwrap();
        assert!(!is_installed(&scratch.0, &stamp));
    }

    #[test]
    fn every_package_is_pinned() {
        for pin in PINS {
            assert!(
                pin.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()),
                "{pin}"
            );
        }
    }
}
