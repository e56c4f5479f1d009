//! The elements of a sample at given ranks, natively and in a graph.

use core::cmp::Ordering;

use augraft_operator::{DataType, Issue, Layout, Shape, Tensor, Value, int_attribute, ints_attribute};
use ndarray::ArrayView3;

/// Numbers of elements that f32 counts exactly.
const MOST: usize = 1 << 24;

/// Elements with an order.
pub(crate) trait Ranked: Copy + PartialOrd {
    fn order(&self, other: &Self) -> Ordering;
}

impl Ranked for u8 {
    fn order(&self, other: &u8) -> Ordering {
        self.cmp(other)
    }
}

impl Ranked for f32 {
    fn order(&self, other: &f32) -> Ordering {
        self.total_cmp(other)
    }
}

/// The elements at `ranks`, from 0 and computed from the number of elements; none where there are no elements.
pub(crate) fn at_ranks<T: Ranked, const R: usize>(
    values: &mut [T],
    ranks: impl Fn(usize) -> [usize; R],
) -> Option<[T; R]> {
    let ranks = ranks(values.len());
    let mut found = [*values.first()?; R];
    for (found, rank) in found.iter_mut().zip(ranks) {
        *found = *values.select_nth_unstable_by(rank, T::order).1;
    }
    Some(found)
}

/// The elements of every group: all of a sample, or those of each channel.
pub(crate) fn groups<T: Copy>(image: &ArrayView3<'_, T>, per_channel: bool) -> Vec<Vec<T>> {
    if per_channel {
        image.outer_iter().map(|plane| plane.iter().copied().collect()).collect()
    } else {
        vec![image.iter().copied().collect()]
    }
}

/// Checks that the number of elements of a group is known, or that each image counts its own.
pub(crate) fn check_groups(shape: &Shape, per_channel: bool) -> Result<(), Issue> {
    if shape.layout == Layout::Ragged {
        return Ok(());
    }
    let [height, width] = shape.dense()?;
    let group = height * width * if per_channel { 1 } else { shape.channels };
    if group > MOST {
        let message = format!("ranks at most {MOST} elements together, and here are {group}");
        return Err(
            Issue::new("per_channel", message).help("set `per_channel: true`, or put it where maps are smaller")
        );
    }
    Ok(())
}

/// The elements of `values` (f32 `[N, groups, elements]`) at `ranks`: f32 `[N, groups, 1, 1]` each.
///
/// Bisects between the least and the largest element `steps` times, as a rank in a graph needs no sorting then, and takes the largest element that is
/// not above the end: exact where no two elements are closer than their range over `2^steps`.
pub(crate) fn lower_ranks<const R: usize>(
    values: Value<'_>,
    elements: usize,
    ranks: [usize; R],
    steps: usize,
) -> [Value<'_>; R] {
    let graph = values.graph();
    let half = graph.constant(Tensor::scalar(0.5f32));
    let above = ranks.iter().map(|rank| (elements - 1 - rank) as f32).collect();
    let allowed = graph.constant(Tensor::vector(above)).reshape(&[1, 1, -1, 1]);
    let values = values.unsqueeze(&[2]);
    let least = largest(values.unary("Neg")).unary("Neg");
    let (mut low, mut high) = (least, largest(values));
    for _ in 0..steps {
        let middle = low * half + high * half;
        let above = middle.less(values).cast(DataType::F32).reduce_sum(3).unsqueeze(&[3]);
        let too_low = allowed.less(above);
        (low, high) = (too_low.select(middle, low), too_low.select(high, middle));
    }
    let found = largest(high.less(values).select(least, values));
    core::array::from_fn(|rank| found.slice(2, rank as i64, rank as i64 + 1))
}

/// The largest along the last of four axes, which stays.
fn largest(values: Value<'_>) -> Value<'_> {
    let (graph, kept) = (values.graph(), int_attribute("keepdims", 1));
    if graph.opset() < 18 {
        return graph.node("ReduceMax", &[values], vec![ints_attribute("axes", &[3]), kept], DataType::F32);
    }
    graph.node("ReduceMax", &[values, graph.ints(&[3])], vec![kept], DataType::F32)
}
