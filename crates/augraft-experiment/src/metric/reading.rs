//! Metrics as they are written.

use augraft_pipeline::{PipelineSpec, Report, meant};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Detection, MapMetric, Mean, Metric, Rate, Rule};
use crate::spec::{MetricFields, Score};

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bins {
    /// Bins of equal width.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 1, max = 1000))]
    bins: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// How the label is made.
    rule: Rule,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Scored {
    /// The score.
    #[serde(default)]
    score: Score,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Threshold {
    /// Share of the maximum of the map.
    #[serde(default = "fifteen_percent")]
    #[schemars(range(min = 0, max = 1))]
    threshold: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Between {
    /// The metric of the curves.
    metric: String,
    /// The variable.
    x: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Over {
    /// The variable.
    x: String,
}

fn fifteen() -> usize {
    15
}

fn fifteen_percent() -> f64 {
    0.15
}

/// Every name of a metric.
const NAMES: [&str; 33] = [
    "area_between",
    "aupr_in",
    "aupr_out",
    "auroc",
    "brier",
    "changed",
    "confidence",
    "crossing",
    "detection_accuracy",
    "ece",
    "energy",
    "energy_in_region",
    "entropy",
    "flip_rate",
    "fpr95",
    "gt_known_loc",
    "kl",
    "lam_eff",
    "linearity",
    "loc",
    "max_box_acc",
    "max_box_acc_v2",
    "mce",
    "neither_error",
    "nll",
    "p_a",
    "p_b",
    "recovered",
    "tnr95",
    "top1",
    "top1_error",
    "top5",
    "top5_error",
];

impl Metric {
    /// Reads the metric that is written at `pointer`.
    ///
    /// # Errors
    /// When there is none of this name, or its options do not fit.
    pub fn read(spec: &PipelineSpec, pointer: &str, fields: &MetricFields) -> Result<Self, Report> {
        let (name, options) = match fields {
            MetricFields::Name(name) => (name.as_str(), json!({})),
            MetricFields::With(map) if map.len() == 1 => {
                map.iter().next().map_or(("", Value::Null), |(name, value)| (name.as_str(), value.clone()))
            }
            MetricFields::With(_) => {
                let message = "a metric is a name, or a map from one name to its options";
                return Err(spec.problem(pointer, "bad-metric", message, None));
            }
        };
        let place =
            if matches!(fields, MetricFields::With(_)) { format!("{pointer}/{name}") } else { pointer.to_owned() };
        let subject = format!("`{name}`");
        macro_rules! options {
            ($fields:ty) => {
                spec.value_at::<$fields>(&place, &subject, options)?
            };
        }
        let plain = match name {
            "top1" => Some(Metric::Rate(Rate::Top1)),
            "top1_error" => Some(Metric::Rate(Rate::Top1Error)),
            "top5" => Some(Metric::Rate(Rate::Top5)),
            "top5_error" => Some(Metric::Rate(Rate::Top5Error)),
            "neither_error" => Some(Metric::Rate(Rate::NeitherError)),
            "flip_rate" => Some(Metric::Rate(Rate::Flip)),
            "p_a" => Some(Metric::Mean(Mean::PA)),
            "p_b" => Some(Metric::Mean(Mean::PB)),
            "lam_eff" => Some(Metric::Mean(Mean::LamEff)),
            "confidence" => Some(Metric::Mean(Mean::Confidence)),
            "entropy" => Some(Metric::Mean(Mean::Entropy)),
            "energy" => Some(Metric::Mean(Mean::Energy)),
            "linearity" => Some(Metric::Mean(Mean::Linearity)),
            "nll" => Some(Metric::Mean(Mean::Nll)),
            "brier" => Some(Metric::Mean(Mean::Brier)),
            "changed" => Some(Metric::Mean(Mean::Changed)),
            "recovered" => Some(Metric::Recovered),
            "max_box_acc" => Some(Metric::Map(MapMetric::MaxBoxAcc)),
            "max_box_acc_v2" => Some(Metric::Map(MapMetric::MaxBoxAccV2)),
            "energy_in_region" => Some(Metric::Map(MapMetric::EnergyInRegion)),
            _ => None,
        };
        if let Some(metric) = plain {
            let NoOptions {} = options!(NoOptions);
            return Ok(metric);
        }
        Ok(match name {
            "kl" => Metric::Mean(Mean::Kl(options!(Rules).rule)),
            "ece" => Metric::Ece(options!(Bins).bins),
            "mce" => Metric::Mce(options!(Bins).bins),
            "auroc" => Metric::Detection(Detection::Auroc, options!(Scored).score),
            "aupr_in" => Metric::Detection(Detection::AuprIn, options!(Scored).score),
            "aupr_out" => Metric::Detection(Detection::AuprOut, options!(Scored).score),
            "fpr95" => Metric::Detection(Detection::Fpr95, options!(Scored).score),
            "tnr95" => Metric::Detection(Detection::Tnr95, options!(Scored).score),
            "detection_accuracy" => Metric::Detection(Detection::Accuracy, options!(Scored).score),
            "loc" => Metric::Map(MapMetric::Loc(options!(Threshold).threshold)),
            "gt_known_loc" => Metric::Map(MapMetric::GtKnownLoc(options!(Threshold).threshold)),
            "area_between" => {
                let Between { metric, x } = options!(Between);
                Metric::AreaBetween { metric, x }
            }
            "crossing" => Metric::Crossing { x: options!(Over).x },
            _ => {
                let known = format!("metrics: {}", NAMES.join(", "));
                let help =
                    meant(name, NAMES).map_or_else(|| known.clone(), |near| format!("did you mean `{near}`? {known}"));
                return Err(spec.problem(
                    pointer,
                    "unknown-metric",
                    format!("there is no metric `{name}`"),
                    Some(&help),
                ));
            }
        })
    }
}
