//! The metrics that an experiment can have.

mod reading;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::Score;

/// What is computed for every set, intervention, site and setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    /// A share of the rows, with Wilson's interval.
    Rate(Rate),
    /// A mean over the rows, with the normal interval, cut to what the mean can be.
    Mean(Mean),
    /// Mean gap of confidence and accuracy over bins (expected calibration error, L1).
    Ece(usize),
    /// Largest gap of confidence and accuracy over bins.
    Mce(usize),
    /// Data against another set by a score; the data is the positive class.
    Detection(Detection, Score),
    /// Share of the difference of logits (class of the image less that of the partner) that patching recovers.
    Recovered,
    /// Area between the curves of the first two interventions over a variable.
    AreaBetween {
        /// The metric of the curves.
        metric: String,
        /// The variable.
        x: String,
    },
    /// Where the probabilities of the two classes cross over a variable.
    Crossing {
        /// The variable.
        x: String,
    },
    /// A measure of saliency maps.
    Map(MapMetric),
}

/// A share of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// The most likely class is that of the image.
    Top1,
    /// It is not.
    Top1Error,
    /// The class of the image is among the five most likely.
    Top5,
    /// It is not.
    Top5Error,
    /// The most likely class is that of neither image of the pair.
    NeitherError,
    /// The most likely class is not that of the clean run.
    Flip,
}

/// A mean over the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mean {
    /// Probability of the class of the image.
    PA,
    /// Probability of the class of the partner.
    PB,
    /// Weight of the image by the elements.
    LamEff,
    /// Largest probability.
    Confidence,
    /// Entropy of the softmax, nats.
    Entropy,
    /// Log of the sum of the exponentials of the logits.
    Energy,
    /// `abs(p_a / (p_a + p_b) - lam_eff)`.
    Linearity,
    /// Kullback-Leibler divergence of the softmax from a label rule, nats.
    Kl(Rule),
    /// Cross entropy with the label by area, nats.
    Nll,
    /// Sum over the classes of the squared difference of probability and label.
    Brier,
    /// Share of the elements at the site that changed.
    Changed,
}

/// How a mixed label is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// By area: `lam_eff` and the rest.
    Area,
    /// All to the larger part, the image at a half.
    OneHot,
    /// A half each, whatever the area.
    Complete,
}

/// Data against another set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// Area under the ROC curve.
    Auroc,
    /// Average precision of the data.
    AuprIn,
    /// Average precision of the other set.
    AuprOut,
    /// False positives where 95 % of the data is recognized.
    Fpr95,
    /// True negatives there.
    Tnr95,
    /// Largest mean of true positives and true negatives.
    Accuracy,
}

/// A measure of saliency maps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MapMetric {
    /// The class is right and the box around the largest part above `threshold` of the maximum has an IoU above 0.5.
    Loc(f64),
    /// The same whatever the class.
    GtKnownLoc(f64),
    /// Share of boxes with an IoU of at least 0.5 at the best threshold.
    MaxBoxAcc,
    /// The same with all parts, meaned over IoU 0.3, 0.5 and 0.7.
    MaxBoxAccV2,
    /// Share of the map's positive values where the class of the target is.
    EnergyInRegion,
}

