//! A pipeline that is resolved and checked.

use std::path::PathBuf;
use std::sync::Arc;

use augraft_operator::{AnyOperator, Effects, Issue, MAX_VIEWS, ObjectRules, Probability, Rows, Shape, StepKey};

use crate::device::{Device, EngineKind};
use crate::diagnostic::{Diagnostic, Report, render_all};
use crate::objects::OnDrop;
use crate::problems::Problems;
use crate::sites::plan_model;
use crate::spec::{DataSpec, ModelSpec, PipelineSpec};
use crate::step::Tokens;
use crate::step_run::StepRun;
use crate::warnings::{Sizes, warn};

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
    /// Its sides N,C,H,W; none where they are open.
    pub input_shape: Vec<Option<usize>>,
    /// Number of logits, 0 when it is not known.
    pub classes: usize,
    /// Tensors at which steps can act, in the order of computation.
    pub sites: Vec<SiteFacts>,
    /// Tensors of element types that no step acts on, and the type.
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
    pub separates: bool,
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
    /// Number of logits, 0 when it is not known.
    pub classes: usize,
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
    pub separates: bool,
    /// Its shape at batch 1.
    pub shape: Vec<usize>,
    /// How a tensor N,T,D is a map.
    pub tokens: Option<Tokens>,
    /// Steps there, in order.
    pub steps: Vec<Step>,
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

/// Resolves and checks a pipeline; `inspect` looks at its model.
///
/// # Errors
/// All problems that are found.
pub fn plan<E: Into<Issue>>(
    spec: &PipelineSpec,
    overrides: &Overrides,
    facts: &Facts,
    inspect: &mut Inspect<'_, E>,
) -> Result<Plan, Report> {
    let mut problems = Problems::new(&spec.document);
    let seed = overrides.seed.unwrap_or(spec.seed);
    check_overrides(overrides, &mut problems);
    let with_flags = |data: &DataSpec| DataSpec {
        batch: overrides.batch.unwrap_or(data.batch),
        limit: overrides.limit.or(data.limit),
        ..data.clone()
    };
    let data = spec.data.as_ref().map(with_flags);
    let input = facts.input.clone().unwrap_or_else(|| Shape::ragged(0));
    let input = Shape { classes: facts.classes, ..input };
    let epoch = overrides.epoch.unwrap_or(spec.epoch);
    let mut run = StepRun::new(seed, epoch, input.clone());
    let steps: Vec<Step> =
        spec.steps.iter().filter_map(|step| run.check(step, step.id.clone(), &mut problems)).collect();
    let end = (!run.failed()).then(|| run.shape().clone());
    let named = overrides.model.as_ref().map(|file| ModelSpec::of(file.clone(), spec.model.as_ref()));
    let model = named.as_ref().or(spec.model.as_ref()).map(|model| {
        let engine = overrides.engine.unwrap_or(model.engine);
        let device = overrides.device.unwrap_or(model.device);
        ModelSpec { engine, device, ..model.clone() }
    });
    let model = model.and_then(|model| plan_model(&model, (seed, epoch), end.as_ref(), facts, inspect, &mut problems));
    check_needs(spec, &steps, model.as_ref(), &mut problems);
    if !problems.has_errors() {
        warn(spec, &steps, model.as_ref(), sizes(data.as_ref(), facts).as_ref(), &mut problems);
    }
    let warnings = problems.finish()?;
    let stem = spec.file.file_stem().map_or_else(|| "pipeline".into(), ToOwned::to_owned);
    let out = overrides.out.clone().or_else(|| spec.out.clone()).unwrap_or_else(|| PathBuf::from("out").join(stem));
    Ok(Plan {
        file: spec.file.clone(),
        text: spec.document.text.clone(),
        folder: spec.folder.clone(),
        seed,
        epoch,
        masks: data.as_ref().and_then(|data| Some(data.masks.as_ref()?.classes.count())),
        objects: data.as_ref().and_then(|data| objects(spec, data, facts)),
        data,
        input,
        steps,
        model,
        out,
        warnings,
    })
}

