//! What a report draws, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A chart of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ChartFields {
    /// A metric over a variable, a line for each of what else differs.
    Curve(CurveFields),
    /// A metric over a variable and the site.
    Heat(HeatFields),
    /// Confidence against accuracy.
    Reliability(Only),
    /// True against false positives of every set.
    Roc(ScoreFields),
    /// A metric for each of what differs.
    Bar(BarFields),
    /// Images with what was done to them, and saliency over them.
    Strip(StripFields),
}

impl ChartFields {
    /// Name as in YAML.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ChartFields::Curve(_) => "curve",
            ChartFields::Heat(_) => "heat",
            ChartFields::Reliability(_) => "reliability",
            ChartFields::Roc(_) => "roc",
            ChartFields::Bar(_) => "bar",
            ChartFields::Strip(_) => "strip",
        }
    }
}

/// A metric over a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CurveFields {
    /// The metric.
    pub y: String,
    /// The variable of the sweep, or `lam_eff`.
    pub x: String,
    /// Which interventions; all by default.
    #[serde(default)]
    pub of: Vec<String>,
}

/// A metric over a variable and the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeatFields {
    /// The metric.
    pub z: String,
    /// The variable of the columns.
    pub x: String,
    /// The variable of the rows.
    #[serde(default = "site")]
    pub y: String,
    /// Which interventions; all by default.
    #[serde(default)]
    pub of: Vec<String>,
}

/// Which interventions a chart is of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// Which interventions; all, and the clean run, by default.
    #[serde(default)]
    pub of: Vec<String>,
}

/// A score of how much an image looks like the data.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreFields {
    /// The score.
    #[serde(default)]
    pub score: Score,
}

/// A score that is larger for images that look like the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The largest probability.
    #[default]
    Msp,
    /// The log of the sum of the exponentials of the logits.
    Energy,
    /// The largest logit.
    MaxLogit,
}

/// A metric for each of what differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BarFields {
    /// The metric.
    pub y: String,
}

/// Images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StripFields {
    /// How many units, from the first.
    #[schemars(range(min = 1, max = 200))]
    pub units: usize,
}

fn site() -> String {
    "site".to_owned()
}
