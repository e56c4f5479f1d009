//! An experiment that is resolved and checked.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use augraft_data::{Dataset, sha256_file};
use augraft_onnx::PooledMap;
use augraft_operator::Registry;
use augraft_pipeline::{Answer, DataSpec, MapLayout, ModelFacts, PipelineSpec, Plan, Report, Step};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::acts::Act;
use crate::error::ExperimentError;
use crate::metric::Metric;
use crate::spec::{ChartFields, Method, NoiseFields, Over, OverName, Target};

/// A resolved and checked experiment.
pub struct ExperimentPlan {
    /// Name of the file without its ending.
    pub name: String,
    /// What is measured, in the words of the file.
    pub description: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Epoch of the draws.
    pub epoch: u32,
    /// Samples in one run of the model.
    pub batch: usize,
    /// Pairs of images; none when every image is a unit.
    pub pairs: Option<Pairs>,
    /// The data (the first), then the other sets.
    pub sets: Vec<SetPlan>,
    /// Places of the model: its input, then the sites in model order.
    pub places: Vec<PlaceFacts>,
    /// Variables of all sweeps.
    pub variables: Vec<String>,
    /// Acts at the input before a run that is intervened in.
    pub bases: Vec<Vec<Act>>,
    /// Everything that is run: the clean run first, then the bases, then the interventions by site.
    pub settings: Vec<Setting>,
    /// Saliency maps.
    pub saliency: Option<SaliencyPlan>,
    /// What is computed.
    pub metrics: Vec<Metric>,
    /// What is drawn.
    pub charts: Vec<ChartFields>,
    /// What the model answers.
    pub answer: Answer,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Multiply-adds of the model on one image.
    pub multiply_adds: f64,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// Pairs of images.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// How many.
    pub count: usize,
    /// Whether partners have another class.
    pub distinct_class: bool,
}

/// A set of images.
pub struct SetPlan {
    /// Name in rows.
    pub name: String,
    /// Where images come from.
    pub source: SetSource,
    /// Steps on them.
    pub steps: Vec<Step>,
    /// How data is read; none for noise.
    pub data: Option<DataSpec>,
    /// Images, in order.
    pub order: Vec<u64>,
}

impl SetPlan {
    /// Number of the files that it is read from, and one SHA-256 over theirs and their names; null for noise.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn digest(&self) -> Result<Value, ExperimentError> {
        let SetSource::Data(dataset) = &self.source else { return Ok(Value::Null) };
        let files = dataset.files(self.order.iter().map(|index| *index as usize));
        let mut hasher = Sha256::new();
        for file in &files {
            let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            hasher.update(format!("{}  {name}\n", sha256_file(file)?));
        }
        Ok(json!({ "files": files.len(), "sha256": hexadecimal(&hasher.finalize()) }))
    }
}

/// Bytes as digits of base 16.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Where images come from.
pub enum SetSource {
    /// Files.
    Data(Box<Dataset>),
    /// A generator.
    Noise(NoiseFields),
}

/// A place of the model.
#[derive(Debug, Clone)]
pub struct PlaceFacts {
    /// Tensor.
    pub tensor: String,
    /// Its name in rows.
    pub alias: String,
    /// Its shape at batch 1.
    pub shape: Vec<usize>,
    /// The same as channels, height and width.
    pub map: [usize; 3],
    /// How it is a map.
    pub layout: MapLayout,
    /// Whether all that the model computes goes through it.
    pub dominates: bool,
    /// Share of the model's multiply-adds behind it.
    pub macs_after: f64,
}

/// One run over all units of a set.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Name of the intervention.
    pub intervention: String,
    /// Where it acts; none for the clean run and the bases.
    pub place: Option<usize>,
    /// Values of the plan's variables; none where the intervention has no such variable.
    pub values: Vec<Option<Value>>,
    /// What is done before, by number in the plan's bases.
    pub base: Option<usize>,
    /// What is done at the place.
    pub acts: Vec<Act>,
    /// Whether it must change something.
    pub must_change: bool,
    /// Whether it is allowed to change nothing.
    pub may_keep: bool,
    /// Whether saliency maps are made of it.
    pub explained: bool,
}

