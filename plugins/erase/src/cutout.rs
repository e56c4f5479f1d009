use augraft_operator::{
    Count, Dice, Draw, Extent, Fill, Issue, Lowered, Mode, Operator, Parity, Pixel, Probability, Recorder, Row, Shape,
    Side, Value, Values, draw, register_operator, start_within,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::{fill_hole, lower_holes};
use crate::sizes::Length;

/// Erases square holes at random places.
///
/// Each of `count` holes has the side `2 * floor(length / 2)`; its center is uniform over all pixels, the border included, and the hole is clipped
/// to the tensor. The paper fills with 0 after normalization, which is the mean color: put it after `normalize`. With another `placement` the holes
/// lie as in other libraries. Works on images and on feature maps N,C,H,W.
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
    /// Side of a hole: pixels, or a share of the shorter side written with a point; odd lengths are rounded down to even, but for the placements
    /// `inside` and `mmcv`.
    pub length: Length,
    /// Where the holes lie.
    pub placement: Placement,
    /// Number of holes.
    pub count: Count,
    /// Whether each sample has its own holes, or the whole batch the same (composer).
    pub mode: Mode,
    /// What the holes are filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Probability of a sample to be erased.
    pub p: Probability,
}

/// Where holes lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// The center is any pixel, and what is outside is clipped (the paper): pixels near the border are erased less often.
    #[default]
    Border,
    /// Fully inside (ffcv); a hole longer than a side covers it.
    Inside,
    /// The center may lie outside by half a hole, so that every pixel is equally likely to be erased (composer's `uniform_sampling`).
    UniformPixel,
    /// The center is a real number; what is outside at the top and left is moved inside, what is outside at the bottom and right is clipped
    /// (`MMPretrain`).
    Mmcv,
}

impl Default for Cutout {
    fn default() -> Self {
        Self {
            length: Length::Pixels(Side::of(16)),
            count: Count::ONE,
            fill: Fill::default(),
            p: Probability::ALWAYS,
            placement: Placement::Border,
            mode: Mode::Elem,
        }
    }
}

draw! {
    /// The holes of one sample.
    pub struct Drawn {
        /// Whether the sample is erased.
        apply: Bool as Decision,
        /// First row of each hole.
        top: Ints as Top,
        /// First column of each hole.
        left: Ints as Left,
        /// Row after the last of each hole.
        bottom: Ints as Bottom,
        /// Column after the last of each hole.
        right: Ints as Right,
    }
}

impl Operator for Cutout {
    const NAME: &'static str = "cutout";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("official", r#"{"length":16,"count":1,"fill":0,"p":1,"placement":"border","mode":"elem"}"#),
        ("composer", r#"{"length":0.5,"count":1,"fill":0,"p":1,"placement":"border","mode":"batch"}"#),
        ("mmpretrain", r#"{"count":1,"fill":128,"p":0.5,"placement":"mmcv","mode":"elem"}"#),
    ];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        let halved = matches!(self.placement, Placement::Border | Placement::UniformPixel);
        if halved && self.length == Length::Pixels(Side::of(1)) {
            return Err(Issue::new("length", "a hole of one pixel is rounded down to nothing").help("use 2 or more"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = scope.acts(0, self.p);
        let length = match self.length {
            Length::Pixels(_) => self.length.pixels(dice, extent.height),
            Length::Share(_) => self.length.pixels(dice, dice.min_int(extent.height, extent.width)),
        };
        let kept = |edge| dice.select_int(apply, edge, dice.int(0));
        let mut drawn = Drawn { apply, top: Vec::new(), left: Vec::new(), bottom: Vec::new(), right: Vec::new() };
        for k in 0..self.count.get() {
            let item = scope.item(k);
            let [top, bottom] = self.placement.draw(item, 0, extent.height, length).map(kept);
            let [left, right] = self.placement.draw(item, 1, extent.width, length).map(kept);
            drawn.top.push(top);
            drawn.left.push(left);
            drawn.bottom.push(bottom);
            drawn.right.push(right);
        }
        drawn
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        for hole in draw.boxes() {
            fill_hole(image, hole, |channel| T::of(self.fill.at(channel)));
        }
    }

    fn lower_change<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        Ok(Some(lower_holes(&draw.boxes(), &self.fill, batch)))
    }
}

register_operator!(Cutout);

impl Placement {
    /// Start and end of a hole along a side, by `lane`.
    fn draw<D: Dice>(self, dice: D, lane: u32, side: D::Int, length: D::Int) -> [D::Int; 2] {
        let zero = dice.int(0);
        let half = || dice.div(length, dice.int(2));
        match self {
            Placement::Border | Placement::UniformPixel => {
                let half = half();
                let center = match self {
                    Placement::Border => dice.below(lane, side),
                    _ => dice.below(lane, side + half + half) - half,
                };
                [center - half, center + half].map(|edge| dice.clamp(edge, zero, side))
            }
            Placement::Inside => {
                let taken = dice.min_int(length, side);
                let start = start_within(dice, lane, side, taken);
                [start, start + taken]
            }
            Placement::Mmcv => {
                let center = dice.uniform(lane) * dice.to_real(side);
                let start = dice.max_int(dice.floor(center - dice.to_real(length) * dice.real(0.5)), zero);
                [start, dice.min_int(start + length, side)]
            }
        }
    }
}
