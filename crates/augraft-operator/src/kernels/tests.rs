//! What runs on this CPU computes the same as what runs on any.

use super::*;
use crate::taps::{Filter, Interpolation, Stretch};

/// Bytes that differ from place to place.
fn bytes(count: usize, seed: usize) -> Vec<u8> {
    let mut state = seed as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn rows_are_reversed_whatever_the_cpu() {
    for width in 1..100 {
        let pixels = bytes(3 * width, width);
        let expected: Vec<u8> = pixels.chunks(width).flat_map(|row| row.iter().rev().copied()).collect();
        for mirror in [mirror_rows, mirror_by_words, mirror_by_vectors] {
            let mut mirrored = pixels.clone();
            mirror(&mut mirrored, width);
            assert_eq!(mirrored, expected, "{width}");
        }
    }
}

#[test]
fn channels_are_split_whatever_the_cpu() {
    for width in 0..100 {
        let pixels = bytes(3 * width, width);
        for way in [split, split_each] {
            let mut planes = [const { [0; 100] }; 3];
            way(&pixels, planes.each_mut().map(|plane| &mut plane[..width]));
            assert!((0..3 * width).all(|at| planes[at % 3][at / 3] == pixels[at]), "{width}");
        }
    }
}

#[test]
fn tiles_are_transposed_whatever_the_cpu() {
    let pixels = bytes(TILE * TILE, 1);
    let tile = core::array::from_fn(|row| core::array::from_fn(|column| pixels[row * TILE + column]));
    let (mut columns, mut expected) = ([[0; TILE]; TILE], [[0; TILE]; TILE]);
    transpose(&tile, &mut columns);
    transpose_each(&tile, &mut expected);
    assert_eq!(columns, expected);
}

/// Pillow's arithmetic for one pixel.
fn average(taps: &Taps<i32>, at: usize, pixel: impl Fn(usize) -> u8) -> u8 {
    let weights = &taps.weights[at * taps.count..][..taps.count];
    let weighed = weights.iter().enumerate().map(|(k, weight)| i32::from(pixel(taps.first[at] + k)) * weight);
    ((weighed.sum::<i32>() + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

fn taps(length: usize, out: usize, interpolation: Interpolation) -> Taps<i32> {
    let filter = Filter { interpolation, antialias: length != 40 };
    Stretch { start: 0, length, out }.taps(filter, <u8 as crate::resample::Resampled>::weight)
}

/// Lengths before and after, around the sizes of blocks and tiles.
const STRETCHES: [[usize; 2]; 9] =
    [[1, 1], [1, 40], [15, 16], [16, 15], [33, 7], [40, 70], [47, 33], [100, 3], [131, 64]];

#[test]
fn lines_are_narrowed_whatever_the_cpu() {
    for ([length, out], count) in STRETCHES.into_iter().zip([1, 2, 15, 16, 17, 5, 33, 48, 31]) {
        for (channels, interpolation) in [(1, Interpolation::Bilinear), (3, Interpolation::Bicubic)] {
            let across = taps(length, out, interpolation);
            let pitch = (length + 2) * channels;
            let pixels = bytes(count * pitch, length);
            let lines = Lines { pixels: &pixels, pitch, length, count, channels };
            let expected: Vec<u8> = (0..channels * count * out)
                .map(|at| (at / out / count, at / out % count, at % out))
                .map(|(channel, line, at)| {
                    average(&across, at, |column| pixels[line * pitch + column * channels + channel])
                })
                .collect();
            for way in [resample_rows, rows_in_blocks] {
                let mut resampled = vec![0; expected.len()];
                way(&across, lines, &mut resampled);
                assert_eq!(resampled, expected, "{length} {out} {count} {channels}");
            }
        }
    }
}

#[test]
fn lines_are_averaged_whatever_the_cpu() {
    for ([length, out], width) in STRETCHES.into_iter().zip([1, 2, 31, 32, 33, 5, 64, 100, 48]) {
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            let down = taps(length, out, interpolation);
            let skipped = down.first[0];
            let pixels = bytes(length * width, width);
            let expected: Vec<u8> = (0..out * width)
                .map(|at| average(&down, at / width, |line| pixels[line * width + at % width]))
                .collect();
            for way in [resample_columns, columns_in_blocks] {
                let mut averaged = vec![0; expected.len()];
                way(&down, skipped, &pixels[skipped * width..], &mut averaged);
                assert_eq!(averaged, expected, "{length} {out} {width}");
            }
        }
    }
}
