use augraft_operator::{Dice, Extent, Issue, Motion, Operator, Parity, Probability, Shape, draw, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shows an image in one of the eight ways that a square can lie.
///
/// Four quarter turns, each as it is or mirrored, all equally likely: the dihedral group D4, for images without an up and a left, such as those of
/// satellites and microscopes. Works on square images and on square feature maps N,C,H,W.
///
/// Draws `mirror` (whether left and right change places first) and `k`, the number of quarter turns, counterclockwise as in `numpy.rot90`; nothing and 0
/// where the step does not act.
///
/// # Example
/// ```yaml
/// - dihedral: { p: 1.0 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dihedral {
    /// Probability of a sample to be drawn a way to lie, of which one is the way that it lies.
    pub p: Probability,
}

impl Default for Dihedral {
    fn default() -> Self {
        Self { p: Probability::ALWAYS }
    }
}

draw! {
    /// How one sample lies.
    pub struct Drawn {
        /// Whether left and right change places first.
        mirror: Bool,
        /// Number of quarter turns after that, counterclockwise.
        k: Int,
    }
}

impl Operator for Dihedral {
    const NAME: &'static str = "dihedral";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.square("", "put `resize`, `resized_crop` or a crop to a square before this step")?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let acts = dice.acts(0, self.p);
        let k = dice.select_int(acts, dice.below(2, dice.int(4)), dice.int(0));
        Drawn { mirror: acts & dice.chance(1, Probability::HALF), k }
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Chain(vec![Motion::Mirror { rows: dice.never(), columns: draw.mirror }, Motion::Quarter(draw.k)])
    }
}

register_operator!(Dihedral);
