use augraft_operator::{
    Batch, Dice, Extent, Issue, Lowered, Mirror, Operator, Parity, Probability, Recorder, Role, Row, Scratch, Shape,
    draw, each_sample, register_operator,
};
use ndarray::{ArrayViewMut3, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mirrored;

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
        apply: Bool,
    }
}

impl Operator for VerticalFlip {
    const NAME: &'static str = "vertical_flip";
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
                mirror_rows(&mut image);
            }
        });
        batch.labels.mirror(Mirror::Rows, draws.iter().map(|draw| draw.apply).collect());
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let flipped = mirrored(batch.images, 2, batch.sides[0]);
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(flipped, batch.images);
        let labels = batch.labels.map(|labels| labels.mirror(Mirror::Rows, draw.apply));
        Ok(Lowered { images, labels, ..batch })
    }
}

register_operator!(VerticalFlip);

/// Mirrors top and bottom of an image with the axes channels, rows, columns.
pub(crate) fn mirror_rows<T: Copy>(image: &mut ArrayViewMut3<'_, T>) {
    let (_, height, width) = image.dim();
    if let Some(pixels) = image.as_slice_mut() {
        for plane in pixels.chunks_exact_mut(height * width) {
            let (above, below) = plane.split_at_mut(height / 2 * width);
            let below = below.rchunks_exact_mut(width);
            above.chunks_exact_mut(width).zip(below).for_each(|(above, below)| above.swap_with_slice(below));
        }
        return;
    }
    for top in 0..height / 2 {
        let (mut above, mut below) = image.multi_slice_mut((s![.., top, ..], s![.., height - 1 - top, ..]));
        ndarray::Zip::from(&mut above).and(&mut below).for_each(core::mem::swap);
    }
}
