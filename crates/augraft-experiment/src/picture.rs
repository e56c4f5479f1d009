//! Small pictures for the report.

use ndarray::{Array3, s};

/// Longest side of a picture in the report, in pixels.
const SIDE: usize = 128;

/// Red, green and blue bytes row by row, and height and width, of an image made small by means over blocks.
pub(crate) fn thumbnail(image: &Array3<u8>) -> (Vec<u8>, [usize; 2]) {
    let (height, width, _) = image.dim();
    let longest = height.max(width).max(1);
    if longest <= SIDE {
        return (image.iter().copied().collect(), [height, width]);
    }
    let [rows, columns] = [height, width].map(|side| (side * SIDE / longest).max(1));
    let small = Array3::from_shape_fn([rows, columns, 3], |(y, x, channel)| {
        let span = |at: usize, to: usize, from: usize| at * from / to..((at + 1) * from / to).max(at * from / to + 1);
        let block = image.slice(s![span(y, rows, height), span(x, columns, width), channel]);
        (block.iter().map(|value| f64::from(*value)).sum::<f64>() / block.len() as f64).round() as u8
    });
    (small.into_iter().collect(), [rows, columns])
}
