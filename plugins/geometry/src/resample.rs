//! Resampling: nearest pixel, bilinear and bicubic, as Pillow where antialiased, as PyTorch where not.

use augraft_operator::{DataType, Element, Tensor, Value};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::take;
use crate::window::Sampled;

/// How pixels between pixels are made up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The pixel whose area the center lies in; never antialiased (PyTorch's `nearest-exact`, Pillow's `NEAREST`).
    Nearest,
    /// A triangle filter.
    #[default]
    Bilinear,
    /// Keys' cubic filter, with a = -0.5 where antialiased (Pillow), -0.75 where not (PyTorch).
    Bicubic,
}

/// An interpolation, and whether its filter widens with the reduction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    pub(crate) interpolation: Interpolation,
    pub(crate) antialias: bool,
}

impl Filter {
    /// The one for masks, whose values do not mix.
    pub(crate) const NEAREST: Self = Self { interpolation: Interpolation::Nearest, antialias: false };

    /// Pixels on each side of a center that count, before it widens.
    fn reach(self) -> f64 {
        if self.interpolation == Interpolation::Bicubic { 2.0 } else { 1.0 }
    }

    fn sharpness(self) -> f64 {
        if self.antialias { -0.5 } else { -0.75 }
    }

    /// Whether pixels beyond the borders count as the outermost ones; else they do not count at all.
    fn repeats_borders(self) -> bool {
        self.interpolation == Interpolation::Bicubic && !self.antialias
    }

    /// The weight of a pixel, before it is normalised.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        if self.interpolation != Interpolation::Bicubic {
            return (1.0 - x).max(0.0);
        }
        let a = self.sharpness();
        if x < 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            (((x - 5.0) * x + 8.0) * x - 4.0) * a
        } else {
            0.0
        }
    }
}

/// A stretch of one side: `start..start + length` pixels become `out` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) out: usize,
}

/// The weights of the output pixels: `count` for each, of the input pixels from `first` on.
struct Taps<W> {
    count: usize,
    first: Vec<usize>,
    weights: Vec<W>,
    /// Whether weights may be below 0.
    negative: bool,
}

impl Stretch {
    /// The pixel nearest to each output pixel, `floor((i + 0.5) * length / out)`, in whole numbers.
    pub(crate) fn nearest(self) -> Vec<usize> {
        (0..self.out).map(|at| self.start + (2 * at + 1) * self.length / (2 * self.out)).collect()
    }

    /// Weights of every output pixel, normalised in f64; input pixels are counted from the start of the stretch.
    fn taps<W: Copy>(self, filter: Filter, rounded: impl Fn(f64) -> W) -> Taps<W> {
        let scale = self.length as f64 / self.out as f64;
        let support = if filter.antialias { scale.max(1.0) } else { 1.0 };
        let reach = filter.reach() * support;
        let last = self.length as i64 - 1;
        let center = |at: usize| (at as f64 + 0.5) * scale;
        let pixels = |center: f64| ((center - reach + 0.5).floor() as i64, (center + reach + 0.5).floor() as i64);
        let limited = |at: usize| {
            let (from, to) = pixels(center(at));
            (from.max(0), to.min(last + 1))
        };
        let count = (0..self.out).map(limited).map(|(from, to)| (to - from) as usize).max().unwrap_or(1);
        let mut taps = Taps {
            count,
            first: Vec::with_capacity(self.out),
            weights: vec![rounded(0.0); self.out * count],
            negative: filter.interpolation == Interpolation::Bicubic,
        };
        let mut own = Vec::new();
        for (at, weights) in taps.weights.chunks_exact_mut(count).enumerate() {
            let center = center(at);
            let (from, to) = limited(at);
            let weight = |pixel: i64| filter.weight((pixel as f64 - center + 0.5) * (1.0 / support));
            own.clear();
            own.extend((from..to).map(weight));
            if filter.repeats_borders() {
                let (before, behind) = pixels(center);
                own[0] += (before..0).map(weight).sum::<f64>();
                own[(to - from - 1) as usize] += (last + 1..behind).map(weight).sum::<f64>();
            }
            let share = 1.0 / own.iter().sum::<f64>();
            // All have as many taps; near the end the first ones weigh nothing.
            let first = (from as usize).min(self.length - count);
            for (weight, own) in weights[from as usize - first..].iter_mut().zip(&own) {
                *weight = rounded(own * share);
            }
            taps.first.push(first);
        }
        taps
    }
}

