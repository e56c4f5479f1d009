//! Mean and standard deviation of groups of the elements of a sample, natively and in a graph.

use augraft_operator::{DataType, Lowered, Tensor, Value, parallel};
use ndarray::{Array4, ArrayView3, ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which elements of a sample have a mean and a deviation in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Those of all channels at one position (positional normalization).
    Pono,
    /// Those of one channel (instance normalization).
    Instance,
}

/// Mean and deviation of one group.
pub(crate) type Moments = [f64; 2];

/// The moments of every group of every sample; the deviation is `sqrt(variance + epsilon)` with the unbiased variance, 0 for a single element.
pub(crate) fn measure(images: &Array4<f32>, norm: Norm, epsilon: f64) -> Vec<Vec<Moments>> {
    let mut found = vec![Vec::new(); images.dim().0];
    let samples: Vec<ArrayView3<'_, f32>> = images.outer_iter().collect();
    parallel(found.iter_mut().collect(), &samples, |found: &mut Vec<Moments>, image| {
        *found = match norm {
            Norm::Pono => of_positions(*image, epsilon),
            Norm::Instance => of_planes(*image, epsilon),
        };
    });
    found
}

fn of_planes(image: ArrayView3<'_, f32>, epsilon: f64) -> Vec<Moments> {
    let moments = |plane: ndarray::ArrayView2<'_, f32>| {
        let [count, free] = inverses(plane.len());
        let mean = plane.iter().map(|value| f64::from(*value)).sum::<f64>() * count;
        let square = |value: &f32| (f64::from(*value) - mean) * (f64::from(*value) - mean);
        [mean, (plane.iter().map(square).sum::<f64>() * free + epsilon).sqrt()]
    };
    image.outer_iter().map(moments).collect()
}

fn of_positions(image: ArrayView3<'_, f32>, epsilon: f64) -> Vec<Moments> {
    let [count, free] = inverses(image.dim().0);
    let mut moments = vec![[0.0; 2]; image.dim().1 * image.dim().2];
    for plane in image.outer_iter() {
        moments.iter_mut().zip(plane).for_each(|([sum, _], value)| *sum += f64::from(*value));
    }
    for [mean, _] in &mut moments {
        *mean *= count;
    }
    for plane in image.outer_iter() {
        for ([mean, squares], value) in moments.iter_mut().zip(plane) {
            let distance = f64::from(*value) - *mean;
            *squares += distance * distance;
        }
    }
    for [_, deviation] in &mut moments {
        *deviation = (*deviation * free + epsilon).sqrt();
    }
    moments
}

/// One over the number of elements, and over one less.
fn inverses(count: usize) -> [f64; 2] {
    [1.0 / count.max(1) as f64, 1.0 / count.saturating_sub(1).max(1) as f64]
}

/// Gives the groups of a sample the moments `to` instead of `from`.
pub(crate) fn replace(image: &mut ArrayViewMut3<'_, f32>, norm: Norm, from: &[Moments], to: &[Moments]) {
    let line = |([mean, deviation], [new_mean, new_deviation]): (&Moments, &Moments)| {
        let scale = new_deviation / deviation;
        [scale, new_mean - mean * scale]
    };
    let lines: Vec<[f64; 2]> = from.iter().zip(to).map(line).collect();
    let moved = |value: f32, [scale, shift]: [f64; 2]| (f64::from(value) * scale + shift) as f32;
    for (channel, mut plane) in image.axis_iter_mut(Axis(0)).enumerate() {
        match norm {
            Norm::Instance => plane.mapv_inplace(|value| moved(value, lines[channel])),
            Norm::Pono => plane.iter_mut().zip(&lines).for_each(|(value, line)| *value = moved(*value, *line)),
        }
    }
}

/// Images in a graph as f64, with the mean and deviation of their groups, which broadcast over them.
pub(crate) struct LoweredMoments<'g> {
    images: Value<'g>,
    pub(crate) mean: Value<'g>,
    pub(crate) deviation: Value<'g>,
}

impl<'g> LoweredMoments<'g> {
    /// See [`measure`].
    pub(crate) fn of(batch: &Lowered<'g>, norm: Norm, epsilon: f64) -> Self {
        let graph = batch.images.graph();
        let number = |value: f64| graph.constant(Tensor::scalar(value));
        let images = batch.images.cast(DataType::F64);
        let sum = |values: Value<'g>| match norm {
            Norm::Pono => values.reduce_sum(1).unsqueeze(&[1]),
            Norm::Instance => values.reduce_sum(3).reduce_sum(2).unsqueeze(&[2, 3]),
        };
        let [height, width] = batch.sides;
        let count = match norm {
            Norm::Pono => Some(batch.shape.channels),
            Norm::Instance => (height * width).constant_int().map(|count| count as usize),
        };
        let [count, free] = count.map_or_else(
            || {
                let count = (height * width).cast(DataType::F64);
                let rest = count - number(1.0);
                let one = number(1.0);
                [one / count, one / rest.less(one).select(one, rest)]
            },
            |count| inverses(count).map(number),
        );
        let mean = sum(images) * count;
        let distance = images - mean;
        let deviation = (sum(distance * distance) * free + number(epsilon)).unary("Sqrt");
        Self { images, mean, deviation }
    }

    /// See [`replace`]; f32.
    pub(crate) fn replaced(&self, mean: Value<'g>, deviation: Value<'g>) -> Value<'g> {
        let scale = deviation / self.deviation;
        (self.images * scale + (mean - self.mean * scale)).cast(DataType::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_get_the_moments_that_they_are_given() {
        let value = |(n, c, y, x): (usize, usize, usize, usize)| ((n * 7 + c * 5 + y * 3 + x * 11) % 13) as f32 * 0.3;
        for norm in [Norm::Pono, Norm::Instance] {
            let mut images = Array4::from_shape_fn([2, 4, 3, 5], value);
            let before = measure(&images, norm, 0.0);
            let mut sample = images.index_axis_mut(Axis(0), 0);
            replace(&mut sample, norm, &before[0], &before[1]);
            let after = measure(&images, norm, 0.0);
            let close = |a: &Moments, b: &Moments| (0..2).all(|at| (a[at] - b[at]).abs() < 1e-6);
            assert!(after[0].iter().zip(&before[1]).all(|(a, b)| close(a, b)), "{norm:?}");
        }
    }

    #[test]
    fn a_single_element_has_no_spread() {
        assert_eq!(measure(&Array4::from_elem([1, 1, 1, 1], 3.0), Norm::Instance, 4.0), [[[3.0, 2.0]]]);
    }
}
