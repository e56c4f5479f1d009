//! Tensors at places as maps N,C,H,W, and back.

use augraft_engine::{Boundary, EngineError, put_tokens, token_map};
use augraft_onnx::Tensor;
use ndarray::{Array4, Axis, Ix2, Ix3, Ix4};

use super::Executor;
use crate::error::ExperimentError;
use crate::plan::PlaceFacts;

impl Executor<'_> {
    pub(crate) fn map(&self, boundary: &Boundary, place: usize) -> Result<Array4<f32>, ExperimentError> {
        to_map(boundary.value(&self.network).cloned(), &self.plan.places[place])
    }

    /// Puts a map in place of the value at a boundary.
    pub(crate) fn put(&self, boundary: Boundary, map: Array4<f32>, place: usize) -> Result<Boundary, ExperimentError> {
        let facts = &self.plan.places[place];
        let value = match (facts.tokens, facts.shape.len()) {
            (Some(tokens), _) => {
                let Some(Tensor::F32(rows)) = boundary.value(&self.network) else { return Err(unfit(facts)) };
                let mut rows = rows.clone().into_dimensionality::<Ix3>().map_err(|_| unfit(facts))?;
                put_tokens(&mut rows, &map, tokens);
                rows.into_dyn()
            }
            (None, 2) => map.index_axis_move(Axis(3), 0).index_axis_move(Axis(2), 0).into_dyn(),
            (None, _) => map.into_dyn(),
        };
        Ok(boundary.with_value(&self.network, Tensor::F32(value)))
    }
}

fn unfit(place: &PlaceFacts) -> ExperimentError {
    EngineError::Unfit(format!("`{}` is no feature map of f32 as it was planned", place.alias)).into()
}

pub(super) fn to_map(value: Option<Tensor>, place: &PlaceFacts) -> Result<Array4<f32>, ExperimentError> {
    let Some(Tensor::F32(value)) = value else { return Err(unfit(place)) };
    match (place.tokens, place.shape.len()) {
        (Some(tokens), _) => {
            let rows = value.into_dimensionality::<Ix3>().map_err(|_| unfit(place))?;
            token_map(&rows, tokens).ok_or_else(|| unfit(place))
        }
        (None, 2) => {
            let rows = value.into_dimensionality::<Ix2>().map_err(|_| unfit(place))?;
            Ok(rows.insert_axis(Axis(2)).insert_axis(Axis(3)))
        }
        (None, _) => value.into_dimensionality::<Ix4>().map_err(|_| unfit(place)),
    }
}
