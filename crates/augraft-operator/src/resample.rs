//! Resampling: nearest pixel, bilinear and bicubic, as Pillow where antialiased, as PyTorch where not.

use ndarray::{Array3, ArrayView3, ArrayViewMut3};

use crate::kernels;
use crate::resample_floats::{resample_columns, resample_rows};
use crate::taps::{Filter, Interpolation, Lines, Stretch, Taps};

/// An element of what is resampled, and how its lines are: a byte, or a float of either precision.
pub trait Resampled: Copy + Default {
    /// A weight as it is multiplied.
    type Weight: Copy;
    /// The weight as it is multiplied.
    fn weight(weight: f64) -> Self::Weight;
    /// Narrows lines; `to` has a plane for each channel.
    fn resample_rows(across: &Taps<Self::Weight>, lines: Lines<'_, Self>, to: &mut [Self]);
    /// Averages the lines of a plane, of which those before `skipped` are left out.
    fn resample_columns(down: &Taps<Self::Weight>, skipped: usize, lines: &[Self], to: &mut [Self]);
    /// The pixels of an image whose three channels are side by side, as decoders leave bytes.
    fn decoded<'a>(_: &ArrayView3<'a, Self>) -> Option<&'a [Self]> {
        None
    }
}

impl Resampled for u8 {
    type Weight = i32;
    fn weight(weight: f64) -> i32 {
        (weight * f64::from(1 << kernels::PRECISION) + 0.5f64.copysign(weight)) as i32
    }
    fn resample_rows(across: &Taps<i32>, lines: Lines<'_, u8>, to: &mut [u8]) {
        kernels::resample_rows(across, lines, to);
    }
    fn resample_columns(down: &Taps<i32>, skipped: usize, lines: &[u8], to: &mut [u8]) {
        kernels::resample_columns(down, skipped, lines, to);
    }
    fn decoded<'a>(image: &ArrayView3<'a, u8>) -> Option<&'a [u8]> {
        let pixels = image.permuted_axes([1, 2, 0]);
        if image.dim().0 == 3 { pixels.to_slice() } else { None }
    }
}

impl Resampled for f32 {
    type Weight = f32;
    fn weight(weight: f64) -> f32 {
        weight as f32
    }
    fn resample_rows(across: &Taps<f32>, lines: Lines<'_, f32>, to: &mut [f32]) {
        resample_rows(across, lines, to);
    }
    fn resample_columns(down: &Taps<f32>, skipped: usize, lines: &[f32], to: &mut [f32]) {
        resample_columns(down, skipped, lines, to);
    }
}

impl Resampled for f64 {
    type Weight = f64;
    fn weight(weight: f64) -> f64 {
        weight
    }
    fn resample_rows(across: &Taps<f64>, lines: Lines<'_, f64>, to: &mut [f64]) {
        resample_rows(across, lines, to);
    }
    fn resample_columns(down: &Taps<f64>, skipped: usize, lines: &[f64], to: &mut [f64]) {
        resample_columns(down, skipped, lines, to);
    }
}

/// An image or map (channels, rows, columns) in another size `[rows, columns]`, in pixels, as the operator `resize` gives it.
///
/// Centers of pixels are at half integers (`align_corners=False`).
/// Bytes are rounded after the columns and after the rows, as Pillow does; floats are summed in their own precision.
/// Without a pixel there is nothing to resample, and the result is zero.
#[must_use]
pub fn resampled<T: Resampled>(filter: Filter, from: ArrayView3<'_, T>, [rows, columns]: [usize; 2]) -> Array3<T> {
    let (channels, height, width) = from.dim();
    let mut to = Array3::from_elem([channels, rows, columns], T::default());
    if !from.is_empty() && !to.is_empty() {
        let stretch = |length, out| Stretch { start: 0, length, out };
        resample(filter, stretch(height, rows), stretch(width, columns), from, to.view_mut(), &mut Vec::new());
    }
    to
}

