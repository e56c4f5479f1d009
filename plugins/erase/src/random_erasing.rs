use augraft_operator::{
    Aspects, Batch, Count, Dice, Extent, Fill, Issue, Lowered, Operator, Parity, PositiveRange, Probability, Recorder,
    Role, Row, Scratch, Shape, draw, each_sample, register_operator, start_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::{fill_hole, lower_holes};

/// Erases one rectangle of random area and aspect.
///
/// The rule of torchvision's `RandomErasing`: area = U(scale) of the tensor, aspect (height / width) log-uniform in `ratio`, sides rounded; the
/// first of `retries` draws that is smaller than the tensor in both directions is taken, at a uniform place inside; when none is, nothing is erased.
/// Works on images and on feature maps N,C,H,W.
///
/// Draws `apply` (false when no draw fitted) and the rectangle `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive).
///
/// Zhong et al., "Random Erasing Data Augmentation", AAAI 2020; torchvision `transforms.v2.RandomErasing`.
///
/// # Example
/// ```yaml
/// - random_erasing: { p: 0.25, scale: [0.02, 0.33], ratio: [0.3, 3.3] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// Probability of a sample to be erased.
    pub p: Probability,
    /// Range of the erased share of the area.
    pub scale: PositiveRange,
    /// Range of the aspect, height / width.
    pub ratio: PositiveRange,
    /// What the rectangle is filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Draws of a rectangle before giving up.
    pub retries: Count,
    #[serde(skip)]
    #[schemars(skip)]
    aspects: Aspects,
}

impl Default for RandomErasing {
    fn default() -> Self {
        let range = |low, high| PositiveRange::new(low, high).expect("0 < low < high");
        Self {
            p: Probability::HALF,
            scale: range(0.02, 0.33),
            ratio: range(0.3, 3.3),
            fill: Fill::default(),
            retries: Count::new(10).expect("1 to 64"),
            aspects: Aspects::default(),
        }
    }
}

draw! {
    /// The rectangle of one sample.
    pub struct Drawn {
        /// Whether a rectangle is erased.
        apply: Bool,
        /// First row.
        top: Int,
        /// First column.
        left: Int,
        /// Row after the last.
        bottom: Int,
        /// Column after the last.
        right: Int,
    }
}

impl Operator for RandomErasing {
    const NAME: &'static str = "random_erasing";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Erase;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape.channels)?;
        if self.scale.high() > 1.0 {
            return Err(Issue::new("scale[1]", "a share of the area is at most 1"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (one, zero) = (dice.int(1), dice.int(0));
        let total = dice.to_real(extent.height * extent.width);
        let mut drawn =
            Drawn::<D> { apply: dice.less_int(one, zero), top: zero, left: zero, bottom: zero, right: zero };
        // The last retry is drawn first and overwritten by earlier ones, so that the first that fits wins without a branch.
        for k in (0..self.retries.get()).rev() {
            let item = dice.item(k);
            let [height, width] = self.aspects.sides(item, total, self.scale, self.ratio);
            let fits = item.less_int(height, extent.height) & item.less_int(width, extent.width);
            let top = start_within(item, 2, extent.height, height);
            let left = start_within(item, 3, extent.width, width);
            drawn = Drawn {
                apply: fits | drawn.apply,
                top: dice.select_int(fits, top, drawn.top),
                left: dice.select_int(fits, left, drawn.left),
                bottom: dice.select_int(fits, top + height, drawn.bottom),
                right: dice.select_int(fits, left + width, drawn.right),
            };
        }
        let apply = dice.acts(0, self.p) & drawn.apply;
        let kept = |edge| dice.select_int(apply, edge, zero);
        Drawn {
            apply,
            top: kept(drawn.top),
            left: kept(drawn.left),
            bottom: kept(drawn.bottom),
            right: kept(drawn.right),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            fill_hole(&mut image, [draw.top, draw.left, draw.bottom, draw.right], &self.fill);
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let hole = [draw.top, draw.left, draw.bottom, draw.right];
        let images = lower_holes(&[hole], &self.fill, &batch);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(RandomErasing);
