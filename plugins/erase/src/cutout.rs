use augraft_operator::{
    Batch, Count, Dice, Extent, Fill, Issue, Lowered, Operator, Parity, Probability, Recorder, Role, Row, Scratch,
    Shape, Side, draw, each_sample, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::{fill_hole, lower_holes};

/// Erases square holes at random places.
///
/// Each of `count` holes has the side `2 * floor(length / 2)`; its center is uniform over all pixels, the border included, and the hole is clipped
/// to the tensor. The paper fills with 0 after normalisation, which is the mean color: put it after `normalize`. Works on images and on feature
/// maps N,C,H,W.
///
/// Draws `apply` and, per hole, `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty when not applied).
///
/// `DeVries` and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017, and the authors' code.
///
/// # Example
/// ```yaml
/// - cutout: { length: 16, count: 1 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cutout {
    /// Side of a hole in pixels; odd lengths are rounded down to even.
    pub length: Side,
    /// Number of holes.
    pub count: Count,
    /// What the holes are filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Probability of a sample to be erased.
    pub p: Probability,
}

impl Default for Cutout {
    fn default() -> Self {
        Self { length: Side::of(16), count: Count::ONE, fill: Fill::default(), p: Probability::ALWAYS }
    }
}

draw! {
    /// The holes of one sample.
    pub struct Drawn {
        /// Whether the sample is erased.
        apply: Bool,
        /// First row of each hole.
        top: Ints,
        /// First column of each hole.
        left: Ints,
        /// Row after the last of each hole.
        bottom: Ints,
        /// Column after the last of each hole.
        right: Ints,
    }
}

impl Operator for Cutout {
    const NAME: &'static str = "cutout";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Erase;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape.channels)?;
        if self.length.get() < 2 {
            return Err(Issue::new("length", "a hole of one pixel is rounded down to nothing").help("use 2 or more"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        let half = dice.int(i64::from(self.length.get() / 2));
        let zero = dice.int(0);
        let edge = |center, offset, side| dice.select_int(apply, dice.clamp(center + offset, zero, side), zero);
        let mut drawn = Drawn { apply, top: Vec::new(), left: Vec::new(), bottom: Vec::new(), right: Vec::new() };
        for k in 0..self.count.get() {
            let item = dice.item(k);
            let (cy, cx) = (item.below(0, extent.height), item.below(1, extent.width));
            drawn.top.push(edge(cy, zero - half, extent.height));
            drawn.left.push(edge(cx, zero - half, extent.width));
            drawn.bottom.push(edge(cy, half, extent.height));
            drawn.right.push(edge(cx, half, extent.width));
        }
        drawn
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            for k in 0..draw.top.len() {
                fill_hole(&mut image, [draw.top[k], draw.left[k], draw.bottom[k], draw.right[k]], &self.fill);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let holes: Vec<_> =
            (0..draw.top.len()).map(|k| [draw.top[k], draw.left[k], draw.bottom[k], draw.right[k]]).collect();
        let images = lower_holes(&holes, &self.fill, &batch);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(Cutout);