/// Resamples `from` (channels, rows, columns) to the size of `to`: columns first, then rows, bytes rounded after each as Pillow does.
///
/// `between` is a buffer of any content for the rows between the two passes.
pub(crate) fn resample<T: Resampled>(
    filter: Filter,
    rows: Stretch,
    columns: Stretch,
    from: ArrayView3<'_, T>,
    mut to: ArrayViewMut3<'_, T>,
    between: &mut Vec<T>,
) {
    if filter.interpolation == Interpolation::Nearest {
        return take_nearest(&rows.nearest(), &columns.nearest(), from, to);
    }
    let (down, across) = (rows.taps(filter, T::weight), columns.taps(filter, T::weight));
    let skipped = down.first[0];
    let count = down.first[rows.out - 1] + down.count - skipped;
    let (channels, height, side) = from.dim();
    let copy: Vec<T>;
    let (pixels, interleaved) = match (from.to_slice(), T::decoded(&from)) {
        (Some(pixels), _) => (pixels, 1),
        (None, Some(pixels)) => (pixels, channels),
        (None, None) => {
            copy = from.iter().copied().collect();
            (&copy[..], 1)
        }
    };
    between.resize(interleaved * count * columns.out, T::default());
    let to = to.as_slice_mut().expect("what is filled is a new batch");
    let planes = to.chunks_exact_mut(interleaved * rows.out * columns.out);
    for (pixels, to) in pixels.chunks_exact(interleaved * height * side).zip(planes) {
        let first = (rows.start + skipped) * side + columns.start;
        let lines = Lines {
            pixels: &pixels[first * interleaved..],
            pitch: side * interleaved,
            length: columns.length,
            count,
            channels: interleaved,
        };
        T::resample_rows(&across, lines, between);
        let planes = to.chunks_exact_mut(rows.out * columns.out);
        for (lines, to) in between.chunks_exact(count * columns.out).zip(planes) {
            T::resample_columns(&down, skipped, lines, to);
        }
    }
}

fn take_nearest<T: Resampled>(
    rows: &[usize],
    columns: &[usize],
    from: ArrayView3<'_, T>,
    mut to: ArrayViewMut3<'_, T>,
) {
    for (from, mut to) in from.outer_iter().zip(to.outer_iter_mut()) {
        for (y, mut line) in rows.iter().zip(to.outer_iter_mut()) {
            let row = from.row(*y);
            line.iter_mut().zip(columns).for_each(|(value, x)| *value = row[*x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILINEAR: Filter = Filter { interpolation: Interpolation::Bilinear, antialias: true };

    fn shrunk<T: Resampled>(filter: Filter, from: &Array3<T>, size: [usize; 2]) -> Array3<T> {
        resampled(filter, from.view(), size)
    }

    #[test]
    fn same_size_is_the_identity_and_a_constant_stays() {
        let image = Array3::from_shape_fn([2, 5, 7], |(c, y, x)| (c * 100 + y * 7 + x) as u8);
        assert_eq!(shrunk(BILINEAR, &image, [5, 7]), image);
        assert!(shrunk(BILINEAR, &Array3::from_elem([1, 9, 4], 77), [3, 11]).iter().all(|value| *value == 77));
    }

    #[test]
    fn decoded_images_are_resampled_as_their_planes_are() {
        let decoded = Array3::from_shape_fn([45, 60, 3], |(y, x, c)| (y * 89 + x * 57 + c * 31 + x * y) as u8);
        let (across, planes) = (decoded.view().permuted_axes([2, 0, 1]), decoded.view().permuted_axes([2, 0, 1]));
        let planes = planes.as_standard_layout().into_owned();
        assert!(u8::decoded(&across).is_some() && u8::decoded(&planes.view()).is_none());
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            let filter = Filter { interpolation, antialias: true };
            let stretches = [Stretch { start: 3, length: 41, out: 20 }, Stretch { start: 7, length: 35, out: 33 }];
            let shown = |from: ArrayView3<'_, u8>| {
                let mut to = Array3::zeros([3, 20, 33]);
                resample(filter, stretches[0], stretches[1], from, to.view_mut(), &mut Vec::new());
                to
            };
            assert_eq!(shown(across), shown(planes.view()));
        }
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

    #[test]
    fn nothing_of_a_size_is_nothing_and_nothing_enlarged_is_zero() {
        assert!(shrunk(BILINEAR, &Array3::from_elem([3, 4, 4], 7u8), [0, 2]).is_empty());
        assert_eq!(shrunk(BILINEAR, &Array3::<f64>::zeros([1, 0, 4]), [1, 2]), Array3::<f64>::zeros([1, 1, 2]));
    }
}
