//! What a run needs to know of the model and the data beforehand: bounds, drift, the linear head.

use std::collections::BTreeMap;

use augraft_engine::{Boundary, identity_cut_error};
use ndarray::{Array2, Array4, Axis, s};

use super::Executor;
use crate::acts::Act;
use crate::error::ExperimentError;

impl Executor<'_> {
    /// Computes the bounds that are quantiles of the data; must run before the first chunk.
    ///
    /// # Errors
    /// When the values are too many to be sorted, or the engine fails.
    pub fn fit(&mut self) -> Result<(), ExperimentError> {
        let mut wanted: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for setting in &self.plan.settings {
            let Some(place) = setting.place else { continue };
            wanted.entry(place).or_default().extend(setting.acts.iter().filter_map(Act::data_quantile));
        }
        wanted.retain(|_, quantiles| !quantiles.is_empty());
        let images = self.plan.sets[0].order.len();
        for (place, quantiles) in wanted {
            let [channels, height, width] = self.plan.places[place].map;
            let count = images.saturating_mul(channels * height * width);
            if count > MOST_VALUES {
                return Err(ExperimentError::Unfit(format!(
                    "the quantile of `{}` is over {count} values, more than {MOST_VALUES}; use a site with fewer, `data.limit`, or `max`",
                    self.plan.places[place].alias
                )));
            }
            let mut values = Vec::with_capacity(count);
            for first in (0..images as u64).step_by(self.plan.batch) {
                self.load(0, first)?;
                let boundary = self.boundary(0, first, place)?;
                values.extend(self.values(&boundary)?);
                self.pieces.clear();
            }
            values.sort_unstable_by(f32::total_cmp);
            for quantile in quantiles {
                self.bounds.insert((place, quantile.to_bits()), interpolated(&values, quantile));
            }
        }
        Ok(())
    }

    /// Largest difference of a logit between the parts and the whole, on the first images.
    pub(super) fn drift(&mut self, start: u64) -> Result<Option<f32>, ExperimentError> {
        let Some((runtime, model)) = self.whole else { return Ok(None) };
        let images = self.pieces.get(&(0, start)).and_then(|piece| piece.boundaries[0].clone());
        let Some(images) = images.filter(|images| images.samples() > 0) else { return Ok(None) };
        self.whole = None;
        Ok(Some(identity_cut_error(&self.network, runtime, model, &images)?))
    }

    /// What the model's linear head gives for each channel of its pooled map alone: classes x channels.
    pub(crate) fn head(&mut self, place: usize, sample: &Boundary) -> Result<Array2<f32>, ExperimentError> {
        if let Some(head) = &self.head {
            return Ok(head.clone());
        }
        let [channels, height, width] = self.plan.places[place].map;
        let probes: Vec<usize> = (0..=channels).collect();
        let mut logits = Vec::new();
        for batch in probes.chunks(self.plan.batch.max(16)) {
            let mut maps = Array4::<f32>::zeros([batch.len(), channels, height, width]);
            for (row, channel) in batch.iter().enumerate().filter(|(_, channel)| **channel < channels) {
                maps.slice_mut(s![row, *channel, .., ..]).fill(1.0);
            }
            let start = self.put(sample.at_rows(&vec![0; batch.len()]), maps)?;
            logits.push(self.network.finish(&start)?);
        }
        let views: Vec<_> = logits.iter().map(|part| part.view()).collect();
        let logits =
            ndarray::concatenate(Axis(0), &views).map_err(|error| ExperimentError::Unfit(error.to_string()))?;
        let bias = logits.row(channels).to_owned();
        let alone = logits.slice(s![..channels, ..]).to_owned() - &bias;
        let head = alone.reversed_axes();
        self.head = Some(head.clone());
        Ok(head)
    }

    pub(super) fn values(&self, boundary: &Boundary) -> Result<Vec<f32>, ExperimentError> {
        Ok(self.map(boundary)?.into_raw_vec_and_offset().0)
    }
}

/// Values beyond which a quantile is not worth sorting them.
const MOST_VALUES: usize = 1 << 28;

/// The quantile of sorted values, linear between neighbors, as `numpy.quantile`.
fn interpolated(sorted: &[f32], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::INFINITY };
    let at = quantile * last as f64;
    let (low, high) = (at.floor() as usize, (at.ceil() as usize).min(last));
    let (low_value, high_value) = (f64::from(sorted[low]), f64::from(sorted[high]));
    low_value + (high_value - low_value) * (at - low as f64)
}
