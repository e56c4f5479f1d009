//! Arguments that several commands share.

use std::path::PathBuf;

use augraft_engine::DrawSource;
use augraft_pipeline::{Device, EngineKind, Overrides};
use clap::Args;

/// What kind of ONNX file is written.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// File to write.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Where draws come from: graph (inputs `seed`, `epoch`, `index`), inputs (one per drawn value), baked (constant draws of one batch).
    #[arg(long, default_value = "graph", value_name = "graph|inputs|baked")]
    pub(super) draws: DrawSource,
    /// Height and width of the images, for a pipeline without data [default: open in an export, those of the model in a graft].
    #[arg(long, num_args = 2, value_names = ["H", "W"], value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(super) size: Option<Vec<u32>>,
    /// Number of classes, for a pipeline without data.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) classes: Option<u32>,
}

impl FileArgs {
    pub(super) fn classes(&self) -> Option<usize> {
        self.classes.map(|classes| classes as usize)
    }
}

/// A pipeline file and the flags that win over it.
#[derive(Debug, Args)]
pub(super) struct PipelineArgs {
    /// Pipeline file.
    pub(super) pipeline: PathBuf,
    #[arg(skip)]
    pub(super) out: Option<PathBuf>,
    /// Seed of every draw.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Epoch: draws and order differ from epoch to epoch.
    #[arg(long)]
    pub(super) epoch: Option<u32>,
    /// Samples in a batch.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) batch: Option<u32>,
    /// Use only this many samples.
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
}

/// What runs the model.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// Engine that runs the model: tract or onnxruntime.
    #[arg(long)]
    pub(super) engine: Option<EngineKind>,
    /// Device: cpu, or cuda:N with onnxruntime.
    #[arg(long)]
    pub(super) device: Option<Device>,
    /// ONNX Runtime's library [default: `ORT_DYLIB_PATH`, then the one that `cargo xtask onnxruntime` fetched].
    #[arg(long, value_name = "PATH")]
    pub(super) onnxruntime: Option<PathBuf>,
}

impl PipelineArgs {
    pub(super) fn overrides(&self) -> Overrides {
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
