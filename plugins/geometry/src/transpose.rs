use augraft_operator::{Dice, Extent, Issue, Motion, Operator, Parity, Probability, Shape, draw, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Swaps rows and columns.
///
/// A reflection at the diagonal from the top left to the bottom right. Works on square images and on square feature maps N,C,H,W.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - transpose: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transpose {
    /// Probability of a sample to be transposed.
    pub p: Probability,
}

impl Default for Transpose {
    fn default() -> Self {
        Self { p: Probability::HALF }
    }
}

draw! {
    /// The reflection of one sample.
    pub struct Drawn {
        /// Whether the sample is transposed.
        apply: Bool as Decision,
    }
}

impl Operator for Transpose {
    const NAME: &'static str = "transpose";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.square("", "put `resize`, `resized_crop` or a crop to a square before this step")?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Transpose(draw.apply)
    }
}

register_operator!(Transpose);
