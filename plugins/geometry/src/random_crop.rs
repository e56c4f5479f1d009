use augraft_operator::{
    Batch, Dice, Element, Extent, Issue, Lowered, Margin, Operator, Parity, Recorder, Role, Row, Scratch, Shape, Side,
    Size, Tensor, Value, draw, int_attribute, ints_attribute, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::window::{Fill, Sampled, refill};

/// Cuts a window of fixed size at a random place, after padding with zeros.
///
/// The top left corner is uniform over all places where the window lies inside the padded image. Images that are smaller than the window, padding
/// included, are padded further, evenly, as torchvision's `pad_if_needed` would.
///
/// Draws `top` and `left`, the corner in pixels of the image; negative where the window reaches into the padding.
///
/// # Example
/// ```yaml
/// - random_crop: { size: 32, padding: 4 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomCrop {
    /// Size of the window in pixels.
    pub size: Size,
    /// Zeros added on every side, in pixels.
    pub padding: Margin,
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { size: Size::Square(Side::of(224)), padding: Margin::NONE }
    }
}

draw! {
    /// The window of one sample.
    pub struct Drawn {
        /// First row of the window.
        top: Int,
        /// First column of the window.
        left: Int,
    }
}

impl Operator for RandomCrop {
    const NAME: &'static str = "random_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let [height, width] = self.size.sides().map(|side| dice.int(side as i64));
        let padding = dice.int(i64::from(self.padding.get()));
        let (zero, one, two) = (dice.int(0), dice.int(1), dice.int(2));
        let corner = |lane, side, window| {
            let room = side + two * padding - window;
            let missing = dice.max_int(zero - room, zero);
            dice.below(lane, dice.max_int(room, zero) + one) - padding - dice.div(missing, two)
        };
        Drawn { top: corner(0, extent.height, height), left: corner(1, extent.width, width) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        refill(batch, draws, self.size.sides(), scratch, &Window);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let sides = batch.shape.dense()?;
        let window = self.size.sides();
        let zero = match batch.shape.element {
            Element::U8 => Tensor::scalar(0u8),
            Element::F32 => Tensor::scalar(0f32),
        };
        let zero = batch.images.graph().constant(zero);
        let mut images = batch.images;
        for (axis, corner) in [(2, draw.top), (3, draw.left)] {
            images = take_window(images, corner, axis, [sides[axis - 2], window[axis - 2]], zero);
        }
        let shape = Operator::check(self, &batch.shape)?;
        Ok(batch.resized(images, shape))
    }
}

register_operator!(RandomCrop);

/// Copies the window whose corner a row holds; what lies outside the image is 0.
struct Window;

impl Fill<Drawn<Row>> for Window {
    fn fill<T: Sampled>(&self, row: &Drawn<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, _: &mut Vec<T>) {
        copy_window([row.top, row.left], from, to);
    }
}

/// Copies the window of `to`'s size at `[top, left]` of `from`; what lies outside is 0.
pub(crate) fn copy_window<T: Sampled>([top, left]: [i64; 2], from: ArrayView3<'_, T>, mut to: ArrayViewMut3<'_, T>) {
    let span = |start: i64, window: usize, side: usize| {
        let first = start.clamp(0, side as i64);
        let last = (start + window as i64).clamp(0, side as i64);
        (first as usize..last as usize, (first - start).clamp(0, window as i64) as usize)
    };
    let (_, height, width) = to.dim();
    let (rows, y) = span(top, height, from.dim().1);
    let (columns, x) = span(left, width, from.dim().2);
    if rows.len() < height || columns.len() < width {
        to.fill(T::default());
    }
    to.slice_mut(s![.., y..y + rows.len(), x..x + columns.len()]).assign(&from.slice(s![.., rows, columns]));
}

/// Gathers `window` places of an axis of `side` places from `corner` (int64 `[N]`) on; places outside are `zero`.
fn take_window<'g>(
    images: Value<'g>,
    corner: Value<'g>,
    axis: usize,
    [side, window]: [usize; 2],
    zero: Value<'g>,
) -> Value<'g> {
    let graph = images.graph();
    let int = |value: usize| graph.constant(Tensor::scalar(value as i64));
    let shape: &[i64] = if axis == 2 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] };
    let places = graph.constant(Tensor::vector((0..window as i64).collect())).reshape(shape);
    let wanted = places + corner.unsqueeze(&[1, 2, 3]);
    let inside = wanted.at_least(int(0)) & wanted.less(int(side));
    let index = inside.select(wanted, int(0));
    let taken = if graph.opset() < 11 {
        take_flat(images, index, axis, side)
    } else {
        let sides = images.shape();
        let [n, channels, rows, columns] = [0, 1, 2, 3].map(|axis| sides.slice(0, axis, axis + 1));
        let count = graph.ints(&[window as i64]);
        let target = if axis == 2 { [n, channels, count, columns] } else { [n, channels, rows, count] };
        let attributes = vec![int_attribute("axis", axis as i64)];
        graph.node("GatherElements", &[images, index.expand(graph.concat(&target, 0))], attributes, images.dtype())
    };
    inside.select(taken, zero)
}

/// What `GatherElements` takes, for the versions before it: `Gather` over all rows (axis 2) or all elements (axis 3) of the batch.
fn take_flat<'g>(images: Value<'g>, index: Value<'g>, axis: usize, side: usize) -> Value<'g> {
    let graph = images.graph();
    let int = |value: i64| graph.constant(Tensor::scalar(value));
    let sides = [1, 2, 3].map(|axis| images.side(axis));
    let positions =
        |side: Value<'g>, axis: i64| graph.range(side).unsqueeze(&(0..4).filter(|at| *at != axis).collect::<Vec<_>>());
    let samples = positions(images.side(0), 0) * sides[0] + positions(sides[0], 1);
    let (before, flat) = if axis == 2 {
        let row = graph.concat(&[graph.ints(&[-1]), sides[2].unsqueeze(&[0])], 0);
        (samples, images.binary("Reshape", row))
    } else {
        (samples * sides[1] + positions(sides[1], 2), images.reshape(&[-1]))
    };
    let places = before * int(side as i64) + index;
    if axis == 3 {
        return flat.gather(places, 0);
    }
    // The index of whole rows has no axis of columns; `Gather` adds it.
    let attributes = vec![ints_attribute("axes", &[3])];
    flat.gather(graph.node("Squeeze", &[places], attributes, places.dtype()), 0)
}
