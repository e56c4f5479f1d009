//! `cargo xtask bench-peers`: our operators beside those of torchvision, timm and kornia, measured in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::process;
use crate::wheels::python;
use crate::workspace::Workspace;

const DRIVER: &str = "crates/augraft/benches/peers.py";
const TABLE: &str = "crates/augraft/benches/PEERS.md";

/// The versions whose results are stored in tests/peers, too.
const PINS: [&str; 5] = ["torch==2.15.0", "torchvision==0.29.2", "timm==1.0.31", "kornia==0.9.0", "numpy==2.4.6"];

/// The oldest Python 3 that all pins have wheels for.
const OLDEST: u32 = 11;

/// Exits with 1 unless the pinned packages are installed; a build for the CPU alone has a suffix such as `+cpu`.
const CHECK: &str = "import importlib.metadata, sys\n\
                     pins = [pin.split('==') for pin in sys.argv[1:]]\n\
                     sys.exit(any(importlib.metadata.version(name).split('+')[0] != version for name, version in pins))";

/// Options of `bench-peers`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Python that has the packages, instead of one in target/peers-bench.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Rounds of which medians are taken.
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measures only these cases, and prints the table without writing it.
    #[arg(long, value_name = "CASE", num_args = 1..)]
    only: Vec<String>,
}

/// Installs the reference libraries, measures, and writes the table.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let python = match &args.python {
        Some(path) => {
            ensure!(fits(path), "{} does not start or lacks one of {}", path.display(), PINS.join(", "));
            path.clone()
        }
        None => installed(workspace)?,
    };
    let bench = "bench --quiet --locked --package augraft --bench peers";
    // Before anything is measured, so that no compiler runs beside it.
    process::run(&mut process::cargo(workspace, &format!("{bench} --no-run")))?;
    let ours = process::cargo(workspace, &format!("{bench} -- --serve"));
    let mut driver = Command::new(&python);
    driver.current_dir(&workspace.root).arg(DRIVER).args(["--rounds", &args.rounds.to_string()]);
    for case in &args.only {
        driver.args(["--only", case]);
    }
    driver.arg("--").arg(ours.get_program()).args(ours.get_args());
    println!("==> {}", process::line(&driver));
    let printed = String::from_utf8(process::output(&mut driver)?).context("the table is not UTF-8")?;
    println!("{printed}");
    if args.only.is_empty() {
        fs::write(workspace.root.join(TABLE), page(&printed)).with_context(|| format!("cannot write {TABLE}"))?;
        println!("{TABLE} written");
    }
    Ok(())
}

/// The Python of the first virtual environment that has the packages; without one, they are installed into target/peers-bench.
fn installed(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let own = workspace.target.join("peers-bench");
    // tests/peers/generate.py installs the same packages, among others.
    let known = [interpreter(&own), interpreter(&workspace.root.join("target/peers/torch"))];
    if let Some(python) = known.into_iter().find(|python| fits(python)) {
        println!("Python packages of the reference libraries are present: {}", python.display());
        return Ok(python);
    }
    println!(
        "==> installing {} with pip; where pip knows no index with torch for the CPU alone, that is 7 GB",
        PINS.join(", ")
    );
    process::run(Command::new(self::python(OLDEST)?).args(["-m", "venv"]).arg(&own))?;
    let python = interpreter(&own);
    let mut pip = Command::new(&python);
    // Nothing is kept for later: the cache would be as large again.
    pip.args("-m pip install --quiet --no-cache-dir --disable-pip-version-check".split(' ')).args(PINS);
    process::run(&mut pip).context(
        "pip could not install the reference libraries: its message is above. The package index must be reachable (proxy, PIP_INDEX_URL)",
    )?;
    ensure!(fits(&python), "the reference libraries were installed into {} and are not found there", own.display());
    Ok(python)
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn fits(python: &Path) -> bool {
    let mut check = Command::new(python);
    check.args(["-c", CHECK]).args(PINS).stdout(Stdio::null()).stderr(Stdio::null());
    check.status().is_ok_and(|status| status.success())
}

fn page(table: &str) -> String {
    let how = "Written by `cargo xtask bench-peers`; no test depends on it.";
    format!("# Operators beside torchvision, timm and kornia\n\n{how}\n\n{}\n", table.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_are_those_of_the_stored_results() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers");
        let scripts = ["torchvision", "timm", "kornia"].map(|peer| folder.join(format!("peer_{peer}.py")));
        let text: String = scripts.iter().map(|script| fs::read_to_string(script).unwrap()).collect();
        for pin in PINS {
            assert!(text.contains(&format!("\"{pin}\"")), "{pin}");
        }
    }

    #[test]
    fn a_python_without_the_packages_does_not_fit() {
        assert!(!fits(Path::new("/nowhere/bin/python")));
    }

    #[test]
    fn the_table_becomes_a_page() {
        let page = page("CPU\n\n| a |\n\n");
        assert!(page.starts_with("# Operators beside") && page.ends_with("depends on it.\n\nCPU\n\n| a |\n"), "{page}");
    }
}
