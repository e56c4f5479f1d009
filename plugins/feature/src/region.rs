//! Boxes and channels of a feature map, given in cells or in shares of its sides.

use augraft_operator::{Dice, Extent, Issue, Lowered, Shape, Tensor, Value};
use ndarray::{ArrayViewMut3, Axis, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the edges of a box are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Shares of the height and width, 0 to 1; rounded to the nearest cell.
    Share,
    /// Rows and columns; what lies beyond the map is cut off.
    Cells,
}

impl Unit {
    /// Checks one edge or side.
    pub(crate) fn check(self, path: &str, value: f64) -> Result<(), Issue> {
        let problem = match self {
            Unit::Share if !(0.0..=1.0).contains(&value) => format!("{value} is no share, which is between 0 and 1"),
            Unit::Cells if !(0.0..=65_536.0).contains(&value) || value.fract() != 0.0 => {
                format!("{value} is no number of cells, which is whole and between 0 and 65536")
            }
            _ => return Ok(()),
        };
        let help = match self {
            Unit::Share => "set `unit: cells` to count cells",
            Unit::Cells => "set `unit: share` to give shares of the sides",
        };
        Err(Issue::new(path, problem).help(help))
    }

    /// Checks a box `[top, left, bottom, right]`.
    pub(crate) fn check_box(self, [top, left, bottom, right]: [f64; 4]) -> Result<(), Issue> {
        for (at, edge) in [top, left, bottom, right].into_iter().enumerate() {
            self.check(&format!("box[{at}]"), edge)?;
        }
        if top >= bottom || left >= right {
            let message = format!("[{top}, {left}, {bottom}, {right}] is empty");
            return Err(Issue::new("box", message).help("give top, left, bottom, right, with ends after their starts"));
        }
        Ok(())
    }

    /// The cell, from 0 to `side`, that a value means.
    pub(crate) fn cell<D: Dice>(self, dice: D, value: f64, side: D::Int) -> D::Int {
        match self {
            Unit::Share => dice.round(dice.real(value) * dice.to_real(side)),
            Unit::Cells => dice.min_int(dice.int(value as i64), side),
        }
    }
}

/// The cells of a box `[top, left, bottom, right]`.
pub(crate) fn cells<D: Dice>(dice: D, edges: [f64; 4], unit: Unit, extent: &Extent<D>) -> [D::Int; 4] {
    let sides = [extent.height, extent.width, extent.height, extent.width];
    core::array::from_fn(|at| unit.cell(dice, edges[at], sides[at]))
}

/// Checks a list of channels.
pub(crate) fn check_channels(channels: Option<&[u32]>, shape: &Shape) -> Result<(), Issue> {
    let Some(channels) = channels else { return Ok(()) };
    if channels.is_empty() {
        return Err(Issue::new("channels", "names no channel").help("leave it out for all of them"));
    }
    match channels.iter().position(|channel| *channel as usize >= shape.channels) {
        Some(at) => {
            let message = format!("there is no channel {}: {} channels count from 0", channels[at], shape.channels);
            Err(Issue::new(format!("channels[{at}]"), message))
        }
        None => Ok(()),
    }
}

/// Whether `channel` is among those that a list names; all are without a list.
fn named(channels: Option<&[u32]>, channel: usize) -> bool {
    channels.is_none_or(|channels| channels.contains(&(channel as u32)))
}

/// Zeroes what lies in the box and in the channels, or with `outside` everything else.
pub(crate) fn erase<T: Copy + Default>(
    image: &mut ArrayViewMut3<'_, T>,
    edges: [i64; 4],
    channels: Option<&[u32]>,
    outside: bool,
) {
    let [top, left, bottom, right] = edges.map(|edge| edge as usize);
    let empty = top >= bottom || left >= right;
    let zero = T::default();
    for (channel, mut plane) in image.axis_iter_mut(Axis(0)).enumerate() {
        let hit = named(channels, channel) && !empty;
        match (hit, outside) {
            (false, false) => {}
            (false, true) => plane.fill(zero),
            (true, false) => plane.slice_mut(s![top..bottom, left..right]).fill(zero),
            (true, true) => {
                plane.slice_mut(s![..top, ..]).fill(zero);
                plane.slice_mut(s![bottom.., ..]).fill(zero);
                plane.slice_mut(s![top..bottom, ..left]).fill(zero);
                plane.slice_mut(s![top..bottom, right..]).fill(zero);
            }
        }
    }
}

/// The channels that a list names, bool `[1,C,1,1]`; none without a list.
pub(crate) fn lower_channels<'g>(channels: Option<&[u32]>, batch: &Lowered<'g>) -> Option<Value<'g>> {
    channels?;
    let hit = (0..batch.shape.channels).map(|channel| named(channels, channel)).collect::<Vec<_>>();
    Some(batch.images.graph().constant(Tensor::vector(hit)).reshape(&[1, -1, 1, 1]))
}