impl Metric {
    /// Name in the summary.
    #[must_use]
    pub fn id(&self) -> String {
        let scored = |name: &str, score: &Score| match score {
            Score::Msp => format!("{name}_msp"),
            Score::Energy => format!("{name}_energy"),
            Score::MaxLogit => format!("{name}_max_logit"),
        };
        match self {
            Metric::Rate(rate) => rate.name().to_owned(),
            Metric::Mean(Mean::Kl(Rule::Area)) => "kl_area".to_owned(),
            Metric::Mean(Mean::Kl(Rule::OneHot)) => "kl_one_hot".to_owned(),
            Metric::Mean(Mean::Kl(Rule::Complete)) => "kl_complete".to_owned(),
            Metric::Mean(mean) => mean.name().to_owned(),
            Metric::Ece(_) => "ece".to_owned(),
            Metric::Mce(_) => "mce".to_owned(),
            Metric::Detection(detection, score) => scored(detection.name(), score),
            Metric::Recovered => "recovered".to_owned(),
            Metric::AreaBetween { metric, .. } => format!("area_between_{metric}"),
            Metric::Crossing { x } => format!("crossing_{x}"),
            Metric::Map(MapMetric::Loc(_)) => "loc".to_owned(),
            Metric::Map(MapMetric::GtKnownLoc(_)) => "gt_known_loc".to_owned(),
            Metric::Map(MapMetric::MaxBoxAcc) => "max_box_acc".to_owned(),
            Metric::Map(MapMetric::MaxBoxAccV2) => "max_box_acc_v2".to_owned(),
            Metric::Map(MapMetric::EnergyInRegion) => "energy_in_region".to_owned(),
        }
    }

    /// Whether it compares the classes of a pair.
    #[must_use]
    pub fn needs_pairs(&self) -> bool {
        matches!(
            self,
            Metric::Rate(Rate::NeitherError)
                | Metric::Mean(Mean::PB | Mean::Linearity)
                | Metric::Recovered
                | Metric::Crossing { .. }
        )
    }

    /// Whether it needs logits themselves: probabilities leave open what was added to all of them.
    #[must_use]
    pub fn needs_logits(&self) -> bool {
        matches!(self, Metric::Mean(Mean::Energy) | Metric::Detection(_, Score::Energy | Score::MaxLogit))
    }

    /// Whether it needs to know the class of an image.
    #[must_use]
    pub fn needs_labels(&self) -> bool {
        !matches!(
            self,
            Metric::Rate(Rate::Flip)
                | Metric::Mean(Mean::LamEff | Mean::Confidence | Mean::Entropy | Mean::Energy | Mean::Changed)
                | Metric::Detection(..)
                | Metric::Map(MapMetric::GtKnownLoc(_) | MapMetric::MaxBoxAcc | MapMetric::MaxBoxAccV2)
                | Metric::AreaBetween { .. }
        )
    }
}

impl Rate {
    fn name(self) -> &'static str {
        match self {
            Rate::Top1 => "top1",
            Rate::Top1Error => "top1_error",
            Rate::Top5 => "top5",
            Rate::Top5Error => "top5_error",
            Rate::NeitherError => "neither_error",
            Rate::Flip => "flip_rate",
        }
    }
}

impl Mean {
    fn name(self) -> &'static str {
        match self {
            Mean::PA => "p_a",
            Mean::PB => "p_b",
            Mean::LamEff => "lam_eff",
            Mean::Confidence => "confidence",
            Mean::Entropy => "entropy",
            Mean::Energy => "energy",
            Mean::Linearity => "linearity",
            Mean::Kl(_) => "kl",
            Mean::Nll => "nll",
            Mean::Brier => "brier",
            Mean::Changed => "changed",
        }
    }
}

impl Mean {
    /// The nearest value that the mean can have: the normal interval reaches beyond.
    pub(crate) fn within(self, value: f64) -> f64 {
        match self {
            // One value has no interval.
            _ if value.is_nan() => value,
            Mean::PA | Mean::PB | Mean::LamEff | Mean::Confidence | Mean::Linearity | Mean::Changed => {
                value.clamp(0.0, 1.0)
            }
            Mean::Entropy | Mean::Kl(_) | Mean::Nll => value.max(0.0),
            Mean::Brier => value.clamp(0.0, 2.0),
            Mean::Energy => value,
        }
    }
}

impl Detection {
    fn name(self) -> &'static str {
        match self {
            Detection::Auroc => "auroc",
            Detection::AuprIn => "aupr_in",
            Detection::AuprOut => "aupr_out",
            Detection::Fpr95 => "fpr95",
            Detection::Tnr95 => "tnr95",
            Detection::Accuracy => "detection_accuracy",
        }
    }
}
