//! Rectangles that are filled, natively and in a graph.

use augraft_operator::{Element, Fill, Lowered, Tensor, Value, box_mask};
use ndarray::{ArrayViewMut3, Axis, s};

/// A rectangle `[top, left, bottom, right]` in pixels, ends exclusive; empty when an end is not after its start.
pub(crate) type Hole = [i64; 4];

/// Conversion of a fill value to the element type.
pub(crate) trait Filled: Copy {
    fn filled(value: f32) -> Self;
}

impl Filled for u8 {
    fn filled(value: f32) -> u8 {
        value.clamp(0.0, 255.0).round_ties_even() as u8
    }
}

impl Filled for f32 {
    fn filled(value: f32) -> f32 {
        value
    }
}

/// Fills a hole of a view with the axes channels, rows, columns; `value` gives that of each channel.
pub(crate) fn fill_hole<T: Copy>(
    image: &mut ArrayViewMut3<'_, T>,
    [top, left, bottom, right]: Hole,
    value: impl Fn(usize) -> T,
) {
    if top >= bottom || left >= right {
        return;
    }
    let [top, left, bottom, right] = [top, left, bottom, right].map(|edge| edge as usize);
    for (channel, mut plane) in image.axis_iter_mut(Axis(0)).enumerate() {
        plane.slice_mut(s![top..bottom, left..right]).fill(value(channel));
    }
}

/// Holes from the columns of a draw.
pub(crate) fn holes<I: Copy>([top, left, bottom, right]: [&[I]; 4]) -> impl Iterator<Item = [I; 4]> + '_ {
    (0..top.len()).map(move |k| [top[k], left[k], bottom[k], right[k]])
}

/// Fills holes in a graph; `holes` are `[top, left, bottom, right]`, int64 `[N]` each.
pub(crate) fn lower_holes<'g>(holes: &[[Value<'g>; 4]], fill: &Fill, batch: &Lowered<'g>) -> Value<'g> {
    match inside(holes, batch) {
        Some(inside) => inside.select(lower_fill(fill, batch), batch.images),
        None => batch.images,
    }
}

/// Where any of the holes is, bool `[N,1,H,W]`; none without holes.
pub(crate) fn inside<'g>(holes: &[[Value<'g>; 4]], batch: &Lowered<'g>) -> Option<Value<'g>> {
    holes.iter().map(|hole| box_mask(*hole, batch.sides)).reduce(|all, one| all | one)
}

/// The fill of every channel in the type of the images, `[1,C,1,1]`.
pub(crate) fn lower_fill<'g>(fill: &Fill, batch: &Lowered<'g>) -> Value<'g> {
    let graph = batch.images.graph();
    let values: Vec<f32> = (0..batch.shape.channels).map(|channel| fill.at(channel)).collect();
    let values = match batch.shape.element {
        Element::F32 => graph.constant(Tensor::vector(values)),
        Element::U8 => graph.constant(Tensor::vector(values.into_iter().map(u8::filled).collect::<Vec<_>>())),
    };
    values.reshape(&[1, -1, 1, 1])
}
