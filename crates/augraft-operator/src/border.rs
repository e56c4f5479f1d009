//! What lies outside of an image.

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::Fill;
use crate::pixel::Sampled;

/// What is shown outside of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaddingMode {
    /// The value of `fill`.
    #[default]
    Constant,
    /// The image mirrored at its outermost pixels, which are not repeated, as often as needed.
    Reflect,
    /// The outermost pixel.
    Edge,
    /// The image mirrored at its edges: the outermost pixels are repeated, as often as needed.
    Symmetric,
}

impl PaddingMode {
    /// The pixel of a side of `side` that is shown at place `at`; none where `fill` is.
    pub(crate) fn pixel(self, at: i64, side: usize) -> Option<usize> {
        let side = side as i64;
        if (0..side).contains(&at) {
            return Some(at as usize);
        }
        let pixel = match self {
            PaddingMode::Constant => return None,
            PaddingMode::Edge => at.clamp(0, side - 1),
            PaddingMode::Reflect => {
                let period = (2 * side - 2).max(1);
                let within = at.rem_euclid(period);
                within.min(period - within)
            }
            PaddingMode::Symmetric => {
                let within = at.rem_euclid(2 * side);
                within.min(2 * side - 1 - within)
            }
        };
        Some(pixel as usize)
    }
}

/// Copies the window of `to`'s size at `[top, left]` of `from` (both channels, rows, columns); `fill` gives what is shown outside, per channel.
pub(crate) fn copy_window<T: Sampled>(
    [top, left]: [i64; 2],
    from: ArrayView3<'_, T>,
    mut to: ArrayViewMut3<'_, T>,
    mode: PaddingMode,
    fill: &Fill,
) {
    let ((channels, height, width), (_, rows, columns)) = (to.dim(), from.dim());
    let inside = span(left, width, columns);
    let first = (inside.start as i64 - left).clamp(0, width as i64) as usize;
    let past = first + inside.len();
    let outside: Vec<_> = (0..first).chain(past..width).map(|at| (at, mode.pixel(left + at as i64, columns))).collect();
    if let (Some(pixels), Some(target)) = (T::decoded(&from), to.as_slice_mut()) {
        let (red, rest) = target.split_at_mut(height * width);
        let (green, blue) = rest.split_at_mut(height * width);
        let lines = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width)).zip(blue.chunks_exact_mut(width));
        for (y, ((red, green), blue)) in lines.enumerate() {
            let mut line = [red, green, blue];
            let row = mode.pixel(top + y as i64, rows);
            if let Some(row) = row {
                let within = 3 * (row * columns + inside.start)..3 * (row * columns + inside.end);
                T::split(&pixels[within], line.each_mut().map(|line| &mut line[first..past]));
            }
            for (channel, line) in line.iter_mut().enumerate() {
                let fill = T::of(fill.at(channel));
                let Some(row) = row else {
                    line.fill(fill);
                    continue;
                };
                for (at, pixel) in &outside {
                    line[*at] = pixel.map_or(fill, |pixel| pixels[3 * (row * columns + pixel) + channel]);
                }
            }
        }
        return;
    }
    for channel in 0..channels {
        let fill = T::of(fill.at(channel));
        let source = from.index_axis(Axis(0), channel);
        let mut target = to.index_axis_mut(Axis(0), channel);
        if let (Some(source), Some(target)) = (source.to_slice(), target.as_slice_mut()) {
            for (y, line) in target.chunks_exact_mut(width).enumerate() {
                let Some(row) = mode.pixel(top + y as i64, rows) else {
                    line.fill(fill);
                    continue;
                };
                let source = &source[row * columns..][..columns];
                line[first..past].copy_from_slice(&source[inside.clone()]);
                for (at, pixel) in &outside {
                    line[*at] = pixel.map_or(fill, |pixel| source[pixel]);
                }
            }
            continue;
        }
        for (y, mut line) in target.outer_iter_mut().enumerate() {
            let Some(row) = mode.pixel(top + y as i64, rows) else {
                line.fill(fill);
                continue;
            };
            let source = source.row(row);
            (first..past).zip(inside.clone()).for_each(|(at, pixel)| line[at] = source[pixel]);
            for (at, pixel) in &outside {
                line[*at] = pixel.map_or(fill, |pixel| source[pixel]);
            }
        }
    }
}

/// The pixels of a side of `side` that a window of `window` from `start` on shows.
fn span(start: i64, window: usize, side: usize) -> Range<usize> {
    let limited = |at: i64| at.clamp(0, side as i64) as usize;
    limited(start)..limited(start + window as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn decoded_images_show_what_their_planes_do() {
        let decoded = Array3::from_shape_fn([7, 9, 3], |(y, x, c)| (y * 89 + x * 57 + c * 31) as u8);
        let decoded = decoded.view().permuted_axes([2, 0, 1]);
        let planes = decoded.as_standard_layout().into_owned();
        let modes = [PaddingMode::Constant, PaddingMode::Reflect, PaddingMode::Edge, PaddingMode::Symmetric];
        for (mode, corner) in
            modes.into_iter().flat_map(|mode| [[-2, -3], [3, 4], [1, 1], [-9, 2]].map(|at| (mode, at)))
        {
            let shown = |from: ArrayView3<'_, u8>| {
                let mut to = Array3::zeros([3, 6, 8]);
                copy_window(corner, from, to.view_mut(), mode, &Fill::default());
                to
            };
            assert_eq!(shown(decoded), shown(planes.view()), "{mode:?} {corner:?}");
        }
    }

    #[test]
    fn places_outside_show_what_numpy_pads_with() {
        // np.pad(np.arange(3), (7, 4), mode), NumPy 2.4.6.
        let cases: [(PaddingMode, [usize; 14]); 3] = [
            (PaddingMode::Reflect, [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]),
            (PaddingMode::Edge, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]),
            (PaddingMode::Symmetric, [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]),
        ];
        for (mode, expected) in cases {
            let shown: Vec<_> = (-7..7).filter_map(|at| mode.pixel(at, 3)).collect();
            assert_eq!(shown, expected, "{mode:?}");
            assert_eq!(mode.pixel(-5, 1), Some(0));
        }
        assert_eq!(PaddingMode::Constant.pixel(3, 3), None);
    }
}
