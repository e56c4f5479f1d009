use augraft_operator::{
    Batch, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch, Shape, Values,
    draw, parallel, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Multiplies each sample by a factor, constant or random.
///
/// With a range, the factor of each sample is uniform in it. Works on feature maps N,C,H,W and normalized images.
///
/// Draws `apply` and `factor` (1 when not applied).
///
/// # Example
/// ```yaml
/// - scale: { factor: [0.8, 1.2] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scale {
    /// The factor: a number, or the ends of a range.
    pub factor: Factor,
    /// Probability of a sample to be scaled.
    pub p: Probability,
}

/// A factor, or the range that it is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Factor {
    /// Always the same.
    Constant(f64),
    /// Uniform between two numbers.
    Range([f64; 2]),
}

impl Default for Scale {
    fn default() -> Self {
        Self { factor: Factor::Range([0.8, 1.2]), p: Probability::ALWAYS }
    }
}

draw! {
    /// The factor of one sample.
    pub struct Drawn {
        /// Whether the sample is scaled.
        apply: Bool as Decision,
        /// What it is multiplied by.
        factor: Real,
    }
}

impl Operator for Scale {
    const NAME: &'static str = "scale";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let [low, high] = self.range();
        // Beyond, products of usual values leave single precision.
        if !(-1e6..=1e6).contains(&low) || !(-1e6..=1e6).contains(&high) {
            return Err(Issue::new("factor", "a factor is between -1e6 and 1e6"));
        }
        if low > high {
            return Err(Issue::new("factor", format!("[{low}, {high}] is not a range, low end first")));
        }
        if shape.element == Element::U8 {
            return Err(Issue::new("", "multiplies floats, and these are bytes").help("put `normalize` before it"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        let factor = match self.factor {
            Factor::Constant(factor) => dice.real(factor),
            Factor::Range([low, high]) => dice.between(1, low, high),
        };
        Drawn { apply, factor: dice.select(apply, factor, dice.real(1.0)) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let Some(samples) = batch.images.samples_f32() else { return };
        parallel(samples, draws, |mut image, draw: &Drawn<Row>| {
            let factor = draw.factor as f32;
            if factor != 1.0 {
                image.mapv_inplace(|value| value * factor);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        // A product with 1 is the value itself.
        let images = batch.images * draw.factor.unsqueeze(&[1, 2, 3]);
        Ok(Lowered { images, ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.factor as f32 != 1.0
    }
}

register_operator!(Scale);

impl Scale {
    fn range(&self) -> [f64; 2] {
        match self.factor {
            Factor::Constant(factor) => [factor; 2],
            Factor::Range(range) => range,
        }
    }
}