fn objects(spec: &PipelineSpec, data: &DataSpec, facts: &Facts) -> Option<ObjectPlan> {
    let annotations = data.annotations.as_ref()?;
    let written = &spec.objects;
    let rules = ObjectRules {
        min_area: f64::from(written.min_area),
        min_side: f64::from(written.min_side),
        min_visibility: f64::from(written.min_visibility),
        ignore: written.on_drop == OnDrop::Ignore,
    };
    Some(ObjectPlan { rules, keypoints: facts.keypoints, flip_pairs: annotations.flip_pairs.clone() })
}

fn check_overrides(overrides: &Overrides, problems: &mut Problems<'_>) {
    if overrides.seed.is_some_and(|seed| i64::try_from(seed).is_err()) {
        problems.error("/seed", "out-of-range", format!("--seed must be at most {}", i64::MAX), None);
    }
    for (flag, value) in [("batch", overrides.batch), ("limit", overrides.limit)] {
        if value == Some(0) {
            problems.error(&format!("/data/{flag}"), "out-of-range", format!("--{flag} must be at least 1"), None);
        }
    }
}

/// Checks that there is what steps need beside images: masks, and a second half of the batch.
fn check_needs(spec: &PipelineSpec, steps: &[Step], model: Option<&ModelPlan>, problems: &mut Problems<'_>) {
    let has_masks = spec.data.as_ref().is_some_and(|data| data.masks.is_some());
    let inner = spec.model.iter().flat_map(|model| &model.steps).map(|step| &step.step);
    let written = |step: &Step| {
        let id = step.id.split('@').next().unwrap_or_default();
        spec.steps.iter().chain(inner.clone()).find(|written| written.id == id)
    };
    let at_sites = model.into_iter().flat_map(|model| &model.sites).flat_map(|site| &site.steps);
    for (step, written) in steps.iter().chain(at_sites).filter_map(|step| Some((step, written(step)?))) {
        if step.operator.needs_masks(&step.before) && !has_masks {
            let message = format!("`{}` takes its labels from masks, but there are none", step.name);
            let help = "add `masks: { folder: DIR, classes: K }` to `data`, or choose another `label`".to_owned();
            problems.error(&format!("{}/label", written.path), "no-masks", message, Some(help));
        }
        let objects = spec.data.as_ref().is_some_and(|data| data.annotations.is_some());
        let following = [(has_masks, "masks"), (objects, "objects")].into_iter().find(|(there, _)| *there);
        if let Some((_, what)) = following.filter(|_| step.effects.opaque && step.before.image_size.is_none()) {
            let message = format!("`{}` is a file that moves or mixes pixels, and {what} cannot follow it", step.name);
            problems.error(&written.path, "opaque-step", message, Some(format!("leave the {what} out, or the step")));
        }
    }
    let mut views = 1;
    for step in &spec.steps {
        let Rows::Views(made) = step.operator.rows() else { continue };
        views *= made;
        if views > MAX_VIEWS {
            let message = format!("`{}` makes {views} views of a sample, and there can be {MAX_VIEWS}", step.id);
            problems.error(&step.path, "too-many-views", message, Some("make fewer".to_owned()));
            break;
        }
    }
    if let Some(second) = spec.donors().nth(1) {
        let message = format!("`{}` needs partners from the data set, but an earlier step has taken them", second.id);
        let help = "let one step have `partner: dataset`".to_owned();
        problems.error(&format!("{}/partner", second.path), "no-partners", message, Some(help));
    }
}

fn sizes(data: Option<&DataSpec>, facts: &Facts) -> Option<Sizes> {
    let data = data?;
    let samples = [data.limit, facts.samples].into_iter().flatten().min();
    let batch = samples.map_or(data.batch, |samples| samples.min(data.batch));
    Some(Sizes { batch, samples, sorted: facts.sorted && !data.shuffle, drop_last: data.drop_last })
}
