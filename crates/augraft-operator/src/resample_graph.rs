//! Resampling in a graph.

use augraft_onnx::{DataType, Tensor, Value};

use crate::picture::whole_quotient;
use crate::shape::Element;
use crate::take_graph::take;
use crate::taps::{Filter, Interpolation};

/// One side of a resampling in a graph: `start` and `length` are int64 `[N]` (or `[1]`), of a side of `side` pixels.
pub(crate) struct LoweredStretch<'g> {
    pub(crate) start: Value<'g>,
    pub(crate) length: Value<'g>,
    pub(crate) side: usize,
    pub(crate) out: usize,
}

impl<'g> LoweredStretch<'g> {
    /// The weights as matrices, f32 `[N, 1, out, side]`, rows summing to 1.
    fn matrix(&self, filter: Filter) -> Value<'g> {
        let graph = self.start.graph();
        let real = |value: f64| graph.constant(Tensor::scalar(value));
        let axis = |count: usize, shape: &[i64]| {
            graph.constant(Tensor::vector((0..count).map(|at| at as f64 + 0.5).collect())).reshape(shape)
        };
        let per_sample = |value: Value<'g>| value.cast(DataType::F64).unsqueeze(&[1, 2, 3]);
        let (start, length) = (per_sample(self.start), per_sample(self.length));
        let scale = length * real(1.0 / self.out as f64);
        let support = if filter.antialias { scale.maximum(real(1.0)) } else { real(1.0) };
        let pixel = axis(self.side, &[1, 1, 1, -1]) - start;
        let center = axis(self.out, &[1, 1, -1, 1]) * scale;
        let weigh = |pixel: Value<'g>| lower_weight(filter, (pixel - center).unary("Abs") / support);
        let inside = real(0.0).less(pixel) & pixel.less(length);
        let mut weight = weigh(pixel);
        if filter.repeats_borders() {
            // The filter reaches two pixels beyond either border.
            let beyond = |edge: Value<'g>, way: f64| weigh(edge + real(way)) + weigh(edge + real(2.0 * way));
            let (half, last) = (real(0.5), length - real(0.5));
            weight = weight + pixel.less(real(1.0)).select(beyond(half, -1.0), real(0.0));
            weight = weight + (length - real(1.0)).less(pixel).select(beyond(last, 1.0), real(0.0));
        }
        let weight = inside.select(weight, real(0.0));
        (weight / weight.reduce_sum(3).unsqueeze(&[3])).cast(DataType::F32)
    }

    /// The pixel nearest to each output pixel, int64 `[N,1,out,1]` for axis 2, `[N,1,1,out]` for axis 3.
    fn nearest(&self, axis: usize) -> Value<'g> {
        let graph = self.start.graph();
        let center = (0..self.out).map(|at| (2 * at + 1) as f64).collect();
        let center =
            graph.constant(Tensor::vector(center)).reshape(if axis == 2 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] });
        // In f64, where the quotient is exact enough: tract follows integers symbolically, and these would take it minutes.
        let real = |value: Value<'g>| value.cast(DataType::F64).unsqueeze(&[1, 2, 3]);
        let out = graph.constant(Tensor::scalar(2.0 * self.out as f64));
        let offset = whole_quotient(center * real(self.length), out);
        (real(self.start) + offset).cast(DataType::I64)
    }
}

/// See [`Filter::weight`].
fn lower_weight(filter: Filter, x: Value<'_>) -> Value<'_> {
    let real = |value: f64| x.graph().constant(Tensor::scalar(value));
    if filter.interpolation != Interpolation::Bicubic {
        return (real(1.0) - x).maximum(real(0.0));
    }
    let a = filter.sharpness();
    let near = ((real(a + 2.0) * x - real(a + 3.0)) * x) * x + real(1.0);
    let far = (((x - real(5.0)) * x + real(8.0)) * x - real(4.0)) * real(a);
    x.less(real(1.0)).select(near, x.less(real(2.0)).select(far, real(0.0)))
}

/// Resamples in a graph: matrix products along columns, then rows; bytes are rounded after each.
pub(crate) fn lower_resample<'g>(
    images: Value<'g>,
    element: Element,
    filter: Filter,
    rows: &LoweredStretch<'g>,
    columns: &LoweredStretch<'g>,
) -> Value<'g> {
    if filter.interpolation == Interpolation::Nearest {
        let images = take(images, rows.nearest(2), 2, [rows.side, rows.out]);
        return take(images, columns.nearest(3), 3, [columns.side, columns.out]);
    }
    let graph = images.graph();
    let real = |value: f32| graph.constant(Tensor::scalar(value));
    let rounded = |value: Value<'g>| match element {
        Element::F32 => value,
        Element::U8 => (value + real(0.5)).unary("Floor").maximum(real(0.0)).minimum(real(255.0)),
    };
    // One matrix for each sample even where all are equal: ONNX Runtime multiplies no batch of none by a batch of one.
    let per_sample = graph.concat(&[images.shape().slice(0, 0, 1), graph.ints(&[1, 1, 1])], 0);
    let images = if element == Element::U8 { images.cast(DataType::F32) } else { images };
    let matrix = |side: &LoweredStretch<'g>| side.matrix(filter).expand(per_sample);
    let narrow = rounded(images.matmul(matrix(columns).transpose(&[0, 1, 3, 2])));
    let small = rounded(matrix(rows).matmul(narrow));
    if element == Element::U8 { small.cast(DataType::U8) } else { small }
}
