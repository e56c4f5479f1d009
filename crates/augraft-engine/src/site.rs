//! The steps at a site of a model, on the value of its tensor.

use augraft_operator::{Batch, Images, Labels};
use augraft_pipeline::{SitePlan, Step};
use ndarray::Array4;

use crate::error::EngineError;

/// What the steps at sites know of the batch whose images went into the model.
pub(crate) struct Entered<'b> {
    pub(crate) index: &'b [u64],
    /// Height and width of the images.
    pub(crate) image_size: [usize; 2],
}

impl<'b> Entered<'b> {
    pub(crate) fn of(batch: &'b Batch) -> Self {
        let [_, height, width] = batch.extent(0);
        Self { index: &batch.index, image_size: [height, width] }
    }

    /// The value of a site behind its steps, each of which `run` applies; labels are mixed on.
    pub(crate) fn at(
        &self,
        site: &SitePlan,
        map: Array4<f32>,
        labels: &mut Labels,
        run: &mut dyn FnMut(&Step, &mut Batch) -> Result<(), EngineError>,
    ) -> Result<Array4<f32>, EngineError> {
        // After a part of the model, rectangles of earlier pastes say nothing of where things are.
        labels.forget_places();
        let batch = Batch::new(Images::F32(map), labels.clone(), self.index.to_vec());
        let mut batch = Batch { transfer: Vec::new(), image_size: Some(self.image_size), ..batch };
        site.steps.iter().try_for_each(|step| run(step, &mut batch))?;
        *labels = batch.labels;
        match batch.images {
            Images::F32(map) => Ok(map),
            _ => Err(EngineError::Unfit(format!("the steps at `{}` do not leave f32", site.tensor))),
        }
    }
}
