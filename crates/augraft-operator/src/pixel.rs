//! Element types of images, and what is done to them by type.

use crate::kernels;
use crate::place_noise::{word_byte, word_normal};
use crate::resample::Resampled;
use crate::scratch::Pooled;

/// An element of images: a byte or a float.
pub trait Pixel: Pooled {
    /// The value nearest to a number, in the unit of the tensor.
    fn of(value: f32) -> Self;
    /// The value as a float.
    fn real(self) -> f32;
    /// The value nearest to an average of values, halves to even for bytes.
    fn nearest(average: f32) -> Self;
    /// Noise by a word: a standard normal number, or a level, all equally likely.
    fn noise(word: u32) -> Self;
}

impl Pixel for u8 {
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
    fn noise(word: u32) -> u8 {
        word_byte(word)
    }
}

impl Pixel for f32 {
    fn of(value: f32) -> f32 {
        value
    }
    fn real(self) -> f32 {
        self
    }
    fn nearest(average: f32) -> f32 {
        average
    }
    fn noise(word: u32) -> f32 {
        word_normal(word)
    }
}

/// What is done to pixels by their type.
pub(crate) trait Sampled: Pixel + Resampled {
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
    fn split(pixels: &[u8], planes: [&mut [u8]; 3]) {
        kernels::split(pixels, planes);
    }
    fn mirror(pixels: &mut [u8], width: usize) {
        kernels::mirror_rows(pixels, width);
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

impl Sampled for f32 {}
