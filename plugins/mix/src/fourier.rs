//! Fourier transforms of planes.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection, FftPlannerScalar};

/// Transforms planes of one size, in one direction, without a factor.
pub(crate) struct Transform {
    rows: Arc<dyn Fft<f64>>,
    columns: Arc<dyn Fft<f64>>,
}

impl Transform {
    /// Plans for planes of `[height, width]`.
    pub(crate) fn new([height, width]: [usize; 2], direction: FftDirection) -> Self {
        // Not AVX, SSE or NEON, so that every machine gets the same masks.
        let mut planner = FftPlannerScalar::new();
        Self { rows: planner.plan_fft(width, direction), columns: planner.plan_fft(height, direction) }
    }

    /// The transform of a plane, row by row.
    pub(crate) fn of(&self, mut plane: Vec<Complex<f64>>) -> Vec<Complex<f64>> {
        let (width, height) = (self.rows.len(), self.columns.len());
        self.rows.process(&mut plane);
        let mut turned = transposed(&plane, width);
        self.columns.process(&mut turned);
        transposed(&turned, height)
    }
}

/// The columns of a plane whose rows are `width` long, one after the other.
fn transposed(plane: &[Complex<f64>], width: usize) -> Vec<Complex<f64>> {
    (0..width).flat_map(|column| plane.iter().skip(column).step_by(width).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_frequency_becomes_a_wave() {
        let mut plane = vec![Complex::new(0.0, 0.0); 4 * 6];
        plane[6 + 2] = Complex::new(1.0, 0.0);
        let wave = Transform::new([4, 6], FftDirection::Inverse).of(plane);
        for (at, value) in wave.iter().enumerate() {
            let (y, x) = ((at / 6) as f64, (at % 6) as f64);
            let phase = core::f64::consts::TAU * (y / 4.0 + 2.0 * x / 6.0);
            assert!((value - Complex::from_polar(1.0, phase)).norm() < 1e-12, "{at}");
        }
    }
}
