//! The section `experiment` of a file, as it is written.

mod charts;

use std::collections::BTreeMap;

use augraft_pipeline::{LayoutName, Tokens, WrittenLayout};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::charts::ChartFields;
pub(crate) use self::charts::{BarFields, CurveFields, HeatFields, Only, Score, StripFields};

/// What is done to the model's input and inside of it, and what is measured.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentFields {
    /// What is measured and how, in a few sentences; printed in the report.
    #[serde(default)]
    pub description: String,
    /// What one unit is: `images`, or `{ pairs: COUNT }`.
    #[serde(default)]
    pub over: Over,
    /// Further data sets beside `data`, which is in-distribution.
    #[serde(default)]
    pub sets: Vec<SetFields>,
    /// What is done, each with its sites and its sweep; the clean run is always there.
    #[serde(default)]
    pub interventions: Vec<InterventionFields>,
    /// How the tensors N,T,D of a transformer are maps, wherever one is a site.
    #[serde(default)]
    #[schemars(with = "Tokens")]
    pub tokens: Option<Tokens>,
    /// Order of the axes of its sites, where the model does not show it.
    #[serde(default)]
    #[schemars(with = "LayoutName")]
    pub layout: Option<LayoutName>,
    /// Maps of what the answer depends on.
    #[serde(default)]
    #[schemars(with = "SaliencyFields")]
    pub saliency: Option<SaliencyFields>,
    /// What is computed for every set, intervention, site and setting.
    #[schemars(length(min = 1))]
    pub metrics: Vec<MetricFields>,
    /// What the report draws.
    #[serde(default)]
    pub charts: Vec<ChartFields>,
}

impl ExperimentFields {
    /// What is said of the axes of sites.
    pub(crate) fn written_layout(&self) -> WrittenLayout {
        WrittenLayout { name: self.layout, tokens: self.tokens }
    }
}

/// What one unit is.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Over {
    /// By name.
    Named(OverName),
    /// Pairs of an image and a partner.
    Pairs(PairFields),
}

impl Default for Over {
    fn default() -> Self {
        Self::Named(OverName::Images)
    }
}

/// A unit without options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverName {
    /// Every image of the data.
    Images,
    /// As many pairs as there are images.
    Pairs,
}

/// Pairs of images.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairFields {
    /// How many.
    ///
    /// The images of the data stand in a keyed random order, and in another one behind it for as long as pairs are needed. Each image is paired with
    /// the next one.
    #[schemars(range(min = 1))]
    pub pairs: usize,
    /// Whether the partner is the next image of another class.
    #[serde(default = "yes")]
    pub distinct_class: bool,
}

/// A data set of other images.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["data"] }, { "required": ["noise"] }]))]
pub struct SetFields {
    /// Name in rows and charts.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Where its images come from, as in `data` of the file.
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub data: Option<Value>,
    /// Images of noise.
    #[serde(default)]
    #[schemars(with = "NoiseFields")]
    pub noise: Option<NoiseFields>,
    /// Steps on its images in place of those of the file.
    #[serde(default)]
    #[schemars(with = "Vec<Value>")]
    pub steps: Option<Vec<Value>>,
}

/// Images of noise, bytes of red, green and blue that are drawn independently.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseFields {
    /// Distribution of a byte.
    pub kind: NoiseKind,
    /// How many images.
    #[schemars(range(min = 1))]
    pub count: usize,
    /// Height and width in pixels, before the steps.
    #[schemars(range(min = 1, max = 65536))]
    pub size: usize,
}

/// A distribution of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseKind {
    /// Every value alike.
    Uniform,
    /// Normal around the middle (0.5 with standard deviation 1 on `[0, 1]` for images, clipped, as the code of ODIN).
    Gaussian,
}

/// Something that is done at sites.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionFields {
    /// Name in rows and charts.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Where: `input`, names of `model.sites`, tensors or patterns.
    #[serde(default = "at_input")]
    #[schemars(length(min = 1))]
    pub at: Vec<String>,
    /// Values of variables, which `apply` takes as `$NAME`; every combination is a setting.
    #[serde(default)]
    pub sweep: Map<String, Value>,
    /// Acts at the input before the run that is intervened in, such as a corruption; the clean run stays without them.
    #[serde(default)]
    pub base: Vec<Value>,
    /// Acts at the site, in order: those of experiments, or operators.
    #[schemars(length(min = 1))]
    pub apply: Vec<Value>,
    /// Whether it may leave every element as it is, which is an error otherwise.
    #[serde(default)]
    pub allow_no_change: bool,
}

/// Values of a variable.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SweepFields {
    /// These.
    Values(Vec<Value>),
    /// This many from `from` to `to`, both included, at equal distances.
    Range(RangeFields),
}

/// Values at equal distances.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeFields {
    /// The first.
    pub(crate) from: f64,
    /// The last.
    pub(crate) to: f64,
    /// How many.
    #[schemars(range(min = 2, max = 100_000))]
    pub(crate) steps: usize,
}

/// Maps of what the answer depends on.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaliencyFields {
    /// Ways to make a map.
    #[schemars(length(min = 1))]
    pub methods: Vec<Method>,
    /// The feature map: `head` is the one that the model's global average pooling reads.
    #[serde(default = "head")]
    pub at: String,
    /// The class that a map explains.
    #[serde(default = "own_label")]
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Channels that `score_cam` uses: those of the largest mean; all without it.
    #[serde(default)]
    #[schemars(with = "usize", range(min = 1))]
    pub channels: Option<usize>,
    /// Rows and columns of the holes of `occlusion`.
    #[serde(default = "seven")]
    #[schemars(range(min = 2, max = 64))]
    pub grid: usize,
    /// JSON file of boxes `[left, top, right, bottom]` in pixels of the image files by the names of the images, relative to this file.
    #[serde(default)]
    #[schemars(with = "String")]
    pub boxes: Option<String>,
}

/// A way to make a saliency map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The map weighted by the linear head (Zhou et al., CVPR 2016).
    Cam,
    /// The probability when one position of the map is kept (Byun and Lee, 2022).
    Reciprocam,
    /// The map weighted by what the probability loses without each channel (Desai and Ramaswamy, WACV 2020).
    AblationCam,
    /// The map weighted by the softmax of the scores of images masked with each channel (Wang et al., CVPR workshops 2020).
    ScoreCam,
    /// What the probability loses when a cell of the image is erased (Zeiler and Fergus, ECCV 2014).
    Occlusion,
}

impl Method {
    /// Name as in YAML.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::Cam => "cam",
            Method::Reciprocam => "reciprocam",
            Method::AblationCam => "ablation_cam",
            Method::ScoreCam => "score_cam",
            Method::Occlusion => "occlusion",
        }
    }
}

/// The class that a map explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// That of the image.
    A,
    /// That of the partner.
    B,
    /// The most likely one.
    Top1,
}

impl Target {
    /// Name as in YAML.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Target::A => "a",
            Target::B => "b",
            Target::Top1 => "top1",
        }
    }
}

/// A metric: its name, or a map from its name to its options.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricFields {
    /// With its defaults.
    Name(String),
    /// With options.
    With(BTreeMap<String, Value>),
}

fn yes() -> bool {
    true
}

fn at_input() -> Vec<String> {
    vec!["input".to_owned()]
}

fn head() -> String {
    "head".to_owned()
}

fn own_label() -> Vec<Target> {
    vec![Target::A]
}

fn seven() -> usize {
    7
}