/// Rows that are narrowed at once, so that places and weights are read once for all.
const LINES: usize = 4;

/// Resamples `from` (channels, rows, columns) to the size of `to`: columns first, then rows, bytes rounded after each as Pillow does.
///
/// `narrow` is a buffer of any content for the rows between the two passes.
pub(crate) fn resample<T: Sampled>(
    filter: Filter,
    rows: Stretch,
    columns: Stretch,
    from: ArrayView3<'_, T>,
    mut to: ArrayViewMut3<'_, T>,
    narrow: &mut Vec<T>,
) {
    if filter.interpolation == Interpolation::Nearest {
        return take_nearest(&rows.nearest(), &columns.nearest(), from, to);
    }
    let (down, across) = (rows.taps(filter, T::weight), columns.taps(filter, T::weight));
    let needed = down.first[0]..down.first[rows.out - 1] + down.count;
    let width = columns.out;
    narrow.resize(needed.len() * width, T::default());
    // Rows whose pixels are not next to each other are copied.
    let mut copies = vec![T::default(); LINES * columns.length];
    for (from, mut to) in from.outer_iter().zip(to.outer_iter_mut()) {
        for (block, lines) in narrow.chunks_mut(LINES * width).enumerate() {
            let first = rows.start + needed.start + block * LINES;
            for (copy, y) in copies.chunks_exact_mut(columns.length).zip(first..rows.start + needed.end) {
                let row = from.row(y);
                if let Some(row) = row.to_slice() {
                    copy.copy_from_slice(&row[columns.start..][..columns.length]);
                } else {
                    let pixels = row.iter().skip(columns.start);
                    copy.iter_mut().zip(pixels).for_each(|(copy, pixel)| *copy = *pixel);
                }
            }
            across.narrow(&copies, columns.length, lines);
        }
        let to = to.as_slice_mut().expect("what is filled is a new batch");
        let lines = to.chunks_exact_mut(width).zip(&down.first).zip(down.weights.chunks_exact(down.count));
        for ((line, first), weights) in lines {
            T::average(&narrow[(first - needed.start) * width..], weights, line);
        }
    }
}

impl<W: Copy> Taps<W> {
    /// Weighs the pixels of up to [`LINES`] rows of `length` pixels.
    fn narrow<T: Sampled<Sum = W>>(&self, rows: &[T], length: usize, lines: &mut [T]) {
        match self.count {
            1 => self.narrow_by::<T, 1>(rows, length, lines),
            2 => self.narrow_by::<T, 2>(rows, length, lines),
            3 => self.narrow_by::<T, 3>(rows, length, lines),
            4 => self.narrow_by::<T, 4>(rows, length, lines),
            5 => self.narrow_by::<T, 5>(rows, length, lines),
            6 => self.narrow_by::<T, 6>(rows, length, lines),
            _ => {
                let width = self.first.len();
                for (row, line) in rows.chunks_exact(length).zip(lines.chunks_exact_mut(width)) {
                    let taps = self.first.iter().zip(self.weights.chunks_exact(self.count));
                    for (value, (first, weights)) in line.iter_mut().zip(taps) {
                        *value = weighed::<T, true>(&row[*first..], weights);
                    }
                }
            }
        }
    }

    /// The same with a number of taps that the compiler knows.
    fn narrow_by<T: Sampled<Sum = W>, const COUNT: usize>(&self, rows: &[T], length: usize, lines: &mut [T]) {
        if self.negative {
            self.narrow_as::<T, COUNT, true>(rows, length, lines);
        } else {
            self.narrow_as::<T, COUNT, false>(rows, length, lines);
        }
    }

