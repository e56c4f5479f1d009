//! Windows of one size out of images of any size.

use augraft_operator::{Batch, Images, Pooled, Scratch, parallel};
use ndarray::{Array3, Array4, ArrayView3, ArrayViewMut3, Axis};

/// A function that fills one output sample (channels, rows, columns) from one input sample, by a drawn row.
pub(crate) trait Fill<R> {
    /// Fills `to` from `from`; both have the axes channels, rows, columns. `rows` is a buffer of any content that is reused.
    fn fill<T: Sampled>(&self, row: &R, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, rows: &mut Vec<T>);
}

/// Element types of images, and how they are weighted and summed.
pub(crate) trait Sampled: Pooled {
    /// A weight, and a sum of weighted values.
    type Sum: Copy + Send + Sync;
    /// The weight as it is multiplied.
    fn weight(weight: f64) -> Self::Sum;
    /// The empty sum.
    fn zero() -> Self::Sum;
    /// Adds a weighted value.
    fn add(sum: Self::Sum, value: Self, weight: Self::Sum) -> Self::Sum;
    /// The value that a sum stands for.
    fn value(sum: Self::Sum) -> Self;
    /// The same where no weight was negative, so that the value is in range.
    fn mean(sum: Self::Sum) -> Self;
    /// Weighs the first rows of `rows`, which are as long as `to`.
    fn average(rows: &[Self], weights: &[Self::Sum], to: &mut [Self]) {
        match weights {
            [a, b] => average_few(rows, [*a, *b], to),
            [a, b, c] => average_few(rows, [*a, *b, *c], to),
            [a, b, c, d] => average_few(rows, [*a, *b, *c, *d], to),
            _ => average_many(rows, weights, to),
        }
    }
    /// The value nearest to a fill.
    fn of(value: f32) -> Self;
    /// The value as a float.
    fn real(self) -> f32;
    /// The value nearest to an average of values, halves to even for bytes.
    fn nearest(average: f32) -> Self;
    /// Means of the four pixels at each place of a plane with rows of `stride` and those behind and below; `to` has as many values as the lists.
    fn blend(plane: &[Self], stride: usize, at: &[u32], right: &[f32], below: &[f32], to: &mut [Self]) {
        for (value, ((at, right), below)) in to.iter_mut().zip(at.iter().zip(right).zip(below)) {
            let corners = |at: usize| [plane[at].real(), plane[at + 1].real()];
            let at = *at as usize;
            *value = Self::nearest(lerp(corners(at), corners(at + stride), *right, *below));
        }
    }
}

/// Mean of two pixels above and two below, by the shares of those to the right and of those below.
fn lerp([a, b]: [f32; 2], [c, d]: [f32; 2], right: f32, below: f32) -> f32 {
    let (upper, lower) = (a + right * (b - a), c + right * (d - c));
    upper + below * (lower - upper)
}

/// See [`Sampled::average`], with a number of rows that the compiler knows.
fn average_few<T: Sampled, const COUNT: usize>(rows: &[T], weights: [T::Sum; COUNT], to: &mut [T]) {
    let width = to.len();
    let rows: [&[T]; COUNT] = core::array::from_fn(|row| &rows[row * width..][..width]);
    for (at, value) in to.iter_mut().enumerate() {
        let mut sum = T::zero();
        for row in 0..COUNT {
            sum = T::add(sum, rows[row][at], weights[row]);
        }
        *value = T::value(sum);
    }
}

/// See [`Sampled::average`].
fn average_many<T: Sampled>(rows: &[T], weights: &[T::Sum], to: &mut [T]) {
    let width = to.len();
    for (block, to) in to.chunks_mut(BLOCK).enumerate() {
        let mut sums = [T::zero(); BLOCK];
        for (row, weight) in rows.chunks_exact(width).zip(weights) {
            let pixels = &row[block * BLOCK..][..to.len()];
            sums.iter_mut().zip(pixels).for_each(|(sum, pixel)| *sum = T::add(*sum, *pixel, *weight));
        }
        to.iter_mut().zip(sums).for_each(|(value, sum)| *value = T::value(sum));
    }
}

/// Columns that are summed at once.
const BLOCK: usize = 64;

/// Bits after the point of Pillow's weights for bytes.
const PRECISION: u32 = 22;

