//! Windows of one size out of images of any size.

use augraft_operator::{Batch, Images, Pooled, Scratch, parallel};
use ndarray::{Array3, Array4, ArrayView3, ArrayViewMut3, Axis};

use crate::kernels;
use crate::resample::{narrow_floats, shorten_floats};
use crate::taps::{Lines, Taps};

/// A function that fills one output sample (channels, rows, columns) from one input sample, by a drawn row.
pub(crate) trait Fill<R> {
    /// Fills `to` from `from`; both have the axes channels, rows, columns. `rows` is a buffer of any content that is reused.
    fn fill<T: Sampled>(&self, row: &R, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, rows: &mut Vec<T>);
}

/// Element types of images, and what is done to them by type.
pub(crate) trait Sampled: Pooled {
    /// A weight as it is multiplied.
    type Weight: Copy;
    /// The weight as it is multiplied.
    fn weight(weight: f64) -> Self::Weight;
    /// Narrows lines; `to` has a plane for each channel.
    fn narrow(across: &Taps<Self::Weight>, lines: Lines<'_, Self>, to: &mut [Self]);
    /// Averages the lines of a plane, of which those before `skipped` are left out.
    fn shorten(down: &Taps<Self::Weight>, skipped: usize, lines: &[Self], to: &mut [Self]);
    /// The pixels of an image whose three channels are side by side, as decoders leave bytes.
    fn decoded<'a>(_: &ArrayView3<'a, Self>) -> Option<&'a [Self]> {
        None
    }
    /// Splits pixels of three channels into a plane for each.
    fn split(pixels: &[Self], [red, green, blue]: [&mut [Self]; 3]) {
        for (((pixel, red), green), blue) in pixels.chunks_exact(3).zip(red).zip(green).zip(blue) {
            (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
        }
    }
    /// Reverses rows of `width` pixels.
    fn mirror(pixels: &mut [Self], width: usize) {
        pixels.chunks_exact_mut(width).for_each(<[Self]>::reverse);
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

/// Pixels that are blended at once.
const BLOCK: usize = 64;

impl Sampled for u8 {
    type Weight = i32;
    fn weight(weight: f64) -> i32 {
        (weight * f64::from(1 << kernels::PRECISION) + 0.5f64.copysign(weight)) as i32
    }
    fn narrow(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
        kernels::narrow(across, lines, to);
    }
    fn shorten(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) {
        kernels::shorten(down, skipped, lines, to);
    }
    fn decoded<'a>(image: &ArrayView3<'a, u8>) -> Option<&'a [u8]> {
        let pixels = image.permuted_axes([1, 2, 0]);
        if image.dim().0 == 3 { pixels.to_slice() } else { None }
    }
    fn split(pixels: &[u8], planes: [&mut [u8]; 3]) {
        kernels::split(pixels, planes);
    }
    fn mirror(pixels: &mut [u8], width: usize) {
        kernels::mirror_rows(pixels, width);
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
    type Weight = f32;
    fn weight(weight: f64) -> f32 {
        weight as f32
    }
    fn narrow(across: &Taps<f32>, lines: Lines<'_, f32>, to: &mut [f32]) {
        narrow_floats(across, lines, to);
    }
    fn shorten(down: &Taps<f32>, skipped: usize, lines: &[f32], to: &mut [f32]) {
        shorten_floats(down, skipped, lines, to);
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
            // Masks have one channel.
            let channels = images.first().map_or(3, |image| image.dim().2);
            Images::U8(filled(from, channels, size, draws, scratch, fill))
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
    scratch.lend(tallest * width * channels.min(3), |buffers| {
        parallel(to.axis_iter_mut(Axis(0)).zip(from).collect(), draws, |(to, from), row| {
            buffers.with(|rows| fill.fill(row, from, to, rows));
        });
    });
    to
}
