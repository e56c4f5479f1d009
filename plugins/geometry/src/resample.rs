//! Antialiased bilinear resampling, as Pillow's `BILINEAR`: a triangle filter that widens with the reduction.

use augraft_operator::{DataType, Element, Tensor, Value};
use ndarray::{ArrayView3, ArrayViewMut3};

use crate::window::Sampled;

/// A stretch of one side: `start..start + length` pixels become `out` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) out: usize,
}

/// The weights of one output pixel: first input pixel, then its weights.
type Taps<W> = (usize, Vec<W>);

impl Stretch {
    /// Weights of every output pixel: `max(0, 1 - |distance| / max(scale, 1))`, normalised in f64.
    fn taps<W>(self, rounded: impl Fn(f64) -> W) -> Vec<Taps<W>> {
        let scale = self.length as f64 / self.out as f64;
        let support = scale.max(1.0);
        let tap = |at: usize| {
            let center = (at as f64 + 0.5) * scale;
            let first = ((center - support + 0.5).floor().max(0.0)) as usize;
            let last = ((center + support + 0.5).floor() as usize).min(self.length);
            let weight = |pixel: usize| (1.0 - ((pixel as f64 - center + 0.5) * (1.0 / support)).abs()).max(0.0);
            let share = 1.0 / (first..last).map(weight).sum::<f64>();
            (self.start + first, (first..last).map(|pixel| rounded(weight(pixel) * share)).collect())
        };
        (0..self.out).map(tap).collect()
    }
}

/// Resamples `from` (channels, rows, columns) to the size of `to`: columns first, then rows, bytes rounded after each as Pillow does.
///
/// `narrow` is a buffer of any content for the rows between the two passes.
pub(crate) fn resample<T: Sampled>(
    rows: Stretch,
    columns: Stretch,
    from: ArrayView3<'_, T>,
    mut to: ArrayViewMut3<'_, T>,
    narrow: &mut Vec<T>,
) {
    let (row_taps, column_taps) = (rows.taps(T::weight), columns.taps(T::weight));
    let needed = row_taps[0].0..row_taps.iter().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
    narrow.resize(needed.len() * columns.out, T::default());
    let mut sums = vec![T::zero(); columns.out];
    for (from, mut to) in from.outer_iter().zip(to.outer_iter_mut()) {
        for (y, line) in needed.clone().zip(narrow.chunks_exact_mut(columns.out)) {
            let row = from.row(y);
            for ((first, weights), value) in column_taps.iter().zip(line) {
                let weighted = weights.iter().enumerate();
                *value = T::value(weighted.fold(T::zero(), |sum, (at, weight)| T::add(sum, row[first + at], *weight)));
            }
        }
        for ((first, weights), mut line) in row_taps.iter().zip(to.outer_iter_mut()) {
            sums.fill(T::zero());
            for (at, weight) in weights.iter().enumerate() {
                let start = (first + at - needed.start) * columns.out;
                let source = &narrow[start..start + columns.out];
                sums.iter_mut().zip(source).for_each(|(sum, value)| *sum = T::add(*sum, *value, *weight));
            }
            line.iter_mut().zip(&sums).for_each(|(value, sum)| *value = T::value(*sum));
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
    fn matrix(&self) -> Value<'g> {
        let graph = self.start.graph();
        let real = |value: f64| graph.constant(Tensor::scalar(value));
        let axis = |count: usize, shape: &[i64]| {
            graph.constant(Tensor::vector((0..count).map(|at| at as f64 + 0.5).collect())).reshape(shape)
        };
        let per_sample = |value: Value<'g>| value.cast(DataType::F64).unsqueeze(&[1, 2, 3]);
        let (start, length) = (per_sample(self.start), per_sample(self.length));
        let scale = length * real(1.0 / self.out as f64);
        let support = scale.binary("Max", real(1.0));
        let pixel = axis(self.side, &[1, 1, 1, -1]) - start;
        let distance = (pixel - axis(self.out, &[1, 1, -1, 1]) * scale).unary("Abs");
        let weight = (real(1.0) - distance / support).binary("Max", real(0.0));
        let inside = real(0.0).less(pixel) & pixel.less(length);
        let weight = inside.select(weight, real(0.0));
        (weight / weight.reduce_sum(3).unsqueeze(&[3])).cast(DataType::F32)
    }
}

/// Resamples in a graph: matrix products along columns, then rows; bytes are rounded after each.
pub(crate) fn lower_resample<'g>(
    images: Value<'g>,
    element: Element,
    rows: &LoweredStretch<'g>,
    columns: &LoweredStretch<'g>,
) -> Value<'g> {
    let graph = images.graph();
    let real = |value: f32| graph.constant(Tensor::scalar(value));
    let rounded = |value: Value<'g>| match element {
        Element::F32 => value,
        Element::U8 => (value + real(0.5)).unary("Floor").binary("Max", real(0.0)).binary("Min", real(255.0)),
    };
    // One matrix for each sample even where all are equal: ONNX Runtime multiplies no batch of none by a batch of one.
    let per_sample = graph.concat(&[images.shape().slice(0, 0, 1), graph.ints(&[1, 1, 1])], 0);
    let images = if element == Element::U8 { images.cast(DataType::F32) } else { images };
    let matrix = |side: &LoweredStretch<'g>| side.matrix().expand(per_sample);
    let narrow = rounded(images.matmul(matrix(columns).transpose(&[0, 1, 3, 2])));
    let small = rounded(matrix(rows).matmul(narrow));
    if element == Element::U8 { small.cast(DataType::U8) } else { small }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn shrunk(from: &Array3<u8>, size: [usize; 2]) -> Array3<u8> {
        let (channels, height, width) = from.dim();
        let mut to = Array3::zeros([channels, size[0], size[1]]);
        let stretch = |length, out| Stretch { start: 0, length, out };
        resample(stretch(height, size[0]), stretch(width, size[1]), from.view(), to.view_mut(), &mut Vec::new());
        to
    }

    #[test]
    fn same_size_is_the_identity_and_a_constant_stays() {
        let image = Array3::from_shape_fn([2, 5, 7], |(c, y, x)| (c * 100 + y * 7 + x) as u8);
        assert_eq!(shrunk(&image, [5, 7]), image);
        assert!(shrunk(&Array3::from_elem([1, 9, 4], 77), [3, 11]).iter().all(|value| *value == 77));
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
            assert_eq!(shrunk(&pattern, size).into_raw_vec_and_offset().0, expected);
        }
    }
}
