//! Resizing of maps.

use augraft_operator::{Filter, Interpolation, resampled};
use ndarray::{Array2, ArrayView2, Axis};

/// Resizes a map by cubic convolution to `[height, width]`.
///
/// Beyond the border the values of a map repeat, and shrinking does not smooth first: `INTER_CUBIC` of OpenCV and
/// `bicubic` of PyTorch without `align_corners` and `antialias`, up to rounding. The values may overshoot those of the
/// map. An empty map gives NaN. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).
pub fn resize_bicubic(map: ArrayView2<f32>, size: [usize; 2]) -> Array2<f32> {
    if map.is_empty() {
        return Array2::from_elem(size, f32::NAN);
    }
    let filter = Filter { interpolation: Interpolation::Bicubic, antialias: false };
    // In f64, because the values decide which pixels lie above a threshold.
    let map = map.mapv(f64::from).insert_axis(Axis(0));
    resampled(filter, map.view(), size).index_axis_move(Axis(0), 0).mapv(|value| value as f32)
}

/// Resizes a map to `[height, width]`, linear between the centers of pixels (`align_corners=False`).
pub(crate) fn resize_bilinear(map: ArrayView2<'_, f32>, size: [usize; 2]) -> Array2<f32> {
    let filter = Filter { interpolation: Interpolation::Bilinear, antialias: false };
    resampled(filter, map.insert_axis(Axis(0)), size).index_axis_move(Axis(0), 0)
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
    fn a_map_doubled_lies_between_its_pixels() {
        let map = array![[0.0f32, 4.0], [8.0, 12.0]];
        let doubled = resize_bilinear(map.view(), [4, 4]);
        assert_eq!(doubled.row(0).to_vec(), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(doubled.column(0).to_vec(), [0.0, 2.0, 6.0, 8.0]);
        assert_eq!(resize_bilinear(map.view(), [2, 2]), map);
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
