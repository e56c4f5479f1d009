use augraft_operator::{
    Batch, Dice, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Role, Row, Scratch, Shape, draw,
    each_sample, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Leaves every image as it is.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - my_operator: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyOperator {
    /// Probability of a sample to be changed.
    pub p: Probability,
}

impl Default for MyOperator {
    fn default() -> Self {
        Self { p: Probability::ALWAYS }
    }
}

draw! {
    /// What is decided for one sample.
    pub struct Drawn {
        /// Whether the sample is changed.
        apply: Bool,
    }
}

impl Operator for MyOperator {
    const NAME: &'static str = "my_operator";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Color;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            if draw.apply {
                image.mapv_inplace(|value| value);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let changed = batch.images;
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(changed, batch.images);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(MyOperator);
