use augraft_operator::{Dice, Extent, Issue, Motion, Operator, Parity, Probability, Shape, draw, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns by a multiple of 90 degrees.
///
/// The number of quarter turns, counterclockwise as in `numpy.rot90`, is one of `k`, all equally likely. Odd numbers need square images, so that the
/// size does not change; with `k: [0, 2]` images may have any size. Works on feature maps too.
///
/// Draws `k`, the number of quarter turns; 0 where the step does not act.
///
/// # Example
/// ```yaml
/// - rot90: { k: [0, 1, 2, 3] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rot90 {
    /// Numbers of quarter turns, 0 to 3, of which one is drawn.
    #[schemars(length(min = 1, max = 64), inner(range(min = 0, max = 3)))]
    pub k: Vec<u8>,
    /// Probability of a sample to be turned.
    pub p: Probability,
}

impl Default for Rot90 {
    fn default() -> Self {
        Self { k: vec![0, 1, 2, 3], p: Probability::ALWAYS }
    }
}

draw! {
    /// The turn of one sample.
    pub struct Drawn {
        /// Number of quarter turns, counterclockwise.
        k: Int,
    }
}

impl Operator for Rot90 {
    const NAME: &'static str = "rot90";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if self.k.is_empty() || self.k.len() > 64 {
            return Err(Issue::new("k", "the list needs 1 to 64 numbers of quarter turns"));
        }
        if let Some(at) = self.k.iter().position(|turns| *turns > 3) {
            return Err(Issue::new(format!("k[{at}]"), "a number of quarter turns is 0, 1, 2 or 3"));
        }
        if self.has_odd() {
            shape.square("k", "use `k: [0, 2]`, or `resize`, `resized_crop` or a crop to a square before")?;
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let drawn = dice.below(1, dice.int(self.k.len() as i64));
        let turns = |at: usize| dice.int(i64::from(self.k[at]));
        let chosen = (1..self.k.len())
            .fold(turns(0), |chosen, at| dice.select_int(dice.less_int(drawn, dice.int(at as i64)), chosen, turns(at)));
        Drawn { k: dice.select_int(dice.acts(0, self.p), chosen, dice.int(0)) }
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        if self.has_odd() {
            return Motion::Quarter(draw.k);
        }
        let half = !dice.less_int(draw.k, dice.int(1));
        Motion::Mirror { rows: half, columns: half }
    }
}

register_operator!(Rot90);

impl Rot90 {
    fn has_odd(&self) -> bool {
        self.k.iter().any(|turns| turns % 2 == 1)
    }
}
