//! Rectangles of random area and aspect, as erasing and cropping draw them.

use std::sync::OnceLock;

use crate::dice::Dice;
use crate::numbers::PositiveRange;
use crate::table::Table;

/// Quantiles of the square root of a log-uniform aspect and of its inverse, built when first drawn.
#[derive(Debug, Clone, Default)]
pub struct Aspects(OnceLock<[Table; 2]>);

impl Aspects {
    /// Sides `[sqrt(area * aspect), sqrt(area / aspect)]`, rounded: the area is U(scale) of `total` elements (lane 0), the aspect log-uniform in
    /// `ratio` (lane 1).
    pub fn sides<D: Dice>(&self, dice: D, total: D::Real, scale: PositiveRange, ratio: PositiveRange) -> [D::Int; 2] {
        let tables = || [0.5, -0.5].map(|power| Table::log_uniform(ratio.low(), ratio.high(), power));
        let root = dice.sqrt(dice.between(0, scale.low(), scale.high()) * total);
        let aspect = dice.uniform(1);
        self.0.get_or_init(tables).each_ref().map(|table| dice.round(root * dice.lookup(aspect, table)))
    }
}

/// A uniform start of a stretch of `taken` elements inside `side` (0 where it does not fit), by `lane`.
pub fn start_within<D: Dice>(dice: D, lane: u32, side: D::Int, taken: D::Int) -> D::Int {
    let one = dice.int(1);
    dice.below(lane, dice.max_int(side - taken + one, one))
}
