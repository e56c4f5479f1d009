//! How the weight of a sample is distributed.

use augraft_operator::{Alpha, Dice, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The distribution of `lam`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum LamDistribution {
    /// By name.
    Named(Named),
    /// Not drawn.
    Fixed {
        /// The weight itself.
        fixed: Probability,
    },
}

/// A distribution by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// Beta(alpha, alpha).
    Beta,
    /// Uniform in [0, 1), whatever `alpha` is.
    Uniform,
}

impl Default for LamDistribution {
    fn default() -> Self {
        Self::Named(Named::Beta)
    }
}

impl LamDistribution {
    /// Draws a weight with `lane`.
    pub(crate) fn draw<D: Dice>(self, dice: D, lane: u32, alpha: &Alpha) -> D::Real {
        match self {
            Self::Named(Named::Beta) => dice.beta(lane, alpha),
            Self::Named(Named::Uniform) => dice.uniform(lane),
            Self::Fixed { fixed } => dice.real(fixed.get()),
        }
    }
}
