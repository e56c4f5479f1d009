//! A pipeline that is resolved and checked.

use std::path::PathBuf;
use std::sync::Arc;

use augraft_operator::{AnyOperator, Effects, Element, ObjectRules, Probability, Rows, Shape, StepKey};

use crate::device::{Device, EngineKind};
use crate::diagnostic::{Diagnostic, render_all};
use crate::layout::MapLayout;
use crate::ports::{Answer, ImageLayout, ModelPorts};
use crate::spec::{DataSpec, ModelSpec};

/// Values given by flags, which win over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Seed of every draw.
    pub seed: Option<u64>,
    /// Epoch to run.
    pub epoch: Option<u32>,
    /// Samples per batch.
    pub batch: Option<usize>,
    /// Use only this many samples.
    pub limit: Option<usize>,
    /// Folder to write to.
    pub out: Option<PathBuf>,
    /// The ONNX file, relative to the current folder.
    pub model: Option<PathBuf>,
    /// Who runs the model.
    pub engine: Option<EngineKind>,
    /// What the model runs on.
    pub device: Option<Device>,
}

/// What is known of the data.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Classes of the labels, 0 without labels.
    pub classes: usize,
    /// Keypoints of an annotated object.
    pub keypoints: usize,
    /// Number of samples.
    pub samples: Option<usize>,
    /// Whether samples of one class lie side by side, so that most batches of this many in order hold one class.
    pub sorted: bool,
    /// Shape of the images where a pipeline without data is given it; by default they are files of any size.
    pub input: Option<Shape>,
}

/// What is known of a model.
#[derive(Debug, Clone)]
pub struct ModelFacts {
    /// Name of the image input.
    pub input: String,
    /// Channels, height and width of its images; none where they are open.
    pub input_shape: Vec<Option<usize>>,
    /// The order of the axes of its images.
    pub layout: ImageLayout,
    /// Type of their elements.
    pub element: Element,
    /// Number of classes in its answer, 0 when that is no matrix N x K.
    pub classes: usize,
    /// What its answer is, and how that is known.
    pub answer: (Answer, String),
    /// Tensors at which steps can act, in the order of computation.
    pub sites: Vec<SiteFacts>,
    /// Other tensors, and why no step acts there: the end of a sentence.
    pub others: Vec<(String, String)>,
}

/// What is known of a tensor of a model.
#[derive(Debug, Clone)]
pub struct SiteFacts {
    /// Name of the tensor.
    pub name: String,
    /// Its shape at batch 1.
    pub shape: Vec<usize>,
    /// Whether all that the model computes goes through it.
    pub dominates: bool,
    /// Whether its channels are its last axis; none where the model does not show it.
    pub channels_last: Option<bool>,
    /// Its element type where no step acts on that.
    pub element: Option<String>,
}

/// A resolved and checked pipeline: the only input of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The pipeline file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The folder that relative paths in the file start from.
    pub folder: PathBuf,
    /// Seed of every draw.
    pub seed: u64,
    /// Epoch to run.
    pub epoch: u32,
    /// Where images come from.
    pub data: Option<DataSpec>,
    /// Shape before the first step.
    pub input: Shape,
    /// Number of classes of the masks; none without masks.
    pub masks: Option<usize>,
    /// What is known of annotated objects; none without them.
    pub objects: Option<ObjectPlan>,
    /// Steps on the images, in order.
    pub steps: Vec<Step>,
    /// The model and the steps in it.
    pub model: Option<ModelPlan>,
    /// Folder to write to.
    pub out: PathBuf,
    /// What is probably not meant so.
    pub warnings: Vec<Diagnostic>,
}

/// Annotated objects and what becomes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPlan {
    /// Which objects are left at the end.
    pub rules: ObjectRules,
    /// Keypoints of an object.
    pub keypoints: usize,
    /// Keypoints that change places in a mirror image.
    pub flip_pairs: Vec<[usize; 2]>,
}

/// A step with its key and shapes.
#[derive(Debug, Clone)]
pub struct Step {
    /// Id, unique in the plan.
    pub id: String,
    /// Name of the operator.
    pub name: &'static str,
    /// Key of its draws.
    pub key: StepKey,
    /// The operator with its configuration.
    pub operator: Arc<dyn AnyOperator>,
    /// Shape before it.
    pub before: Shape,
    /// Shape after it.
    pub after: Shape,
    /// What it changes.
    pub effects: Effects,
    /// Whether the configuration says that it changes nothing: the probability with which it acts is 0.
    pub idle: bool,
    /// Whether its configuration is that of one epoch.
    pub scheduled: bool,
}

impl Step {
    /// A step whose operator makes `after` of `before`.
    #[must_use]
    pub fn new(id: String, key: StepKey, operator: Arc<dyn AnyOperator>, before: Shape, after: Shape) -> Self {
        let (name, effects) = (operator.name(), operator.effects(&before));
        let keeps = before == after && operator.rows() == Rows::Same;
        let idle = keeps && operator.probability(&before) == Some(Probability::NEVER);
        Self { id, name, key, operator, before, after, effects, idle, scheduled: false }
    }
}

/// A model and the steps in it.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// The ONNX file.
    pub file: PathBuf,
    /// Who runs it.
    pub engine: EngineKind,
    /// What it runs on.
    pub device: Device,
    /// Name of the image input.
    pub input: String,
    /// What goes in beside the images, and what comes out.
    pub ports: ModelPorts,
    /// The order of the axes of its images.
    pub layout: ImageLayout,
    /// Number of classes in its answer, 0 when that is no matrix N x K.
    pub classes: usize,
    /// What its answer is, and how that is known.
    pub answer: (Answer, String),
    /// Tensors with steps, in the order of computation.
    pub sites: Vec<SitePlan>,
}

/// A tensor of a model and the steps there.
#[derive(Debug, Clone)]
pub struct SitePlan {
    /// Name of the tensor.
    pub tensor: String,
    /// Its name in the pipeline.
    pub alias: Option<String>,
    /// Whether all that the model computes goes through it.
    pub dominates: bool,
    /// Its shape at batch 1.
    pub shape: Vec<usize>,
    /// How it is a map.
    pub layout: MapLayout,
    /// Steps there, in order.
    pub steps: Vec<Step>,
}

impl ModelPlan {
    /// The steps at a tensor.
    #[must_use]
    pub fn site(&self, tensor: &str) -> Option<&SitePlan> {
        self.sites.iter().find(|site| site.tensor == tensor)
    }

    /// The tensors with steps, in the order of computation.
    #[must_use]
    pub fn tensors(&self) -> Vec<&str> {
        self.sites.iter().map(|site| site.tensor.as_str()).collect()
    }

    /// Every step with the site that it is at, in the order in which they run.
    pub fn placed_steps(&self) -> impl DoubleEndedIterator<Item = (&SitePlan, &Step)> {
        self.sites.iter().flat_map(|site| site.steps.iter().map(move |step| (site, step)))
    }
}

impl Plan {
    /// Prints the warnings with the lines they are in.
    #[must_use]
    pub fn render_warnings(&self, color: bool) -> String {
        render_all(&self.warnings, &self.text, color)
    }
}

/// Looks at a model, given the height and width of the images that the input steps make.
///
/// The path of the issue is the field of `model` that it concerns; empty means the file.
pub type Inspect<'a, E> = dyn FnMut(&ModelSpec, Option<[usize; 2]>) -> Result<ModelFacts, E> + 'a;
