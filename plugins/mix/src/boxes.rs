//! How boxes are sized, placed and rounded.

use augraft_operator::{Dice, Probability, Side, Table, start_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules of a box.
pub(crate) struct Boxes {
    pub(crate) rule: BoxRule,
    pub(crate) center: Center,
    pub(crate) size: BoxSize,
}

impl Boxes {
    /// First row and row after the last (or columns) on a side of `side` elements, which `cut` is the share of.
    pub(crate) fn span<D: Dice>(&self, dice: D, lane: u32, cut: D::Real, side: D::Int) -> [D::Int; 2] {
        let (zero, one, two) = (dice.int(0), dice.int(1), dice.int(2));
        let length = match self.size {
            BoxSize::Beta(_) => dice.floor(cut * dice.to_real(side)),
            BoxSize::Fixed { fixed } => dice.int(i64::from(fixed.get())),
            BoxSize::Minmax { minmax: [low, high] } => {
                let [least, most] = [low, high].map(|share| dice.floor(dice.real(share.get()) * dice.to_real(side)));
                let length = least + dice.below(lane + 6, dice.max_int(most - least, one));
                // timm draws the last place too from 1.0.31 on, with which odd boxes came.
                let included = dice.int(i64::from(self.rule == BoxRule::ExactOdd));
                let from = dice.below(lane, dice.max_int(side - length + included, one));
                return [from, from + length];
            }
        };
        match self.rule {
            BoxRule::Contained => {
                let length = dice.min_int(length, side);
                let from = start_within(dice, lane, side, length);
                [from, from + length]
            }
            BoxRule::RealValued => {
                let length = match self.size {
                    BoxSize::Beta(_) => cut * dice.to_real(side),
                    _ => dice.to_real(dice.min_int(length, side)),
                };
                let from = dice.uniform(lane) * (dice.to_real(side) - length);
                let up = |at| zero - dice.floor(dice.real(0.0) - at);
                [up(from), up(from + length)]
            }
            BoxRule::Official | BoxRule::ExactOdd => {
                let half = dice.div(length, two);
                let rest = if self.rule == BoxRule::Official { half } else { dice.div(length + one, two) };
                let center = match self.center {
                    Center::Uniform => dice.below(lane, side),
                    Center::UniformPixel => dice.below(lane, side + two * half) - half,
                    Center::Gaussian => {
                        let normal = dice.lookup(dice.uniform(lane), Table::normal());
                        let at = dice.to_real(side) * (dice.real(0.5) + dice.real(GAUSSIAN) * normal);
                        dice.clamp(dice.floor(at), zero, side - one)
                    }
                };
                [center - half, center + rest].map(|at| dice.clamp(at, zero, side))
            }
        }
    }
}

/// Standard deviation of a Gaussian center, as a share of the side; the paper gives none.
const GAUSSIAN: f64 = 1.0 / 6.0;

/// How a box is placed and rounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxRule {
    /// Half sides `floor(side * sqrt(1 - lam) / 2)` around the center, clipped: sides are even (the authors' code, torchvision).
    #[default]
    Official,
    /// The same with `side // 2` before and `(side + 1) // 2` behind the center: odd sides stay odd (timm 1.0.31).
    ExactOdd,
    /// A box of rounded-down sides wholly inside (kornia).
    Contained,
    /// A box of real-valued sides wholly inside, which covers the pixels whose row and column lie in it (Keras).
    RealValued,
}

/// Where the center of a box lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Center {
    /// Uniform over the pixels.
    #[default]
    Uniform,
    /// Around the middle, with a standard deviation of a sixth of the side (the paper's ablation, which gives no variance).
    Gaussian,
    /// Also outside, so that every pixel is covered equally often (composer).
    UniformPixel,
}

/// How large a box is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum BoxSize {
    /// By `lam`.
    Beta(ByLam),
    /// A square of fixed size.
    Fixed {
        /// Side in pixels of the frame.
        fixed: Side,
    },
    /// Sides drawn for themselves, wherever `lam` would be; the box lies inside.
    Minmax {
        /// Smallest and largest share of the side.
        minmax: [Probability; 2],
    },
}

impl Default for BoxSize {
    fn default() -> Self {
        Self::Beta(ByLam::Beta)
    }
}

/// By `lam`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByLam {
    /// The share `sqrt(1 - lam)` of each side.
    Beta,
}

/// What happens to a box without pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyBox {
    /// Nothing is pasted.
    #[default]
    Noop,
    /// It has one pixel.
    Min1,
}
