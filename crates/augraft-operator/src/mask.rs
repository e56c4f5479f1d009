//! Rectangles as masks in a graph.

use augraft_onnx::{DataType, Value};

use crate::picture::positions;

/// The mask (bool `[N,1,H,W]`) of boxes `[top, left, bottom, right]` (int64 `[N]` each, ends exclusive) on a plane of `[height, width]` (int64 scalars).
#[must_use]
pub fn box_mask<'g>([top, left, bottom, right]: [Value<'g>; 4], [height, width]: [Value<'g>; 2]) -> Value<'g> {
    // Compared as f64: tract takes integers for dimensions, and follows them symbolically.
    let edge = |at: Value<'g>| {
        let real = at.cast(DataType::F64);
        let is_one = at.constant_int().is_some() || [height, width].iter().any(|side| side.id() == at.id());
        if is_one { real } else { real.unsqueeze(&[1, 2, 3]) }
    };
    let within = |at: Value<'g>, from: Value<'g>, to: Value<'g>| at.at_least(edge(from)) & at.less(edge(to));
    within(positions(height, 2), top, bottom) & within(positions(width, 3), left, right)
}
