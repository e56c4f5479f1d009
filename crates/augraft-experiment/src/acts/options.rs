//! Options of the acts that experiments define themselves.

use augraft_operator::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::region::Region;

/// An act that an experiment defines itself: its name in YAML and its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnAct {
    /// Blends with another run: `lam * x + (1 - lam) * other`.
    Lerp(Lerp),
    /// Takes a region from another run.
    Paste(Paste),
    /// Takes a region from the clean run: activation patching.
    Replace(Replace),
    /// Erases a region.
    Hole(Hole),
    /// Bounds the values from above.
    Clip(Clip),
    /// Sets the smallest values of a sample to zero.
    Prune(Prune),
}

/// Blends with another run: `lam * x + (1 - lam) * other`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lerp {
    /// Weight of the run itself.
    pub lam: Probability,
    /// The other run.
    #[serde(default)]
    pub from: Source,
}

/// Takes a region from another run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paste {
    /// What is taken; everything without it.
    #[serde(default)]
    pub region: Region,
    /// The other run.
    #[serde(default)]
    pub from: Source,
}

/// Takes a region from the clean run: activation patching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// What is taken; everything without it.
    #[serde(default)]
    pub region: Region,
    /// The other run.
    #[serde(default = "clean")]
    pub from: Source,
}

/// Erases a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// What is erased.
    #[serde(default)]
    pub region: Region,
    /// Whether everything but the region is erased.
    #[serde(default)]
    pub outside: Outside,
    /// Which zero erases.
    #[serde(default)]
    pub space: Space,
}

/// Whether the region or the rest is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// The region (center occlusion).
    #[default]
    Center,
    /// The rest (boundary occlusion).
    Boundary,
}

/// Which zero erases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Zero of the tensor: the mean color after `normalize`.
    #[default]
    Normalized,
    /// Black, at the input.
    Pixel,
}

/// Bounds the values from above (`ReAct`: Sun et al., NeurIPS 2021).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["max"] }, { "required": ["quantile"] }]))]
pub struct Clip {
    /// The bound.
    #[serde(default)]
    #[schemars(with = "f64")]
    pub max: Option<f64>,
    /// The bound as a quantile, linearly interpolated, of all values that the images of `data` have at the site.
    #[serde(default)]
    #[schemars(with = "Probability")]
    pub quantile: Option<Probability>,
}

/// Sets the smallest values of a sample to zero (Djurisic et al., ICLR 2023).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Share of the values to prune; of `n`, `round(quantile * n)` are, ties by their place.
    pub quantile: Probability,
    /// What happens to the values that are kept.
    #[serde(default)]
    pub rescale: PruneRescale,
}

/// What happens to the values that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PruneRescale {
    /// Nothing (ASH-P).
    #[default]
    None,
    /// They are multiplied by exp(sum before / sum after) (ASH-S).
    AshS,
}

/// Another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The clean run of the partner.
    #[default]
    Partner,
    /// The clean run of the image itself.
    Clean,
}

fn clean() -> Source {
    Source::Clean
}

/// Names of the acts that experiments define themselves.
pub(crate) const OWN_ACTS: [&str; 6] = ["clip", "hole", "lerp", "paste", "prune", "replace"];
