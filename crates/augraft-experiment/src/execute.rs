//! An experiment that is bound to its model, and what it holds between chunks.

mod chunks;
mod pieces;
mod probes;
mod shots;
mod tensors;

use std::collections::BTreeMap;
use std::sync::Arc;

use augraft_data::Skipped;
use augraft_engine::{Boundary, CutModel, ModelForm, Runtime};
use augraft_onnx::Model;
use augraft_operator::Transfer;
use augraft_pipeline::{ImageLayout, MapLayout};
use ndarray::Array2;

use crate::error::ExperimentError;
use crate::plan::ExperimentPlan;

/// An experiment that is bound to its model.
pub struct Executor<'p> {
    pub(crate) plan: &'p ExperimentPlan,
    pub(crate) network: CutModel,
    /// The model as it is, until the first chunk has shown whether its parts give the same.
    whole: Option<(&'p dyn Runtime, &'p Model)>,
    holds: bool,
    /// First image of the next chunk; what lies before is not needed again.
    next: u64,
    pieces: BTreeMap<(usize, u64), Piece>,
    bounds: BTreeMap<(usize, u64), f64>,
    head: Option<Array2<f32>>,
    runs: u64,
    skipped: Vec<Skipped>,
}

impl<'p> Executor<'p> {
    /// Cuts the model at the places of the plan; with `holds`, what later chunks need again stays in memory.
    ///
    /// # Errors
    /// When the model cannot be cut there or the runtime refuses it.
    pub fn bind(
        plan: &'p ExperimentPlan,
        runtime: &'p dyn Runtime,
        model: &'p Model,
        holds: bool,
    ) -> Result<Self, ExperimentError> {
        let sites = plan.places[1..].iter().map(|place| (place.tensor.clone(), place.layout)).collect();
        let images = if plan.places[0].layout == MapLayout::Nhwc { ImageLayout::Nhwc } else { ImageLayout::Nchw };
        let form = ModelForm { images, answer: plan.answer, sites };
        let network = CutModel::bind(runtime, model, form.clone())?;
        if network.sites() != form.sites {
            return Err(ExperimentError::Unfit("the sites of the model have another order than planned".to_owned()));
        }
        let whole = (!form.sites.is_empty()).then_some((runtime, model));
        Ok(Self {
            plan,
            network,
            whole,
            holds,
            next: 0,
            pieces: BTreeMap::new(),
            bounds: BTreeMap::new(),
            head: None,
            runs: 0,
            skipped: Vec::new(),
        })
    }

    /// Samples that were run from some place to the end so far.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }
}

/// A batch of neighboring images of a walk, run together whoever asks for them, so that their bytes depend on nothing else.
struct Piece {
    /// Row in the batch; none for an image that could not be read.
    rows: Vec<Option<usize>>,
    boxes: Vec<Vec<[f64; 4]>>,
    transfer: Vec<Transfer>,
    /// By place, as far as they are held.
    boundaries: Vec<Option<Arc<Boundary>>>,
}
