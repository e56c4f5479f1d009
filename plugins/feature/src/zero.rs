use augraft_operator::{
    Batch, Dice, Draw, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch, Shape, Values,
    box_mask, draw, each_sample, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::region::{Unit, cells, check_channels, erase, lower_channels};

/// Sets a sample to zero: all of it, some channels, or a box.
///
/// With `box` only what lies in the box, with `channels` only these channels, with both only the box in these channels; without either everything.
/// Works on feature maps N,C,H,W and images, where zero is black before `normalize` and the mean color after it.
///
/// Draws `apply` and the box `top`, `left`, `bottom`, `right` (cells from the top left, ends exclusive, empty when not applied).
///
/// # Example
/// ```yaml
/// - zero: { box: [0.25, 0.25, 0.75, 0.75], channels: [0, 2] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Zero {
    /// The box `[top, left, bottom, right]`, ends exclusive; the whole plane without it.
    #[serde(rename = "box")]
    pub area: Option<[f64; 4]>,
    /// What the edges of the box are counted in.
    pub unit: Unit,
    /// The channels, counted from 0; all of them without it.
    pub channels: Option<Vec<u32>>,
    /// Probability of a sample to be changed.
    pub p: Probability,
}

impl Default for Zero {
    fn default() -> Self {
        Self { area: None, unit: Unit::Share, channels: None, p: Probability::ALWAYS }
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

impl Operator for Zero {
    const NAME: &'static str = "zero";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.area.map_or(Ok(()), |edges| self.unit.check_box(edges))?;
        check_channels(self.channels.as_deref(), shape)?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (apply, none) = (dice.acts(0, self.p), dice.int(0));
        let edges = match self.area {
            None => [none, none, extent.height, extent.width],
            Some(edges) => cells(dice, edges, self.unit, extent),
        };
        let [top, left, bottom, right] = edges.map(|edge| dice.select_int(apply, edge, none));
        Drawn { apply, top, left, bottom, right }
    }

    /// Some channels of a place still show what is there.
    fn erases<D: Dice>(&self, draw: &Drawn<D>) -> Vec<[D::Int; 4]> {
        if self.channels.is_some() { Vec::new() } else { draw.boxes() }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            erase(&mut image, [draw.top, draw.left, draw.bottom, draw.right], self.channels.as_deref(), false);
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let inside = box_mask([draw.top, draw.left, draw.bottom, draw.right], batch.sides);
        let hit = lower_channels(self.channels.as_deref(), &batch).map_or(inside, |channels| inside & channels);
        Ok(Lowered { images: hit.select(batch.zero(), batch.images), ..batch })
    }
}

register_operator!(Zero);
