//! The command line: one file per command that does more than print.

mod derived;
mod doctor;
mod experiment;
mod export;
mod inspect;
mod plugin;
mod prepare;
mod run;
mod snapshot;
mod verify;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use augraft_engine::DrawSource;
use augraft_operator::Registry;
use augraft_pipeline::{Device, EngineKind, Overrides};
use clap::{Args, Parser, Subcommand};

use crate::failure::Failure;

/// Mixes images, labels and feature maps as one YAML file says.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline over its data and write images, batches, labels, draws, predictions and a preview.
    Run {
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Threads to use [default: all cores]; the results do not depend on it.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        threads: Option<u16>,
    },
    /// Print the plan of a pipeline: every step with its shapes and draws.
    Explain {
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Put a value into the file, as for `experiment`.
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = experiment::setting)]
        set: Vec<(String, String)>,
        /// Bytes of activations that an experiment may hold at once.
        #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = experiment::size)]
        memory: u64,
    },
    /// List the operators, or print the page of one.
    Operators {
        /// Name of an operator.
        name: Option<String>,
        /// Header of an operator that is an ONNX file, to be listed too; can be given more than once.
        #[arg(long = "file", value_name = "HEADER")]
        files: Vec<PathBuf>,
    },
    /// List the tensors of an ONNX model at which steps can act.
    Sites {
        /// ONNX file.
        model: PathBuf,
        #[command(flatten)]
        engine: EngineArgs,
        /// Also list tensors that others bypass.
        #[arg(long)]
        all: bool,
    },
    /// Show which engines and devices work on this machine, and why the others do not.
    Engines {
        /// ONNX Runtime's library.
        #[arg(long, value_name = "PATH")]
        onnxruntime: Option<PathBuf>,
    },
    /// Write the input steps of a pipeline as an ONNX file.
    Export {
        #[command(flatten)]
        pipeline: PipelineArgs,
        #[command(flatten)]
        file: FileArgs,
        /// Version of the standard operators: 18 to 21 with draws in the graph, else 13 to 21.
        #[arg(long, value_name = "VERSION", default_value_t = 18)]
        opset: i64,
    },
    /// Write a model with the input steps of a pipeline and its steps at tensors of the model inside, as one ONNX file.
    Graft {
        #[command(flatten)]
        pipeline: PipelineArgs,
        #[command(flatten)]
        file: FileArgs,
        /// ONNX file to graft into [default: the model of the pipeline].
        #[arg(long, value_name = "MODEL")]
        model: Option<PathBuf>,
    },
    /// Compare a file of `export` or `graft` with the native steps, on every engine: draws, what each step leaves, outputs.
    Verify {
        /// ONNX file.
        file: PathBuf,
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Batches to compare.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        batches: u32,
        /// The model that a file of `graft` was made of [default: the model of the pipeline].
        #[arg(long, value_name = "MODEL")]
        model: Option<PathBuf>,
    },
    /// Say what is wrong with a model, and where steps can act: batch, engines, drift at every site.
    Doctor {
        /// ONNX file.
        model: PathBuf,
        /// Write the model with a free batch to this file.
        #[arg(long, value_name = "FILE")]
        fix_batch: Option<PathBuf>,
        /// ONNX Runtime's library.
        #[arg(long, value_name = "PATH")]
        onnxruntime: Option<PathBuf>,
    },
    /// Write what a pipeline draws and computes on its first batch to PIPELINE.snap, or compare with it.
    Snapshot {
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Compare instead of writing; exit code 1 when something differs.
        #[arg(long)]
        check: bool,
    },
    /// Run the experiment of a file: interventions at the input and inside of a model, measured and reported.
    Experiment(experiment::ExperimentArgs),
    /// Put several runs of one experiment side by side.
    Compare {
        /// Folders of complete runs.
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Folder to write a report to.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print the JSON schema of pipeline files.
    Schema,
    /// Write a crate of operators of your own, and a program that links it.
    NewPlugin(plugin::Args),
    /// Print what a shell needs to complete this program's commands.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the files that the repository derives from the code.
    #[command(hide = true)]
    Generate {
        /// Folder to write to.
        out: PathBuf,
        /// Photos to make pictures of the operators of.
        #[arg(long, value_name = "DIR")]
        photos: Option<PathBuf>,
    },
}

/// What kind of ONNX file is written.
#[derive(Debug, Args)]
struct FileArgs {
    /// File to write.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    file: PathBuf,
    /// Where draws come from: graph (inputs `seed`, `epoch`, `index`), inputs (one per drawn value), baked (constants of one batch).
    #[arg(long, default_value = "graph", value_name = "graph|inputs|baked")]
    draws: DrawSource,
    /// Height and width of the images, for a pipeline without data [default: open in an export, those of the model in a graft].
    #[arg(long, num_args = 2, value_names = ["H", "W"], value_parser = clap::value_parser!(u32).range(1..=65536))]
    size: Option<Vec<u32>>,
    /// Number of classes, for a pipeline without data.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
}

impl FileArgs {
    fn classes(&self) -> Option<usize> {
        self.classes.map(|classes| classes as usize)
    }
}

/// A pipeline file and the flags that win over it.
#[derive(Debug, Args)]
struct PipelineArgs {
    /// Pipeline file.
    pipeline: PathBuf,
    #[arg(skip)]
    out: Option<PathBuf>,
    /// Seed of every draw.
    #[arg(long)]
    seed: Option<u64>,
    /// Epoch: draws and order differ from epoch to epoch.
    #[arg(long)]
    epoch: Option<u32>,
    /// Samples in a batch.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Use only this many samples.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// What runs the model.
#[derive(Debug, Args)]
struct EngineArgs {
    /// Engine that runs the model: tract or onnxruntime.
    #[arg(long)]
    engine: Option<EngineKind>,
    /// Device: cpu, or cuda:N with onnxruntime.
    #[arg(long)]
    device: Option<Device>,
    /// ONNX Runtime's library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched].
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
}

impl PipelineArgs {
    fn overrides(&self) -> Overrides {
        Overrides {
            seed: self.seed,
            epoch: self.epoch,
            batch: self.batch.map(|batch| batch as usize),
            limit: self.limit,
            out: self.out.clone(),
            model: None,
            engine: self.engine.engine,
            device: self.engine.device,
        }
    }
}

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
        Command::Sites { model, engine, all } => print(&inspect::sites(&model, &engine, all)?),
        Command::Engines { onnxruntime } => print(&inspect::engines(onnxruntime.as_deref())),
        Command::Export { pipeline, file, opset } => print(&export::export(&pipeline, &file, opset, &registry, color)?),
        Command::Graft { pipeline, file, model } => print(&export::graft(&pipeline, &file, model, &registry, color)?),
        Command::Verify { file, pipeline, batches, model } => {
            verify::verify(&file, &pipeline, model, batches as usize, &registry, color)
        }
        Command::Doctor { model, fix_batch, onnxruntime } => {
            doctor::doctor(&model, fix_batch.as_deref(), onnxruntime.as_deref()).map(|_| ())
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

/// A number of things in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Prints to standard output; a closed pipe is the end, not an error.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::user(error)),
        _ => Ok(()),
    }
}
