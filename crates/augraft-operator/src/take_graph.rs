//! Elements at places that are drawn, in a graph.

use augraft_onnx::{Tensor, Value, int_attribute, ints_attribute};

/// The elements of `images` at `index` along `axis` (2 or 3, of `side` pixels): int64 `[N,1,count,1]` or `[N,1,1,count]`.
pub(crate) fn take<'g>(images: Value<'g>, index: Value<'g>, axis: usize, [side, count]: [usize; 2]) -> Value<'g> {
    let graph = images.graph();
    if graph.opset() < 11 {
        return take_flat(images, index, axis, side);
    }
    let sides = images.shape();
    let [n, channels, rows, columns] = [0, 1, 2, 3].map(|axis| sides.slice(0, axis, axis + 1));
    let count = graph.ints(&[count as i64]);
    let target = if axis == 2 { [n, channels, count, columns] } else { [n, channels, rows, count] };
    let attributes = vec![int_attribute("axis", axis as i64)];
    graph.node("GatherElements", &[images, index.expand(graph.concat(&target, 0))], attributes, images.dtype())
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
