//! What goes into a model beside the images, and what comes out of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The order of the axes of a batch of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageLayout {
    /// Samples, channels, rows, columns.
    #[default]
    Nchw,
    /// Samples, rows, columns, channels.
    Nhwc,
}

/// What a file says of the inputs and outputs of its model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelPorts {
    /// The order of the axes of its images; none for what the model shows.
    pub layout: Option<ImageLayout>,
    /// Values of its other inputs.
    pub inputs: BTreeMap<String, Value>,
    /// Its answer.
    pub output: OutputSpec,
}

/// Which output is the answer of a model, and what that is.
///
/// `auto`, `logits` and `probabilities` say what the first output is; any other text names an output, and a number counts them from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "OutputFields", into = "OutputFields")]
pub struct OutputSpec {
    /// Which output; none for the first one.
    pub which: Option<OutputName>,
    /// What it gives.
    pub gives: Gives,
}

/// An output of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OutputName {
    /// Its position, from 0.
    Position(usize),
    /// Its name.
    Name(String),
}

/// What the answer of a classifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gives {
    /// What the model shows: its last operator, else whether rows sum to 1.
    #[default]
    Auto,
    /// Logits: their softmax is the probability of a class.
    Logits,
    /// Probabilities, whose logarithm then stands in for logits.
    Probabilities,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OutputFields {
    Gives(Gives),
    Both(Both),
    Which(OutputName),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Both {
    which: Option<OutputName>,
    #[serde(default)]
    gives: Gives,
}

impl From<OutputFields> for OutputSpec {
    fn from(fields: OutputFields) -> Self {
        match fields {
            OutputFields::Gives(gives) => Self { which: None, gives },
            OutputFields::Both(Both { which, gives }) => Self { which, gives },
            OutputFields::Which(which) => Self { which: Some(which), gives: Gives::Auto },
        }
    }
}

impl From<OutputSpec> for OutputFields {
    fn from(OutputSpec { which, gives }: OutputSpec) -> Self {
        match (which, gives) {
            (None, gives) => Self::Gives(gives),
            (Some(which), Gives::Auto) => Self::Which(which),
            (which, gives) => Self::Both(Both { which, gives }),
        }
    }
}

/// What a model answers, when that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Logits.
    #[default]
    Logits,
    /// Probabilities that sum to 1.
    Probabilities,
    /// Logarithms of such probabilities.
    LogProbabilities,
}

impl Answer {
    /// What it is, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities, whose logarithms stand in for logits",
            Self::LogProbabilities => "logarithms of probabilities",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_word_a_name_a_position_or_both() {
        let read = |text: &str| serde_json::from_str::<OutputSpec>(text).unwrap();
        let named = |which, gives| OutputSpec { which, gives };
        for (text, expected) in [
            ("\"auto\"", named(None, Gives::Auto)),
            ("\"probabilities\"", named(None, Gives::Probabilities)),
            ("\"head\"", named(Some(OutputName::Name("head".to_owned())), Gives::Auto)),
            ("1", named(Some(OutputName::Position(1)), Gives::Auto)),
            (
                "{\"which\":\"logits\",\"gives\":\"logits\"}",
                named(Some(OutputName::Name("logits".to_owned())), Gives::Logits),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
            assert_eq!(serde_json::to_string(&expected).unwrap(), text);
        }
    }
}
