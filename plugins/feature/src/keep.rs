use augraft_operator::{
    Batch, Dice, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch, Shape, Values,
    box_mask, draw, each_sample, register_operator, start_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::region::{Unit, cells, check_channels, erase, lower_channels};

/// Keeps a box or some channels of a sample and sets the rest to zero.
///
/// The box is `box`, or one of the size `size` (at least one cell) at a uniform place inside each sample. With `channels` only these channels are
/// kept, with a box too only the box in these channels. Without all three, the middle half of the rows and columns is kept. Works on feature maps
/// N,C,H,W and images, where zero is black before `normalize` and the mean color after it.
///
/// Draws `apply` and the box `top`, `left`, `bottom`, `right` (cells from the top left, ends exclusive, the whole plane when not applied).
///
/// # Example
/// ```yaml
/// - keep: { size: [0.5, 0.25] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The box `[top, left, bottom, right]`, ends exclusive.
    #[serde(rename = "box")]
    pub area: Option<[f64; 4]>,
    /// The size of a box at a random place: one number for both sides, or `[height, width]`.
    pub size: Option<Sides>,
    /// What the box and the size are counted in.
    pub unit: Unit,
    /// The channels, counted from 0; all of them without it.
    pub channels: Option<Vec<u32>>,
    /// Probability of a sample to be changed.
    pub p: Probability,
}

/// Height and width of a box, in cells or shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Sides {
    /// The same for both.
    Both(f64),
    /// Height, then width.
    Each([f64; 2]),
}

impl Default for Keep {
    fn default() -> Self {
        Self { area: None, size: None, unit: Unit::Share, channels: None, p: Probability::ALWAYS }
    }
}

draw! {
    /// The box of one sample.
    pub struct Drawn {
        /// Whether the sample is changed.
        apply: Bool as Decision,
        /// First row.
        top: Int as Top,
        /// First column.
        left: Int as Left,
        /// Row after the last.
        bottom: Int as Bottom,
        /// Column after the last.
        right: Int as Right,
    }
}

impl Operator for Keep {
    const NAME: &'static str = "keep";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if self.area.is_some() && self.size.is_some() {
            return Err(Issue::new("size", "`box` says already which box is kept").help("give one of them"));
        }
        self.area.map_or(Ok(()), |edges| self.unit.check_box(edges))?;
        for side in self.size.map(Sides::sides).into_iter().flatten() {
            self.unit.check("size", side)?;
        }
        check_channels(self.channels.as_deref(), shape)?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (apply, none) = (dice.acts(0, self.p), dice.int(0));
        let whole = [none, none, extent.height, extent.width];
        let edges = match (self.area, self.size) {
            (Some(edges), _) => cells(dice, edges, self.unit, extent),
            (None, Some(size)) => {
                let [height, width] = size.sides();
                let side = |value, side| dice.max_int(self.unit.cell(dice, value, side), dice.int(1));
                let [height, width] = [side(height, extent.height), side(width, extent.width)];
                let top = start_within(dice, 1, extent.height, height);
                let left = start_within(dice, 2, extent.width, width);
                [top, left, top + height, left + width]
            }
            (None, None) if self.channels.is_some() => whole,
            (None, None) => cells(dice, [0.25, 0.25, 0.75, 0.75], Unit::Share, extent),
        };
        let [top, left, bottom, right] = core::array::from_fn(|at| dice.select_int(apply, edges[at], whole[at]));
        Drawn { apply, top, left, bottom, right }
    }

    fn erases<D: Dice>(&self, _: &Drawn<D>) -> Vec<[D::Int; 4]> {
        Vec::new()
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| if draw.apply {
            erase(&mut image, [draw.top, draw.left, draw.bottom, draw.right], self.channels.as_deref(), true);
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let inside = box_mask([draw.top, draw.left, draw.bottom, draw.right], batch.sides);
        let kept = match lower_channels(self.channels.as_deref(), &batch) {
            None => inside,
            Some(channels) => (inside & channels) | !draw.apply.unsqueeze(&[1, 2, 3]),
        };
        Ok(Lowered { images: kept.select(batch.images, batch.zero()), ..batch })
    }
}

register_operator!(Keep);

impl Sides {
    fn sides(self) -> [f64; 2] {
        match self {
            Sides::Both(side) => [side; 2],
            Sides::Each(sides) => sides,
        }
    }
}
