//! `cargo xtask test`: every check that a change must pass.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process::{cargo, line};
use crate::workspace::Workspace;
use crate::{onnxruntime, process, python, tidy};

/// Runs the stages in order and stops at the first that fails.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut times = Vec::new();
    time(&mut times, "onnxruntime", || onnxruntime::run(workspace, &onnxruntime::Args::default()))?;
    time(&mut times, "python", || python::run(workspace))?;
    for (name, mut command) in stages(workspace) {
        println!("==> {}", line(&command));
        time(&mut times, name, || process::run(&mut command))?;
    }
    time(&mut times, "tidy", || tidy::run(workspace))?;
    println!("\nall stages passed");
    for (name, taken) in &times {
        println!("  {name:<12}{:>8.1} s", taken.as_secs_f64());
    }
    Ok(())
}

fn stages(workspace: &Workspace) -> Vec<(&'static str, Command)> {
    let mut test = cargo(workspace, "test --workspace --locked");
    // A snapshot that differs must fail instead of leaving a file to review.
    test.env("INSTA_UPDATE", "no");
    let mut doc = cargo(workspace, "doc --workspace --no-deps --locked");
    doc.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("format", cargo(workspace, "fmt --all --check")),
        ("clippy", cargo(workspace, "clippy --workspace --all-targets --locked -- -D warnings")),
        ("test", test),
        ("doc", doc),
    ]
}

fn time(
    times: &mut Vec<(&'static str, Duration)>,
    name: &'static str,
    stage: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let result = stage();
    let taken = start.elapsed();
    println!("    {name}: {:.1} s", taken.as_secs_f64());
    times.push((name, taken));
    result.with_context(|| format!("the stage \"{name}\" failed"))
}
