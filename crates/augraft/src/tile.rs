//! Pictures in the size in which they are shown.

use augraft_operator::{Filter, Interpolation, resampled};
use ndarray::{Array3, ArrayView3};

/// The picture (rows, columns, colors) as large as fits a square of `side` pixels, its aspect kept.
pub(crate) fn fitted(picture: ArrayView3<'_, u8>, side: usize) -> Array3<u8> {
    let (height, width, _) = picture.dim();
    let longest = height.max(width).max(1);
    // Pixels of a small picture are to be seen as they are.
    let interpolation = if longest < side { Interpolation::Nearest } else { Interpolation::Bilinear };
    let size = [height, width].map(|length| (length * side / longest).max(1));
    resized(picture, interpolation, size)
}

/// The picture (rows, columns, colors) in a size `[rows, columns]`, smoothed first where it shrinks.
pub(crate) fn resized(picture: ArrayView3<'_, u8>, interpolation: Interpolation, size: [usize; 2]) -> Array3<u8> {
    let filter = Filter { interpolation, antialias: true };
    resampled(filter, picture.permuted_axes([2, 0, 1]), size).permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
}
