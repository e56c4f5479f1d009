//! Small pictures for the report.

use augraft_operator::{Filter, Interpolation, resampled};
use ndarray::Array3;

/// Longest side of a picture in the report, in pixels.
const SIDE: usize = 128;

/// Red, green and blue bytes row by row, and height and width, of an image made small.
pub(crate) fn thumbnail(image: &Array3<u8>) -> (Vec<u8>, [usize; 2]) {
    let (height, width, _) = image.dim();
    let longest = height.max(width).max(1);
    if longest <= SIDE {
        return (image.iter().copied().collect(), [height, width]);
    }
    let size = [height, width].map(|side| (side * SIDE / longest).max(1));
    let filter = Filter { interpolation: Interpolation::Bilinear, antialias: true };
    let small = resampled(filter, image.view().permuted_axes([2, 0, 1]), size);
    (small.permuted_axes([1, 2, 0]).iter().copied().collect(), size)
}