/// Saliency maps.
#[derive(Debug, Clone)]
pub struct SaliencyPlan {
    /// Ways to make them.
    pub methods: Vec<Method>,
    /// Place of the feature map.
    pub place: usize,
    /// The classes that maps explain.
    pub targets: Vec<Target>,
    /// Channels that Score-CAM uses.
    pub channels: Option<usize>,
    /// Rows and columns of holes.
    pub grid: usize,
    /// Boxes `[left, top, right, bottom]` in pixels of the files, by the name of the image.
    pub boxes: BTreeMap<String, Vec<[f64; 4]>>,
}

/// Opens a data source of a file, given the place where it is written.
pub type OpenData = dyn Fn(&PipelineSpec, &DataSpec, &str) -> Result<Dataset, Report>;

/// What a plan is made of.
pub struct Parts<'p> {
    /// The file.
    pub spec: &'p PipelineSpec,
    /// Its pipeline, planned.
    pub pipeline: &'p Plan,
    /// Its data.
    pub dataset: Dataset,
    /// Opens a data source that is written at a place of the file.
    pub open: &'p OpenData,
    /// Operators.
    pub registry: &'p Registry,
    /// What is known of the model.
    pub facts: &'p ModelFacts,
    /// Share of the multiply-adds behind each tensor, by name.
    pub macs_after: BTreeMap<String, f64>,
    /// Multiply-adds of the whole model.
    pub multiply_adds: f64,
    /// The map that the model takes the mean of before its linear head, or why there is none.
    pub pooled: Result<PooledMap, String>,
}

impl ExperimentPlan {
    /// Number of units of a set.
    #[must_use]
    pub fn units(&self, set: usize) -> usize {
        self.pairs.map_or(self.sets[set].order.len(), |pairs| pairs.count)
    }

    /// Chunks that a set is run in: a batch of units each.
    #[must_use]
    pub fn chunks(&self, set: usize) -> usize {
        self.units(set).div_ceil(self.batch)
    }

    /// The name of the site of a setting; `-` for the clean run and the bases.
    #[must_use]
    pub fn site_name(&self, setting: &Setting) -> &str {
        setting.place.map_or("-", |place| &self.places[place].alias)
    }

    /// The values of a setting as `name value` words.
    #[must_use]
    pub fn words(&self, setting: &Setting) -> String {
        let named = self.variables.iter().zip(&setting.values);
        let words = named.filter_map(|(name, value)| Some(format!("{name} {}", cell(value.as_ref()?))));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// A value of a variable as a cell of a table.
#[must_use]
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |value| format!("{value}")),
        other => other.to_string(),
    }
}

/// How pairs are made, as the file says; none for images.
pub(crate) fn pairs_of(over: &Over, images: usize) -> Option<Pairs> {
    match over {
        Over::Named(OverName::Images) => None,
        Over::Named(OverName::Pairs) => Some(Pairs { count: images, distinct_class: true }),
        Over::Pairs(fields) => Some(Pairs { count: fields.pairs, distinct_class: fields.distinct_class }),
    }
}

/// Collects reports, so that a user sees all problems at once.
#[derive(Default)]
pub(crate) struct Problems(Vec<Report>);

impl Problems {
    /// The value, or none when it has problems.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Report>) -> Option<T> {
        result.map_err(|report| self.0.push(report)).ok()
    }

    pub(crate) fn push(&mut self, report: Report) {
        self.0.push(report);
    }

    pub(crate) fn finish(self) -> Result<(), Report> {
        if self.0.is_empty() { Ok(()) } else { Err(Report::join(self.0)) }
    }
}

/// A path of the file, from its folder.
pub(crate) fn beside(spec: &PipelineSpec, path: &str) -> PathBuf {
    spec.folder.join(path)
}
