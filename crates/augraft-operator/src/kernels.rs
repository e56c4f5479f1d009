//! Loops over bytes, compiled for any CPU and once more for those with AVX2, which are told apart when they run.
//!
//! Functions of the standard library that are not inlined stay what they are for any CPU, so that loops are written out.

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
    fn resample_rows(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) = rows_in_blocks or rows_by_vectors
}

by_cpu! {
    /// Averages the lines of a plane, of which those before `skipped` are left out.
    fn resample_columns(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) = columns_in_blocks or columns_in_blocks
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
fn rows_in_blocks(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
    match lines.channels {
        1 => rows_of_channels::<1>(across, lines, to, weigh_each),
        _ => rows_of_channels::<3>(across, lines, to, weigh_each),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn rows_by_vectors(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
    match lines.channels {
        1 => rows_of_channels::<1>(across, lines, to, |a, b, c, d| weigh_by_vectors(a, b, c, d)),
        _ => rows_of_channels::<3>(across, lines, to, |a, b, c, d| weigh_by_vectors(a, b, c, d)),
    }
}

/// Transposes so many lines that a vector holds one pixel of each, weighs those, and transposes the results.
#[inline(always)]
fn rows_of_channels<const CHANNELS: usize>(
    across: &Taps<i32>,
    lines: Lines<'_, u8>,
    to: &mut [u8],
    weigh: impl Fn(&[[[u8; TILE]; CHANNELS]], usize, Part<'_>, &mut Tile),
) {
    let width = across.first.len();
    let mut columns = vec![[0; TILE]; lines.length * CHANNELS];
    for block in (0..lines.count).step_by(TILE) {
        // The first line stands for those beyond the last.
        let mut taken = [lines.line(block); TILE];
        for (at, line) in (block..lines.count).zip(&mut taken) {
            *line = lines.line(at);
        }
        transpose_lines(taken, &mut columns);
        let (pixels, _) = columns.as_chunks::<CHANNELS>();
        for (channel, to) in to.chunks_exact_mut(lines.count * width).enumerate() {
            for (tile, first) in across.first.chunks(TILE).enumerate() {
                let weights = &across.weights[tile * TILE * across.count..];
                let (mut values, mut rows) = ([[0; TILE]; TILE], [[0; TILE]; TILE]);
                weigh(pixels, channel, Part { count: across.count, first, weights }, &mut values);
                transpose(&values, &mut rows);
                for (line, values) in to[block * width..].chunks_exact_mut(width).zip(&rows) {
                    let line = &mut line[tile * TILE..];
                    if let Some(line) = line.first_chunk_mut::<TILE>() {
                        *line = *values;
                    } else {
                        line.copy_from_slice(&values[..line.len()]);
                    }
                }
            }
        }
    }
}

/// The taps of a tile, see [`Taps`].
#[derive(Clone, Copy)]
struct Part<'a> {
    count: usize,
    first: &'a [usize],
    weights: &'a [i32],
}

/// Weighs columns of one channel.
#[inline(always)]
fn weigh_each<const CHANNELS: usize>(
    pixels: &[[[u8; TILE]; CHANNELS]],
    channel: usize,
    taps: Part<'_>,
    tile: &mut Tile,
) {
    for (at, (value, first)) in tile.iter_mut().zip(taps.first).enumerate() {
        let weights = &taps.weights[at * taps.count..][..taps.count];
        *value = weighed(pixels[*first..][..taps.count].iter().map(|pixel| &pixel[channel]).zip(weights));
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn weigh_by_vectors<const CHANNELS: usize>(
    pixels: &[[[u8; TILE]; CHANNELS]],
    channel: usize,
    taps: Part<'_>,
    tile: &mut Tile,
) {
    use core::arch::x86_64::{
        __m128i, _mm_cvtsi64_si128, _mm_packus_epi16, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepu8_epi32,
        _mm256_extracti128_si256, _mm256_mullo_epi32, _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi32,
        _mm256_srai_epi32,
    };
    let half = _mm256_set1_epi32(1 << (PRECISION - 1));
    for (at, (value, first)) in tile.iter_mut().zip(taps.first).enumerate() {
        let weights = &taps.weights[at * taps.count..][..taps.count];
        let (mut low, mut high) = (half, half);
        for (pixel, weight) in pixels[*first..][..taps.count].iter().zip(weights) {
            let weight = _mm256_set1_epi32(*weight);
            let weighed = |half: [u8; 8]| {
                let pixels = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_ne_bytes(half)));
                _mm256_mullo_epi32(pixels, weight)
            };
            let (halves, _) = pixel[channel].as_chunks::<8>();
            low = _mm256_add_epi32(low, weighed(halves[0]));
            high = _mm256_add_epi32(high, weighed(halves[1]));
        }
        let (low, high) = (_mm256_srai_epi32::<22>(low), _mm256_srai_epi32::<22>(high));
        // Packed from halves of both; the quarters are put in order.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        // SAFETY: a vector of bytes is 16 bytes.
        *value = unsafe { core::mem::transmute::<__m128i, [u8; TILE]>(bytes) };
    }
}

/// Columns that are averaged at once.
const WIDE: usize = 32;

#[inline(always)]
fn columns_in_blocks(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) {
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
    let mut values = [0; COUNT];
    values.iter_mut().zip(&sums).for_each(|(value, sum)| *value = (sum >> PRECISION).clamp(0, 255) as u8);
    values
}

/// Turns lines, all as long as there are columns, into columns.
#[inline(always)]
fn transpose_lines(lines: [&[u8]; TILE], columns: &mut [[u8; TILE]]) {
    let whole = columns.len() / TILE * TILE;
    let (tiles, rest) = columns.as_chunks_mut::<TILE>();
    for (at, columns) in tiles.iter_mut().enumerate() {
        let mut tile = [[0; TILE]; TILE];
        for (row, line) in tile.iter_mut().zip(&lines) {
            row.copy_from_slice(&line[at * TILE..][..TILE]);
        }
        transpose(&tile, columns);
    }
    for (at, column) in rest.iter_mut().enumerate() {
        column.iter_mut().zip(&lines).for_each(|(value, line)| *value = line[whole + at]);
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transpose(tile: &Tile, to: &mut Tile) {
    transpose_each(tile, to);
}

/// Interleaves the rows with those half a tile below until each row is a column.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transpose(tile: &Tile, to: &mut Tile) {
    use core::arch::x86_64::{__m128i, _mm_setzero_si128, _mm_unpackhi_epi8, _mm_unpacklo_epi8};
    // SAFETY: every x86_64 has SSE2.
    let mut rows = [unsafe { _mm_setzero_si128() }; TILE];
    for (vector, row) in rows.iter_mut().zip(tile) {
        // SAFETY: any 16 bytes are a vector of bytes, of the same size.
        *vector = unsafe { core::mem::transmute::<[u8; TILE], __m128i>(*row) };
    }
    let mut other = rows;
    let interleave = |rows: &[__m128i; TILE], to: &mut [__m128i; TILE]| {
        for at in 0..TILE / 2 {
            let (a, b) = (rows[at], rows[at + TILE / 2]);
            // SAFETY: every x86_64 has SSE2.
            [to[2 * at], to[2 * at + 1]] = unsafe { [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)] };
        }
    };
    interleave(&rows, &mut other);
    interleave(&other, &mut rows);
    interleave(&rows, &mut other);
    interleave(&other, &mut rows);
    for (row, vector) in to.iter_mut().zip(&rows) {
        // SAFETY: a vector of bytes is 16 bytes.
        *row = unsafe { core::mem::transmute::<__m128i, [u8; TILE]>(*vector) };
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn transpose_each(tile: &Tile, to: &mut Tile) {
    for (column, to) in to.iter_mut().enumerate() {
        to.iter_mut().zip(tile).for_each(|(value, row)| *value = row[column]);
    }
}

#[cfg(test)]
mod tests;
