//! What a step says of the parameters of an operator that is an ONNX file.

use augraft_operator::{Alpha, Partner, Probability};
use augraft_pipeline::Distribution;
use serde_json::{Value as Json, json};

/// What a step says of a parameter.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    Uniform([f64; 2]),
    Integer([i64; 2]),
    Beta(Alpha),
    Chance(Probability),
    Partner(Partner),
    Constant(f64),
}

impl Setting {
    pub(super) fn of(distribution: Distribution) -> Self {
        match distribution {
            Distribution::Uniform(_, default) => Self::Uniform(default),
            Distribution::Integer(_, default) => Self::Integer(default),
            Distribution::Beta(_, default) => Self::Beta(Alpha::new(default).unwrap_or_default()),
            Distribution::Chance(default) => Self::Chance(Probability::new(default).unwrap_or(Probability::ALWAYS)),
            Distribution::Partner(default) => Self::Partner(default),
            Distribution::Constant(_, default) => Self::Constant(default),
        }
    }

    /// The same kind of setting from a configuration.
    pub(super) fn read(&self, value: &Json) -> Result<Self, serde_json::Error> {
        let setting = match self {
            Self::Uniform(_) => Self::Uniform(serde_json::from_value(value.clone())?),
            Self::Integer(_) => Self::Integer(serde_json::from_value(value.clone())?),
            Self::Beta(_) => Self::Beta(serde_json::from_value(value.clone())?),
            Self::Chance(_) => Self::Chance(serde_json::from_value(value.clone())?),
            Self::Partner(_) => Self::Partner(serde_json::from_value(value.clone())?),
            Self::Constant(_) => Self::Constant(serde_json::from_value(value.clone())?),
        };
        let is_reversed = match &setting {
            Self::Uniform([low, high]) => low > high,
            Self::Integer([low, high]) => low > high,
            _ => false,
        };
        if is_reversed {
            return Err(serde::de::Error::custom(format!("{value} is not a range: the smaller end comes first")));
        }
        Ok(setting)
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Uniform(range) => json!(range),
            Self::Integer(range) => json!(range),
            Self::Beta(alpha) => json!(alpha.get()),
            Self::Chance(p) => json!(p.get()),
            Self::Partner(partner) => json!(partner),
            Self::Constant(value) => json!(value),
        }
    }
}
