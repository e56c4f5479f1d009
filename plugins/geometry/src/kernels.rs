//! Loops over bytes, compiled for any CPU and once more for those with AVX2, which are told apart when they run.

#![expect(unsafe_code, reason = "what is compiled for AVX2 is called where the CPU was found to have it")]
#![expect(clippy::inline_always, reason = "a loop takes on the CPU features of the function that it is inlined into")]

use crate::taps::{Lines, Taps};

/// Defines a function that runs `$wide` as AVX2 code where the CPU has it, and else `$plain`.
macro_rules! by_cpu {
    ($(#[$meta:meta])* fn $name:ident($($argument:ident: $kind:ty),*) = $plain:ident or $wide:ident) => {
        $(#[$meta])*
        pub(crate) fn $name($($argument: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $kind),*) {
                    $wide($($argument),*);
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2, all that the function needs beyond what every x86_64 has.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $plain($($argument),*);
        }
    };
}

by_cpu! {
    /// Reverses rows of `width` pixels.
    fn mirror_rows(pixels: &mut [u8], width: usize) = mirror_by_words or mirror_by_vectors
}

by_cpu! {
    /// Splits pixels of three channels into a plane for each.
    fn split(pixels: &[u8], planes: [&mut [u8]; 3]) = split_each or split_each
}

by_cpu! {
    /// Narrows lines; `to` has a plane for each channel.
    fn narrow(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) = narrow_blocks or narrow_blocks
}

by_cpu! {
    /// Averages the lines of a plane, of which those before `skipped` are left out.
    fn shorten(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) = shorten_blocks or shorten_blocks
}

/// What AVX2 has a shuffle for, which the compiler finds.
#[inline(always)]
fn mirror_by_vectors(pixels: &mut [u8], width: usize) {
    pixels.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}

#[inline(always)]
fn mirror_by_words(pixels: &mut [u8], width: usize) {
    let swapped = |word: &[u8; 8]| u64::from_ne_bytes(*word).swap_bytes().to_ne_bytes();
    for row in pixels.chunks_exact_mut(width) {
        let (left, right) = row.split_at_mut(width / 2);
        // An odd row keeps the pixel in its middle.
        let right = &mut right[width % 2..];
        let ((left, near_left), (near_right, right)) = (left.as_chunks_mut::<8>(), right.as_rchunks_mut::<8>());
        for (left, right) in left.iter_mut().zip(right.iter_mut().rev()) {
            (*left, *right) = (swapped(right), swapped(left));
        }
        near_left.iter_mut().zip(near_right.iter_mut().rev()).for_each(|(left, right)| core::mem::swap(left, right));
    }
}

#[inline(always)]
fn split_each(pixels: &[u8], [red, green, blue]: [&mut [u8]; 3]) {
    let (pixels, _) = pixels.as_chunks::<3>();
    for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
        [*red, *green, *blue] = *pixel;
    }
}

/// Lines, and places of a line, that are computed at once.
const TILE: usize = 16;

/// A square of bytes.
type Tile = [[u8; TILE]; TILE];

#[inline(always)]
fn narrow_blocks(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
    match lines.channels {
        1 => narrow_channels::<1>(across, lines, to),
        _ => narrow_channels::<3>(across, lines, to),
    }
}

/// Transposes so many lines that a vector holds one pixel of each, weighs those, and transposes the results.
#[inline(always)]
fn narrow_channels<const CHANNELS: usize>(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
    let width = across.first.len();
    let mut columns = vec![[0; TILE]; lines.length * CHANNELS];
    for block in (0..lines.count).step_by(TILE) {
        // The last line stands for those beyond it.
        let line = |at: usize| lines.line((block + at).min(lines.count - 1));
        transpose_lines(core::array::from_fn(line), &mut columns);
        let (pixels, _) = columns.as_chunks::<CHANNELS>();
        for (channel, to) in to.chunks_exact_mut(lines.count * width).enumerate() {
            let tiles = across.first.chunks(TILE).zip(across.weights.chunks(TILE * across.count));
            for (tile, (first, weights)) in tiles.enumerate() {
                let mut values = [[0; TILE]; TILE];
                for (value, (first, weights)) in values.iter_mut().zip(first.iter().zip(weights.chunks(across.count))) {
                    let taken = pixels[*first..][..across.count].iter().map(|pixel| &pixel[channel]);
                    *value = weighed(taken.zip(weights));
                }
                for (line, values) in to[block * width..].chunks_exact_mut(width).zip(transposed(values)) {
                    let line = &mut line[tile * TILE..][..first.len()];
                    line.copy_from_slice(&values[..line.len()]);
                }
            }
        }
    }
}

/// Columns that are averaged at once.
const WIDE: usize = 32;

#[inline(always)]
fn shorten_blocks(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) {
    let width = to.len() / down.first.len();
    for ((line, first), weights) in to.chunks_exact_mut(width).zip(&down.first).zip(down.weights.chunks(down.count)) {
        let lines = &lines[(first - skipped) * width..][..down.count * width];
        let (blocks, rest) = line.as_chunks_mut::<WIDE>();
        let done = blocks.len() * WIDE;
        for (block, value) in blocks.iter_mut().enumerate() {
            let pixels = lines.chunks_exact(width).map(|line| &line.as_chunks::<WIDE>().0[block]);
            *value = weighed(pixels.zip(weights));
        }
        for (at, value) in rest.iter_mut().enumerate() {
            let pixels = lines.chunks_exact(width).map(|line| core::array::from_ref(&line[done + at]));
            [*value] = weighed(pixels.zip(weights));
        }
    }
}

/// Bits after the point of Pillow's weights.
pub(crate) const PRECISION: u32 = 22;

#[inline(always)]
fn weighed<'a, const COUNT: usize>(pixels: impl Iterator<Item = (&'a [u8; COUNT], &'a i32)>) -> [u8; COUNT] {
    let mut sums = [1 << (PRECISION - 1); COUNT];
    for (pixels, weight) in pixels {
        sums.iter_mut().zip(pixels).for_each(|(sum, pixel)| *sum += i32::from(*pixel) * weight);
    }
    sums.map(|sum| (sum >> PRECISION).clamp(0, 255) as u8)
}

