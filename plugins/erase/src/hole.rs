//! Rectangles that are filled, natively and in a graph.

use augraft_operator::{Fill, Lowered, Rectangle, Value, box_mask};
use ndarray::{ArrayViewMut3, Axis, s};

/// Fills a hole of a view with the axes channels, rows, columns; `value` gives that of each channel.
pub(crate) fn fill_hole<T: Copy>(
    image: &mut ArrayViewMut3<'_, T>,
    [top, left, bottom, right]: Rectangle,
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

/// Fills holes in a graph; `holes` are `[top, left, bottom, right]`, int64 `[N]` each.
pub(crate) fn lower_holes<'g>(holes: &[[Value<'g>; 4]], fill: &Fill, batch: &Lowered<'g>) -> Value<'g> {
    match inside(holes, batch) {
        Some(inside) => inside.select(batch.fill(fill), batch.images),
        None => batch.images,
    }
}

/// Where any of the holes is, bool `[N,1,H,W]`; none without holes.
pub(crate) fn inside<'g>(holes: &[[Value<'g>; 4]], batch: &Lowered<'g>) -> Option<Value<'g>> {
    holes.iter().map(|hole| box_mask(*hole, batch.sides)).reduce(|all, one| all | one)
}
