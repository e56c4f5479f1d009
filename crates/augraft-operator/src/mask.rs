//! Rectangles as masks in a graph.

use augraft_onnx::Value;

/// The mask (bool `[N,1,H,W]`) of boxes `[top, left, bottom, right]` (int64 `[N]` each, ends exclusive) on a plane of `[height, width]` (int64 scalars).
#[must_use]
pub fn box_mask<'g>([top, left, bottom, right]: [Value<'g>; 4], [height, width]: [Value<'g>; 2]) -> Value<'g> {
    let positions = |count: Value<'g>| top.graph().range(count);
    let within = |at: Value<'g>, from: Value<'g>, to: Value<'g>| {
        at.at_least(from.unsqueeze(&[1, 2, 3])) & at.less(to.unsqueeze(&[1, 2, 3]))
    };
    let rows = within(positions(height).reshape(&[1, 1, -1, 1]), top, bottom);
    rows & within(positions(width).reshape(&[1, 1, 1, -1]), left, right)
}