/// Turns lines, all as long as there are columns, into columns.
#[inline(always)]
fn transpose_lines(lines: [&[u8]; TILE], columns: &mut [[u8; TILE]]) {
    let tiles = columns.len() / TILE;
    let lines = lines.map(|line| line.as_chunks::<TILE>());
    let (whole, rest) = columns.as_chunks_mut::<TILE>();
    for (at, columns) in whole.iter_mut().enumerate().take(tiles) {
        *columns = transposed(lines.map(|(tiles, _)| tiles[at]));
    }
    for (at, column) in rest.iter_mut().enumerate() {
        *column = lines.map(|(_, rest)| rest[at]);
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transposed(tile: Tile) -> Tile {
    transposed_each(tile)
}

/// Interleaves the rows with those half a tile below until each row is a column.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed(tile: Tile) -> Tile {
    use core::arch::x86_64::{__m128i, _mm_unpackhi_epi8, _mm_unpacklo_epi8};
    // SAFETY: any 16 bytes are a vector of bytes, of the same size.
    let mut rows: [__m128i; TILE] = unsafe { core::mem::transmute(tile) };
    for _ in 0..TILE.ilog2() {
        rows = core::array::from_fn(|at| {
            let (a, b) = (rows[at / 2], rows[at / 2 + TILE / 2]);
            // SAFETY: every x86_64 has SSE2.
            unsafe { if at % 2 == 0 { _mm_unpacklo_epi8(a, b) } else { _mm_unpackhi_epi8(a, b) } }
        });
    }
    // SAFETY: as above.
    unsafe { core::mem::transmute(rows) }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn transposed_each(tile: Tile) -> Tile {
    core::array::from_fn(|row| tile.map(|line| line[row]))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(transposed(tile), transposed_each(tile));
    }

    /// Pillow's arithmetic for one pixel.
    fn average(taps: &Taps<i32>, at: usize, pixel: impl Fn(usize) -> u8) -> u8 {
        let weights = &taps.weights[at * taps.count..][..taps.count];
        let weighed = weights.iter().enumerate().map(|(k, weight)| i32::from(pixel(taps.first[at] + k)) * weight);
        ((weighed.sum::<i32>() + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
    }

    fn taps(length: usize, out: usize, interpolation: Interpolation) -> Taps<i32> {
        let filter = Filter { interpolation, antialias: length != 40 };
        Stretch { start: 0, length, out }.taps(filter, <u8 as crate::window::Sampled>::weight)
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
                for way in [narrow, narrow_blocks] {
                    let mut narrowed = vec![0; expected.len()];
                    way(&across, lines, &mut narrowed);
                    assert_eq!(narrowed, expected, "{length} {out} {count} {channels}");
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
                for way in [shorten, shorten_blocks] {
                    let mut averaged = vec![0; expected.len()];
                    way(&down, skipped, &pixels[skipped * width..], &mut averaged);
                    assert_eq!(averaged, expected, "{length} {out} {width}");
                }
            }
        }
    }
}