    fn narrow_as<T: Sampled<Sum = W>, const COUNT: usize, const NEGATIVE: bool>(
        &self,
        rows: &[T],
        length: usize,
        lines: &mut [T],
    ) {
        let width = self.first.len();
        let (weights, _) = self.weights.as_chunks::<COUNT>();
        let taps = self.first.iter().zip(weights);
        if lines.len() < LINES * width {
            for (row, line) in rows.chunks_exact(length).zip(lines.chunks_exact_mut(width)) {
                for (value, (first, weights)) in line.iter_mut().zip(taps.clone()) {
                    *value = weighed::<T, NEGATIVE>(&row[*first..first + COUNT], weights);
                }
            }
            return;
        }
        let (above, below) = lines.split_at_mut(2 * width);
        let ((a, b), (c, d)) = (above.split_at_mut(width), below.split_at_mut(width));
        let [e, f, g, h] = [0, 1, 2, 3].map(|row| &rows[row * length..][..length]);
        let values = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for (((a, b), (c, d)), (first, weights)) in values.zip(taps) {
            let taken = *first..first + COUNT;
            *a = weighed::<T, NEGATIVE>(&e[taken.clone()], weights);
            *b = weighed::<T, NEGATIVE>(&f[taken.clone()], weights);
            *c = weighed::<T, NEGATIVE>(&g[taken.clone()], weights);
            *d = weighed::<T, NEGATIVE>(&h[taken], weights);
        }
    }
}

#[inline]
fn weighed<T: Sampled, const NEGATIVE: bool>(pixels: &[T], weights: &[T::Sum]) -> T {
    let sum = pixels.iter().zip(weights).fold(T::zero(), |sum, (pixel, weight)| T::add(sum, *pixel, *weight));
    if NEGATIVE { T::value(sum) } else { T::mean(sum) }
}

fn take_nearest<T: Sampled>(rows: &[usize], columns: &[usize], from: ArrayView3<'_, T>, mut to: ArrayViewMut3<'_, T>) {
    for (from, mut to) in from.outer_iter().zip(to.outer_iter_mut()) {
        for (y, mut line) in rows.iter().zip(to.outer_iter_mut()) {
            let row = from.row(*y);
            line.iter_mut().zip(columns).for_each(|(value, x)| *value = row[*x]);
        }
    }
}

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
        let support = if filter.antialias { scale.binary("Max", real(1.0)) } else { real(1.0) };
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
        let twice = (0..self.out as i64).map(|at| 2 * at + 1).collect();
        let twice =
            graph.constant(Tensor::vector(twice)).reshape(if axis == 2 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] });
        let out = graph.constant(Tensor::scalar(2 * self.out as i64));
        self.start.unsqueeze(&[1, 2, 3]) + twice * self.length.unsqueeze(&[1, 2, 3]) / out
    }
}