impl Sampled for u8 {
    type Sum = i32;
    fn weight(weight: f64) -> i32 {
        (weight * f64::from(1 << PRECISION) + 0.5f64.copysign(weight)) as i32
    }
    fn zero() -> i32 {
        1 << (PRECISION - 1)
    }
    fn add(sum: i32, value: u8, weight: i32) -> i32 {
        sum + i32::from(value) * weight
    }
    fn value(sum: i32) -> u8 {
        (sum >> PRECISION).clamp(0, 255) as u8
    }
    fn mean(sum: i32) -> u8 {
        (sum >> PRECISION) as u8
    }
    fn of(value: f32) -> u8 {
        value.clamp(0.0, 255.0).round_ties_even() as u8
    }
    fn real(self) -> f32 {
        f32::from(self)
    }
    fn nearest(average: f32) -> u8 {
        // The sum has no bits after the point, so that the addition rounds; the lowest byte of its mantissa is the value.
        (average + 8_388_608.0).to_bits() as u8
    }
    fn blend(plane: &[u8], stride: usize, at: &[u32], right: &[f32], below: &[f32], to: &mut [u8]) {
        let weights = right.chunks(BLOCK).zip(below.chunks(BLOCK));
        for ((to, at), (right, below)) in to.chunks_mut(BLOCK).zip(at.chunks(BLOCK)).zip(weights) {
            // The four bytes are collected first, so that the arithmetic is that of vectors.
            let mut corners = [0u32; BLOCK];
            for (corners, at) in corners.iter_mut().zip(at) {
                let pair = |at: usize| {
                    let pixels = &plane[at..at + 2];
                    u32::from(u16::from_le_bytes([pixels[0], pixels[1]]))
                };
                *corners = pair(*at as usize) | pair(*at as usize + stride) << 16;
            }
            for (value, (corners, (right, below))) in to.iter_mut().zip(corners.iter().zip(right.iter().zip(below))) {
                let [a, b, c, d] = [0, 8, 16, 24].map(|shift| (corners >> shift & 255) as i32 as f32);
                *value = Self::nearest(lerp([a, b], [c, d], *right, *below));
            }
        }
    }
}

impl Sampled for f32 {
    type Sum = f32;
    fn weight(weight: f64) -> f32 {
        weight as f32
    }
    fn zero() -> f32 {
        0.0
    }
    fn add(sum: f32, value: f32, weight: f32) -> f32 {
        sum + value * weight
    }
    fn value(sum: f32) -> f32 {
        sum
    }
    fn mean(sum: f32) -> f32 {
        sum
    }
    fn of(value: f32) -> f32 {
        value
    }
    fn real(self) -> f32 {
        self
    }
    fn nearest(average: f32) -> f32 {
        average
    }
}

/// Replaces the images of a batch by images of `size`, each filled from its old one.
pub(crate) fn refill<R: Sync>(
    batch: &mut Batch,
    draws: &[R],
    size: [usize; 2],
    scratch: &mut Scratch,
    fill: &(impl Fill<R> + Sync),
) {
    batch.labels.forget_boxes();
    let images = core::mem::replace(&mut batch.images, Images::Ragged(Vec::new()));
    batch.images = match images {
        Images::Ragged(images) => {
            let from = images.iter().map(|image: &Array3<u8>| image.view().permuted_axes([2, 0, 1])).collect();
            Images::U8(filled(from, 3, size, draws, scratch, fill))
        }
        Images::U8(images) => Images::U8(refill_dense(images, size, draws, scratch, fill)),
        Images::F32(images) => Images::F32(refill_dense(images, size, draws, scratch, fill)),
    };
}

fn refill_dense<T: Sampled, R: Sync>(
    images: Array4<T>,
    size: [usize; 2],
    draws: &[R],
    scratch: &mut Scratch,
    fill: &(impl Fill<R> + Sync),
) -> Array4<T> {
    let to = filled(images.axis_iter(Axis(0)).collect(), images.dim().1, size, draws, scratch, fill);
    scratch.give_dense(images);
    to
}

fn filled<T: Sampled, R: Sync>(
    from: Vec<ArrayView3<'_, T>>,
    channels: usize,
    [height, width]: [usize; 2],
    draws: &[R],
    scratch: &mut Scratch,
    fill: &(impl Fill<R> + Sync),
) -> Array4<T> {
    let mut to = scratch.take_dense([from.len(), channels, height, width]);
    let tallest = from.iter().map(|image| image.dim().1).max().unwrap_or(0);
    scratch.lend(tallest * width, |buffers| {
        parallel(to.axis_iter_mut(Axis(0)).zip(from).collect(), draws, |(to, from), row| {
            buffers.with(|rows| fill.fill(row, from, to, rows));
        });
    });
    to
}
