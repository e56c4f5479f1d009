//! Tensors at places as maps N,C,H,W, and back.

use augraft_engine::Boundary;
use ndarray::Array4;

use super::Executor;
use crate::error::ExperimentError;

impl Executor<'_> {
    pub(crate) fn map(&self, boundary: &Boundary) -> Result<Array4<f32>, ExperimentError> {
        Ok(self.network.map(boundary)?)
    }

    /// Puts a map in place of the value at a boundary.
    pub(crate) fn put(&self, boundary: Boundary, map: Array4<f32>) -> Result<Boundary, ExperimentError> {
        Ok(self.network.with_map(boundary, map)?)
    }
}
