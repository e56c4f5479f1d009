//! Saliency without a model: the spectral residual of Hou and Zhang.

use rustfft::FftDirection;
use rustfft::num_complex::Complex;

use crate::fourier::Transform;

/// Largest side of the reduced image.
const SIDE: usize = 64;
/// Amplitudes below this share of the largest are rounding errors, whose phase says nothing.
const FLOOR: f64 = 1e-9;
/// Standard deviation and reach, in pixels of the reduced image, of the smoothing of the saliency.
const SMOOTH: (f64, usize) = (2.5, 5);

/// Finds salient places of images of one size.
pub(crate) struct Saliency {
    size: [usize; 2],
    /// Side of the blocks that become one pixel.
    block: usize,
    reduced: [usize; 2],
    forward: Transform,
    inverse: Transform,
    taps: Vec<f64>,
}

impl Saliency {
    pub(crate) fn new(size: [usize; 2]) -> Self {
        let block = size[0].max(size[1]).div_ceil(SIDE).max(1);
        let reduced = size.map(|side| side.div_ceil(block).max(1));
        let (sigma, reach) = SMOOTH;
        let tap = |at: usize| {
            let distance = at.abs_diff(reach) as f64 / sigma;
            libm::exp(-0.5 * distance * distance)
        };
        Self {
            size,
            block,
            reduced,
            forward: Transform::new(reduced, FftDirection::Forward),
            inverse: Transform::new(reduced, FftDirection::Inverse),
            taps: (0..=2 * reach).map(tap).collect(),
        }
    }

    /// Row and column of the most salient pixel of a gray image; the first of several.
    pub(crate) fn peak(&self, gray: &[f64]) -> [usize; 2] {
        let map = self.map(&self.reduce(gray));
        let mut best = 0;
        for (at, value) in map.iter().enumerate() {
            if *value > map[best] {
                best = at;
            }
        }
        let [rows, columns] = [best / self.reduced[1], best % self.reduced[1]];
        let middle = |at: usize, side: usize| (at * self.block + self.block / 2).min(side - 1);
        [middle(rows, self.size[0]), middle(columns, self.size[1])]
    }

    /// Means of square blocks, smaller ones at the right and bottom.
    fn reduce(&self, gray: &[f64]) -> Vec<f64> {
        let [height, width] = self.size;
        let [rows, columns] = self.reduced;
        let mut means = Vec::with_capacity(rows * columns);
        for (top, left) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let span = |at: usize, side: usize| at * self.block..((at + 1) * self.block).min(side);
            let (rows, columns) = (span(top, height), span(left, width));
            let sum: f64 = rows.clone().map(|y| gray[y * width..][columns.clone()].iter().sum::<f64>()).sum();
            means.push(sum / (rows.len() * columns.len()) as f64);
        }
        means
    }

    /// The saliency of a reduced image: what its log spectrum has beyond its own local mean, back in space, squared and smoothed.
    fn map(&self, gray: &[f64]) -> Vec<f64> {
        let spectrum = self.forward.of(gray.iter().map(|value| Complex::new(*value, 0.0)).collect());
        let amplitude: Vec<f64> = spectrum.iter().map(|value| libm::sqrt(value.norm_sqr())).collect();
        let floor = (amplitude.iter().copied().fold(0.0, f64::max) * FLOOR).max(f64::MIN_POSITIVE);
        let logs: Vec<f64> = amplitude.iter().map(|value| libm::log(value.max(floor))).collect();
        let means = self.local_means(&logs);
        let residual = spectrum.iter().zip(&amplitude).zip(logs.iter().zip(&means));
        let residual = residual.map(|((value, amplitude), (log, mean))| {
            let phase = if *amplitude > floor { value / amplitude } else { Complex::new(1.0, 0.0) };
            phase * libm::exp(log - mean)
        });
        let back = self.inverse.of(residual.collect());
        self.smoothed(&back.iter().map(Complex::norm_sqr).collect::<Vec<_>>())
    }

    /// Means over 3 x 3 places; places beyond the border are the nearest ones.
    fn local_means(&self, values: &[f64]) -> Vec<f64> {
        let [rows, columns] = self.reduced;
        let near = |at: usize, side: usize| [at.saturating_sub(1), at, (at + 1).min(side - 1)];
        let mean = |at: usize| {
            let (y, x) = (at / columns, at % columns);
            let row = |y: usize| near(x, columns).iter().map(|x| values[y * columns + x]).sum::<f64>();
            near(y, rows).into_iter().map(row).sum::<f64>() / 9.0
        };
        (0..rows * columns).map(mean).collect()
    }

    /// Smoothed along the rows, then the columns; there is nothing beyond the border.
    fn smoothed(&self, values: &[f64]) -> Vec<f64> {
        let [rows, columns] = self.reduced;
        let pass = |values: &[f64], side: usize, step: usize| -> Vec<f64> {
            let weighted = |at: usize| {
                let place = at / step % side;
                let tap = |(tap, weight): (usize, &f64)| {
                    let other = (place + tap).checked_sub(SMOOTH.1).filter(|other| *other < side)?;
                    Some(values[at - place * step + other * step] * weight)
                };
                self.taps.iter().enumerate().filter_map(tap).sum()
            };
            (0..values.len()).map(weighted).collect()
        };
        pass(&pass(values, columns, 1), rows, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_on_a_pattern_is_salient() {
        for (size, spot) in [([60, 80], [20, 60]), ([200, 130], [150, 40]), ([33, 33], [25, 8])] {
            let value = |at: usize| {
                let (y, x) = (at / size[1], at % size[1]);
                let near = y.abs_diff(spot[0]) < 3 && x.abs_diff(spot[1]) < 3;
                if near { 200.0 } else { 50.0 + 10.0 * ((x % 8) as f64 + (y % 8) as f64) / 8.0 }
            };
            let gray: Vec<f64> = (0..size[0] * size[1]).map(value).collect();
            let peak = Saliency::new(size).peak(&gray);
            assert!(peak[0].abs_diff(spot[0]) < 8 && peak[1].abs_diff(spot[1]) < 8, "{size:?}: {peak:?}");
        }
    }

    #[test]
    fn a_flat_image_and_a_single_pixel_have_a_peak() {
        assert!(Saliency::new([90, 70]).peak(&vec![7.0; 6300]).iter().all(|at| *at < 90));
        assert_eq!(Saliency::new([1, 1]).peak(&[0.0]), [0, 0]);
    }
}
