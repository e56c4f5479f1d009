use augraft_operator::ndarray::ArrayViewMut3;
use augraft_operator::{
    Dice, Extent, Issue, Lowered, Operator, Parity, Pixel, Probability, Recorder, Row, Shape, Value, Values, draw,
    register_operator,
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
        apply: Bool as Decision,
    }
}

impl Operator for MyOperator {
    const NAME: &'static str = "my_operator";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn change<T: Pixel>(&self, _: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        image.mapv_inplace(|value| value);
    }

    fn lower_change<'g>(&self, _: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        Ok(Some(batch.images))
    }
}

register_operator!(MyOperator);