/// See [`Filter::weight`].
fn lower_weight(filter: Filter, x: Value<'_>) -> Value<'_> {
    let real = |value: f64| x.graph().constant(Tensor::scalar(value));
    if filter.interpolation != Interpolation::Bicubic {
        return (real(1.0) - x).binary("Max", real(0.0));
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
        Element::U8 => (value + real(0.5)).unary("Floor").binary("Max", real(0.0)).binary("Min", real(255.0)),
    };
    // One matrix for each sample even where all are equal: ONNX Runtime multiplies no batch of none by a batch of one.
    let per_sample = graph.concat(&[images.shape().slice(0, 0, 1), graph.ints(&[1, 1, 1])], 0);
    let images = if element == Element::U8 { images.cast(DataType::F32) } else { images };
    let matrix = |side: &LoweredStretch<'g>| side.matrix(filter).expand(per_sample);
    let narrow = rounded(images.matmul(matrix(columns).transpose(&[0, 1, 3, 2])));
    let small = rounded(matrix(rows).matmul(narrow));
    if element == Element::U8 { small.cast(DataType::U8) } else { small }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    const BILINEAR: Filter = Filter { interpolation: Interpolation::Bilinear, antialias: true };

    fn shrunk<T: Sampled>(filter: Filter, from: &Array3<T>, size: [usize; 2]) -> Array3<T> {
        let (channels, height, width) = from.dim();
        let mut to = Array3::from_elem([channels, size[0], size[1]], T::default());
        let stretch = |length, out| Stretch { start: 0, length, out };
        let [rows, columns] = [stretch(height, size[0]), stretch(width, size[1])];
        resample(filter, rows, columns, from.view(), to.view_mut(), &mut Vec::new());
        to
    }

    #[test]
    fn same_size_is_the_identity_and_a_constant_stays() {
        let image = Array3::from_shape_fn([2, 5, 7], |(c, y, x)| (c * 100 + y * 7 + x) as u8);
        assert_eq!(shrunk(BILINEAR, &image, [5, 7]), image);
        assert!(shrunk(BILINEAR, &Array3::from_elem([1, 9, 4], 77), [3, 11]).iter().all(|value| *value == 77));
    }

    #[test]
    fn bytes_match_pillow() {
        // np.asarray(Image.fromarray(pattern).resize((width, height), Image.BILINEAR)), Pillow 11.3.0.
        let pattern = Array3::from_shape_fn([1, 11, 6], |(_, y, x)| ((x * 37 + y * 101) % 256) as u8);
        let cases: [([usize; 2], &[u8]); 2] = [
            ([4, 3], &[110, 131, 147, 136, 114, 128, 135, 122, 135, 132, 138, 128]),
            (
                [5, 13],
                &[
                    82, 89, 106, 117, 112, 108, 126, 143, 160, 177, 156, 122, 108, 118, 125, 142, 150, 133, 116, 109,
                    102, 117, 134, 143, 151, 153, 177, 163, 128, 105, 117, 127, 117, 105, 120, 137, 133, 121, 117, 124,
                    131, 148, 153, 121, 93, 111, 128, 135, 143, 139, 131, 128, 160, 149, 121, 104, 121, 138, 156, 173,
                    143, 109, 114, 131, 138,
                ],
            ),
        ];
        for (size, expected) in cases {
            assert_eq!(shrunk(BILINEAR, &pattern, size).into_raw_vec_and_offset().0, expected);
        }
    }

    #[test]
    fn other_filters_match_pillow_and_pytorch() {
        let level = |y: usize, x: usize| ((x * 37 + y * 101) % 256) as u8;
        let bytes = Array3::from_shape_fn([1, 11, 6], |(_, y, x)| level(y, x));
        let floats = bytes.mapv(f32::from);
        let filter = |interpolation, antialias| Filter { interpolation, antialias };
        // Image.BICUBIC of Pillow 11.3.0, then `interpolate` of PyTorch 2.15 with `nearest-exact` and `bicubic`.
        let cubic = [106, 129, 149, 141, 111, 128, 138, 120, 136, 128, 139, 130];
        let nearest = [138, 212, 30, 185, 3, 77, 131, 205, 23, 178, 252, 70];
        let plain = [
            96.505f32, 195.794, 147.728, 117.803, 133.436, 113.385, 162.908, 124.854, 116.615, 160.459, 247.768, 31.182,
        ];
        let shown = |interpolation| shrunk(filter(interpolation, true), &bytes, [4, 3]).into_raw_vec_and_offset().0;
        assert_eq!(shown(Interpolation::Bicubic), cubic);
        assert_eq!(shown(Interpolation::Nearest), nearest);
        let shown = shrunk(filter(Interpolation::Bicubic, false), &floats, [4, 3]);
        assert!(shown.iter().zip(plain).all(|(a, b)| (a - b).abs() < 1e-3), "{shown}");
    }
}
