//! Images of the first units, as they enter the model, for the report.

use augraft_engine::Boundary;
use augraft_operator::Transfer;
use ndarray::{Array3, Axis};

use super::Executor;
use super::pieces::Group;
use crate::error::ExperimentError;
use crate::spec::ChartFields;
use crate::table::{Chunk, Shot};

impl Executor<'_> {
    pub(super) fn shoot(
        &self,
        group: &Group,
        setting: usize,
        start: &Boundary,
        chunk: &mut Chunk,
    ) -> Result<(), ExperimentError> {
        if group.set == 0 {
            self.shoot_rows(group, setting, &(0..group.units.len()).collect::<Vec<_>>(), start, chunk)?;
        }
        Ok(())
    }

    /// Keeps the images of the first units for the report; `own` has one row for each of `numbers`.
    pub(super) fn shoot_rows(
        &self,
        group: &Group,
        setting: usize,
        numbers: &[usize],
        own: &Boundary,
        chunk: &mut Chunk,
    ) -> Result<(), ExperimentError> {
        let wanted = self.plan.charts.iter().filter_map(|chart| match chart {
            ChartFields::Strip(strip) => Some(strip.units as u64),
            _ => None,
        });
        let Some(wanted) = wanted.max() else { return Ok(()) };
        let shown: Vec<usize> = (0..numbers.len()).filter(|row| group.units[numbers[*row]].number < wanted).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let images = self.map(own)?;
        let transfer = self.transfer(group.set);
        for row in shown {
            let image = images.index_axis(Axis(0), row);
            let (channels, height, width) = image.dim();
            let pixel = |(y, x, channel): (usize, usize, usize)| {
                let channel = channel.min(channels - 1);
                transfer.get(channel).copied().unwrap_or(Transfer::IDENTITY).pixel(image[[channel, y, x]])
            };
            let pixels = Array3::from_shape_fn([height, width, 3], pixel);
            let (pixels, size) = crate::picture::thumbnail(&pixels);
            chunk.shots.push(Shot {
                unit: group.units[numbers[row]].number as i64,
                setting: setting as i64,
                size,
                pixels,
            });
        }
        Ok(())
    }
}
