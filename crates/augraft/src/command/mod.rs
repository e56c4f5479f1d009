//! The commands: one file for each that does more than print.

mod arguments;
mod check_export;
mod cli;
mod derived;
mod doctor;
mod experiment;
mod export;
mod inspect;
mod parts;
mod plugin;
mod prepare;
mod print;
mod run;
mod snapshot;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use augraft_operator::Registry;
use clap::Parser;

use self::cli::{Cli, Command};
use self::print::print;
use crate::failure::Failure;

/// Runs the command line of this process; the exit code is 2 for errors of the user and 1 for a check that failed.
#[must_use]
pub fn main() -> ExitCode {
    let color = std::io::stderr().is_terminal();
    match execute(Cli::parse().command, color) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Report(report)) => {
            eprintln!("{}", report.render(color));
            ExitCode::from(2)
        }
        Err(Failure::User(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Check(message)) => {
            eprintln!("{message}");
            ExitCode::from(1)
        }
    }
}

fn execute(command: Command, color: bool) -> Result<(), Failure> {
    let registry = Registry::linked();
    match command {
        Command::Run { mut pipeline, out, threads } => {
            pipeline.out = out;
            use_threads(threads)?;
            run::run(&pipeline, &registry, color)
        }
        Command::Explain { pipeline, set, memory } => {
            let (spec, registry) = prepare::read_with(&pipeline.pipeline, &registry, &set)?;
            if spec.json_at("/experiment").is_some() {
                return print(&experiment::explain(spec, &pipeline, memory, &registry, color)?);
            }
            let prepared = prepare::prepare_with(spec, &pipeline, color, prepare::Given::default())?;
            print(&prepared.plan.explain())
        }
        Command::Operators { name, files } => {
            let registry = prepare::with_files(&registry, &files)?;
            match name {
                None => print(&augraft_pipeline::operators_table(&registry)),
                Some(name) => print(&inspect::operator(&registry, &name)?),
            }
        }
        Command::Sites { model, form, engine, all } => print(&inspect::sites(&model, &form, &engine, all)?),
        Command::Engines { onnxruntime } => print(&inspect::engines(onnxruntime.as_deref())),
        Command::Export { pipeline, file, opset } => print(&export::export(&pipeline, &file, opset, &registry, color)?),
        Command::Graft { pipeline, file, model } => print(&export::graft(&pipeline, &file, model, &registry, color)?),
        Command::Verify { file, pipeline, batches, model } => {
            verify::verify(&file, &pipeline, model, batches as usize, &registry, color)
        }
        Command::Doctor { model, form, fix_batch, onnxruntime } => {
            let form = (&form.ports(), form.size());
            doctor::doctor(&model, fix_batch.as_deref(), form, onnxruntime.as_deref()).map(|_| ())
        }
        Command::Split { model, form, at, folder } => print(&parts::split(&model, &form, &at, &folder)?),
        Command::Tensors { model, pipeline, at, file } => {
            print(&parts::tensors(model, &pipeline, &at, &file, &registry, color)?)
        }
        Command::Snapshot { pipeline, check } => snapshot::snapshot(&pipeline, &registry, color, check),
        Command::Experiment(mut args) => {
            use_threads(args.threads())?;
            experiment::experiment(&mut args, &registry, color)
        }
        Command::Compare { runs, out } => experiment::compare_runs(&runs, out.as_deref()),
        Command::Schema => print(&derived::schema(&registry)?),
        Command::NewPlugin(args) => plugin::new(&args, &registry),
        Command::Completions { shell } => derived::completions(shell),
        Command::Generate { out, photos } => derived::generate(&out, photos.as_deref(), &registry),
    }
}

/// Lets everything that runs in parallel use this many threads.
fn use_threads(threads: Option<u16>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global().map_err(Failure::user)
}
