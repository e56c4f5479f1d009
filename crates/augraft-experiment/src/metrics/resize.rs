//! Bicubic resizing of maps.

use ndarray::{Array2, ArrayView2};

/// The free parameter of the cubic kernel, the one of OpenCV and PyTorch.
const A: f64 = -0.75;

/// Resizes a map by cubic convolution to `[height, width]`.
///
/// Centers of elements are at half integers, beyond the border its values repeat, and shrinking does not smooth first:
/// `INTER_CUBIC` of OpenCV and `bicubic` of PyTorch without `align_corners` and `antialias`, up to rounding. The
/// values may overshoot those of the map. An empty map gives NaN. Keys, "Cubic Convolution Interpolation for Digital Image
/// Processing" (1981).
pub fn resize_bicubic(map: ArrayView2<f32>, [height, width]: [usize; 2]) -> Array2<f32> {
    let (rows, columns) = map.dim();
    if map.is_empty() {
        return Array2::from_elem((height, width), f32::NAN);
    }
    let down = taps(rows, height);
    let across = taps(columns, width);
    let wide = Array2::from_shape_fn((rows, width), |(row, column)| {
        across[column].iter().map(|&(at, weight)| f64::from(map[[row, at]]) * weight).sum::<f64>()
    });
    Array2::from_shape_fn((height, width), |(row, column)| {
        down[row].iter().map(|&(at, weight)| wide[[at, column]] * weight).sum::<f64>() as f32
    })
}

/// For each of `to` places the four elements of `from` that it takes from, and their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f64); 4]> {
    let scale = from as f64 / to as f64;
    let tap = |place| {
        let center = (place as f64 + 0.5) * scale - 0.5;
        let base = libm::floor(center);
        let [near, far] = [center - base, 1.0 - (center - base)];
        let weights = [outer(1.0 + near), inner(near), inner(far), outer(1.0 + far)];
        [0, 1, 2, 3].map(|k| {
            let at = (base + k as f64 - 1.0).clamp(0.0, (from - 1) as f64);
            (at as usize, weights[k])
        })
    };
    (0..to).map(tap).collect()
}

/// The kernel at distances from 0 to 1.
fn inner(x: f64) -> f64 {
    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
}

/// The kernel at distances from 1 to 2.
fn outer(x: f64) -> f64 {
    ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn same_size_changes_nothing() {
        let map = array![[0.25, 1.0, -3.0], [0.0, 7.5, 2.0]];
        assert_eq!(resize_bicubic(map.view(), [2, 3]), map);
    }

    #[test]
    fn constant_stays_constant() {
        let resized = resize_bicubic(array![[2.0]].view(), [5, 4]);
        assert!(resized.iter().all(|value| (value - 2.0).abs() < 1e-6));
    }

    #[test]
    fn empty_sizes_do_not_fail() {
        assert!(resize_bicubic(Array2::zeros((0, 3)).view(), [1, 1])[[0, 0]].is_nan());
        assert!(resize_bicubic(array![[1.0]].view(), [0, 3]).is_empty());
    }
}
