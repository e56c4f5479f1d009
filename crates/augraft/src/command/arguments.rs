//! Arguments that several commands share.

use std::path::PathBuf;

use augraft_engine::DrawSource;
use augraft_pipeline::{Device, EngineKind, ImageLayout, ModelPorts, OutputName, OutputSpec, Overrides};
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

/// What is said of a model that no pipeline names.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Height and width of the images, where the model leaves them open [default: 224 224].
    #[arg(long, num_args = 2, value_names = ["H", "W"], value_parser = clap::value_parser!(u32).range(1..=65536))]
    size: Option<Vec<u32>>,
    /// Value of an input beside the images, as JSON; can be given more than once.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = named_value)]
    inputs: Vec<(String, serde_json::Value)>,
    /// Output that is the answer: its name, or its position from 0.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// Order of the axes of the images: nchw or nhwc.
    #[arg(long, value_parser = image_layout)]
    layout: Option<ImageLayout>,
}

impl ModelArgs {
    pub(super) fn size(&self) -> Option<[usize; 2]> {
        self.size.as_ref().map(|size| [size[0] as usize, size[1] as usize])
    }

    pub(super) fn ports(&self) -> ModelPorts {
        let which = self.output.as_ref().map(|text| match text.parse() {
            Ok(position) => OutputName::Position(position),
            Err(_) => OutputName::Name(text.clone()),
        });
        let output = OutputSpec { which, ..OutputSpec::default() };
        ModelPorts { layout: self.layout, inputs: self.inputs.iter().cloned().collect(), output }
    }
}

fn named_value(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as mask=1")?;
    let value =
        serde_json::from_str(value).map_err(|error| format!("the value is a number or nested lists: {error}"))?;
    Ok((name.to_owned(), value))
}

fn image_layout(text: &str) -> Result<ImageLayout, String> {
    match text {
        "nchw" => Ok(ImageLayout::Nchw),
        "nhwc" => Ok(ImageLayout::Nhwc),
        _ => Err("nchw or nhwc".to_owned()),
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
