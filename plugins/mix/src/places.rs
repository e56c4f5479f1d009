//! Index arithmetic per sample, in a graph.

use augraft_operator::{Lowered, Tensor, Value};

/// The larger of two integers.
pub(crate) fn larger<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    a.less(b).select(b, a)
}

/// The smaller of two integers.
pub(crate) fn smaller<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    a.less(b).select(a, b)
}

/// The positions along an axis of `side` places, in the shape of a batch.
pub(crate) fn positions(side: Value<'_>, axis: usize) -> Value<'_> {
    let mut shape = [1; 4];
    shape[axis] = -1;
    side.graph().range(side).reshape(&shape)
}

/// The elements of the images `sample` at `rows` and `columns`: int64, one for each place of `[N,1,H,W]` or fewer, which are repeated.
pub(crate) fn take<'g>(batch: &Lowered<'g>, sample: Value<'g>, rows: Value<'g>, columns: Value<'g>) -> Value<'g> {
    let channels = batch.images.graph().constant(Tensor::scalar(batch.shape.channels as i64));
    let [height, width] = batch.sides;
    let plane = sample * channels + positions(channels, 1);
    batch.images.reshape(&[-1]).gather((plane * height + rows) * width + columns, 0)
}
