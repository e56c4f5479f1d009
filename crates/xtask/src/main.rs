//! Developer commands of the workspace: `cargo xtask <command>`.
#![expect(clippy::print_stdout, reason = "a command-line tool reports on standard output")]

mod chains;
mod cuda;
mod draws;
mod fuzz;
mod generate;
mod onnxruntime;
mod operator;
mod peers;
mod process;
mod python;
mod test;
mod tidy;
mod wheels;
mod workspace;
mod zoo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of the workspace.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetches the ONNX Runtime library into target/onnxruntime.
    Onnxruntime(onnxruntime::Args),
    /// Fetches the Python packages that tests compare with into target/python.
    Python,
    /// Runs every check that a change must pass.
    Test,
    /// Compares draws in the graph with native draws on a million rows for each operator, seed and backend.
    Draws(draws::Args),
    /// Compares labels, masks, objects and exported files of random chains of steps.
    Chains(chains::Args),
    /// Checks the rules of the repository that no compiler knows.
    Tidy,
    /// Feeds mutated models to everything that reads or rewrites models.
    Fuzz(fuzz::Args),
    /// Writes the files that are derived from the code.
    Generate(generate::Args),
    /// Writes the files of an operator that changes nothing yet, and names it in its family.
    NewOperator(operator::Args),
    /// Checks and measures the operators on an NVIDIA GPU.
    CudaCheck(cuda::Args),
    /// Measures operators beside those of torchvision, timm and kornia, and writes the table.
    BenchPeers(peers::Args),
    /// Runs the commands on models out of wheels and of timm, and writes the table.
    Zoo(zoo::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not returned from `main`: with RUST_BACKTRACE set, a backtrace would bury the message.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match command {
        Command::Onnxruntime(args) => onnxruntime::run(&workspace, &args),
        Command::Python => python::run(&workspace),
        Command::Test => test::run(&workspace),
        Command::Draws(args) => draws::run(&workspace, &args),
        Command::Chains(args) => chains::run(&workspace, &args),
        Command::Tidy => tidy::run(&workspace),
        Command::Fuzz(args) => fuzz::run(&workspace, &args),
        Command::Generate(args) => generate::run(&workspace, &args),
        Command::NewOperator(args) => operator::run(&workspace, &args),
        Command::CudaCheck(args) => cuda::run(&workspace, &args),
        Command::BenchPeers(args) => peers::run(&workspace, &args),
        Command::Zoo(args) => zoo::run(&workspace, &args),
    }
}
