use augraft_operator::{
    Batch, Dice, Extent, Issue, Lowered, Mirror, Operator, Parity, Probability, Recorder, Role, Row, Scratch, Shape,
    draw, each_sample, register_operator,
};
use ndarray::{ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mirrored;
use crate::window::Sampled;

/// Mirrors left and right.
///
/// Works on images of any size and on feature maps N,C,H,W.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - horizontal_flip: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HorizontalFlip {
    /// Probability of a sample to be flipped.
    pub p: Probability,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self { p: Probability::HALF }
    }
}

draw! {
    /// The flip of one sample.
    pub struct Drawn {
        /// Whether the sample is flipped.
        apply: Bool,
    }
}

impl Operator for HorizontalFlip {
    const NAME: &'static str = "horizontal_flip";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
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
                mirror_columns(&mut image);
            }
        });
        batch.labels.mirror(Mirror::Columns, draws.iter().map(|draw| draw.apply).collect());
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let flipped = mirrored(batch.images, 3, batch.sides[1]);
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(flipped, batch.images);
        let labels = batch.labels.map(|labels| labels.mirror(Mirror::Columns, draw.apply));
        Ok(Lowered { images, labels, ..batch })
    }
}

register_operator!(HorizontalFlip);

/// Mirrors left and right of an image with the axes channels, rows, columns.
pub(crate) fn mirror_columns<T: Sampled>(image: &mut ArrayViewMut3<'_, T>) {
    let width = image.dim().2;
    if let Some(pixels) = image.as_slice_mut() {
        return T::mirror(pixels, width);
    }
    for mut row in image.lanes_mut(Axis(2)) {
        for at in 0..width / 2 {
            row.swap(at, width - 1 - at);
        }
    }
}
