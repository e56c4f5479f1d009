//! The command line: its commands and their flags.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::arguments::{EngineArgs, FileArgs, ModelArgs, PipelineArgs};
use super::{experiment, plugin};

/// Mixes images, labels and feature maps as one YAML file says.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
        form: ModelArgs,
        #[command(flatten)]
        engine: EngineArgs,
        /// Also list tensors that skip connections lead around, and those on which no step acts.
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
        /// Version of the standard operators: 18 to 24 with draws in the graph, else 13 to 24.
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
        #[command(flatten)]
        form: ModelArgs,
        /// Write the model with a free batch to this file.
        #[arg(long, value_name = "FILE")]
        fix_batch: Option<PathBuf>,
        /// ONNX Runtime's library.
        #[arg(long, value_name = "PATH")]
        onnxruntime: Option<PathBuf>,
    },
    /// Write the parts of a model that is cut at tensors, as ONNX files that run one after the other.
    Split {
        /// ONNX file.
        model: PathBuf,
        #[command(flatten)]
        form: ModelArgs,
        /// Tensor to cut at; can be given more than once.
        #[arg(long, value_name = "TENSOR", required = true)]
        at: Vec<String>,
        /// Folder to write `part_0.onnx`, `part_1.onnx`, ... to.
        #[arg(short = 'o', long = "output-dir", value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write tensors of a model for the data of a pipeline, behind its input steps, to an .npz file.
    Tensors {
        /// ONNX file.
        model: PathBuf,
        #[command(flatten)]
        pipeline: PipelineArgs,
        /// Tensor to write; can be given more than once.
        #[arg(long, value_name = "TENSOR", required = true)]
        at: Vec<String>,
        /// File to write: an array for each tensor, and `index` with the numbers of the samples.
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        file: PathBuf,
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
