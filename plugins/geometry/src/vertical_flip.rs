use augraft_operator::{Dice, Extent, Issue, Motion, Operator, Parity, Probability, Shape, draw, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mirrors top and bottom.
///
/// Works on images of any size and on feature maps N,C,H,W.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - vertical_flip: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerticalFlip {
    /// Probability of a sample to be flipped.
    pub p: Probability,
}

impl Default for VerticalFlip {
    fn default() -> Self {
        Self { p: Probability::HALF }
    }
}

draw! {
    /// The flip of one sample.
    pub struct Drawn {
        /// Whether the sample is flipped.
        apply: Bool as Decision,
    }
}

impl Operator for VerticalFlip {
    const NAME: &'static str = "vertical_flip";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Mirror { rows: draw.apply, columns: dice.never() }
    }
}

register_operator!(VerticalFlip);
