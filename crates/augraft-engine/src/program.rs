//! A plan bound to its engines, run batch by batch.

use std::path::Path;

use augraft_onnx::{Model, Tensor};
use augraft_operator::{Batch, Images, Labels, Scratch};
use augraft_pipeline::{Plan, SitePlan, Step};
use ndarray::{Array2, Array4};

use crate::cut_model::{Boundary, CutModel, ModelForm};
use crate::error::EngineError;
use crate::load::load_model;
use crate::native::{StepDraws, run_steps};
use crate::open::open;
use crate::runtime::{Runtime, Use};
use crate::site::Entered;

/// A plan that is ready to run.
pub struct Program<'p> {
    plan: &'p Plan,
    network: Option<CutModel>,
    /// The model as it is, until the first batch has shown whether its parts give the same.
    whole: Option<(Box<dyn Runtime>, Model)>,
    scratch: Scratch,
    grafts: Vec<Graft>,
    drift: Option<f32>,
}

/// What came of one batch.
#[derive(Debug)]
pub struct Outcome {
    /// The batch after the input steps.
    pub batch: Batch,
    /// The batch without the steps that mix or erase, where it was asked for or a model needs it.
    pub clean: Option<Batch>,
    /// Draws of all steps, those at sites included.
    pub draws: Vec<StepDraws>,
    /// What the model says.
    pub predictions: Option<Predictions>,
}

/// Logits (N x K) of a model.
#[derive(Debug)]
pub struct Predictions {
    /// Of the images that nothing was mixed into.
    pub clean: Array2<f32>,
    /// After the input steps.
    pub input: Array2<f32>,
    /// After the input steps and the steps at sites, with the labels that those mixed; none without such steps.
    pub feature: Option<(Array2<f32>, Labels)>,
}

/// What a step at a site did over the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Graft {
    /// Id of the step.
    pub step: String,
    /// Tensor of the model.
    pub site: String,
    /// Samples that a draw should have changed.
    pub acting: usize,
    /// Elements that changed.
    pub changed: u64,
    /// Elements seen.
    pub elements: u64,
}

impl<'p> Program<'p> {
    /// Binds a plan; `library` is ONNX Runtime's file when the user named it.
    ///
    /// # Errors
    /// When the engine, the device or the model cannot be used.
    pub fn bind(plan: &'p Plan, library: Option<&Path>) -> Result<Self, EngineError> {
        let mut grafts = Vec::new();
        let (network, whole) = match &plan.model {
            None => (None, None),
            Some(model) => {
                let graft = |(site, step): (&SitePlan, &Step)| Graft {
                    step: step.id.clone(),
                    site: site.tensor.clone(),
                    acting: 0,
                    changed: 0,
                    elements: 0,
                };
                grafts.extend(model.placed_steps().map(graft));
                let runtime = open(model.engine, model.device, library)?;
                let file = load_model(&model.file, &model.ports)?;
                let network = CutModel::bind(&*runtime, &file, ModelForm::of(model))?;
                (Some(network), (!model.sites.is_empty()).then_some((runtime, file)))
            }
        };
        Ok(Self { plan, network, whole, scratch: Scratch::default(), grafts, drift: None })
    }

    /// Runs one batch; `keep_clean` also keeps it without what mixes or erases.
    ///
    /// # Errors
    /// When a step or an engine fails.
    pub fn run(&mut self, mut batch: Batch, keep_clean: bool) -> Result<Outcome, EngineError> {
        let mut clean = None;
        let keep = keep_clean || self.network.is_some();
        let mut draws =
            run_steps(&self.plan.steps, self.plan.epoch, &mut batch, keep.then_some(&mut clean), &mut self.scratch)?;
        let predictions = match (&self.network, &clean) {
            (Some(_), Some(clean)) if !batch.is_empty() => Some(self.predict(&batch, clean, &mut draws)?),
            _ => None,
        };
        Ok(Outcome { batch, clean, draws, predictions })
    }

    /// Takes the buffers of an outcome back for the next batch.
    pub fn recycle(&mut self, outcome: Outcome) {
        outcome.batch.images.recycle(&mut self.scratch);
        if let Some(clean) = outcome.clean {
            clean.images.recycle(&mut self.scratch);
        }
    }

    /// What the steps at sites did so far.
    #[must_use]
    pub fn grafts(&self) -> &[Graft] {
        &self.grafts
    }

    /// Largest difference of logits between the cut and the whole model without any step, over the first batch.
    #[must_use]
    pub fn drift(&self) -> Option<f32> {
        self.drift
    }

    /// Checks the whole run: a graft that was drawn to act must have changed something.
    ///
    /// # Errors
    /// Names the first step that changed nothing.
    pub fn finish(&self) -> Result<(), EngineError> {
        let idle = self.grafts.iter().find(|graft| graft.acting > 0 && graft.changed == 0);
        idle.map_or(Ok(()), |graft| {
            Err(EngineError::NoOp { step: graft.step.clone(), site: graft.site.clone(), acting: graft.acting })
        })
    }

    fn predict(
        &mut self,
        batch: &Batch,
        clean: &Batch,
        draws: &mut Vec<StepDraws>,
    ) -> Result<Predictions, EngineError> {
        let (Some(network), Some(model)) = (&self.network, &self.plan.model) else {
            return Err(EngineError::Unfit("the plan has no model".to_owned()));
        };
        let start = network.start(&batch.images)?;
        let input = network.finish(&start)?;
        let clean = network.finish(&network.start(&clean.images)?)?;
        if model.sites.is_empty() {
            return Ok(Predictions { clean, input, feature: None });
        }
        if let Some((runtime, whole)) = self.whole.take() {
            self.drift = Some(identity_cut_error(network, &*runtime, &whole, &start)?);
        }
        let mut labels = batch.labels.clone();
        let entered = Entered::of(batch);
        let at = network.through(start, &mut |name, map| {
            let site = model.site(name).ok_or_else(|| EngineError::Unfit(format!("no step is at `{name}`")))?;
            entered.at(site, map, &mut labels, &mut |step, batch| {
                let mut before = self.scratch.take_dense(floats(batch)?.dim().into());
                before.assign(floats(batch)?);
                let drawn = run_steps(std::slice::from_ref(step), self.plan.epoch, batch, None, &mut self.scratch)?;
                let after = floats(batch)?;
                if let Some(graft) = self.grafts.iter_mut().find(|graft| graft.step == step.id) {
                    let acting = drawn.iter().flat_map(|drawn| step.operator.acting(&drawn.draws, batch));
                    graft.acting += acting.filter(|acting| *acting).count();
                    graft.elements += after.len() as u64;
                    graft.changed += changed(&before, after);
                }
                self.scratch.give_dense(before);
                draws.extend(drawn.into_iter().map(|drawn| StepDraws { site: Some(site.tensor.clone()), ..drawn }));
                Ok(())
            })
        })?;
        let feature = Some((network.finish(&at)?, labels));
        Ok(Predictions { clean, input, feature })
    }
}

/// Largest difference of the answer between a model in parts and the whole, which is bound for that alone.
///
/// # Errors
/// When the runtime fails, or the answer is no tensor of floats.
pub fn identity_cut_error(
    parts: &CutModel,
    runtime: &dyn Runtime,
    whole: &Model,
    start: &Boundary,
) -> Result<f32, EngineError> {
    let mut at = start.clone();
    for place in 1..=parts.sites().len() {
        at = parts.advance(&at, place)?;
    }
    let cut = parts.outputs(&at)?.into_iter().next().map(|(_, tensor)| tensor);
    let images = parts.value(start).ok_or_else(|| EngineError::Unfit("there are no images".to_owned()))?;
    let outputs = runtime.session(whole, Use::CutNetwork)?.run(&[(parts.name(0), images)])?;
    let (Some(cut), Some(whole)) = (cut.as_ref().and_then(Tensor::to_f32), outputs.first().and_then(Tensor::to_f32))
    else {
        return Err(EngineError::Unfit("the model's output is no tensor of floats".to_owned()));
    };
    let differences = cut.iter().zip(&whole).filter(|(a, b)| a.to_bits() != b.to_bits()).map(|(a, b)| (a - b).abs());
    // A NaN counts as the largest difference.
    Ok(differences.max_by(f32::total_cmp).unwrap_or(0.0))
}

/// Elements whose bits differ; all of them when the shape does.
fn changed(before: &Array4<f32>, after: &Array4<f32>) -> u64 {
    if before.dim() != after.dim() {
        return after.len() as u64;
    }
    before.iter().zip(after).filter(|(a, b)| a.to_bits() != b.to_bits()).count() as u64
}

fn floats(batch: &Batch) -> Result<&Array4<f32>, EngineError> {
    match &batch.images {
        Images::F32(images) => Ok(images),
        _ => Err(EngineError::Unfit("the model needs f32 images; add `normalize` to the steps".to_owned())),
    }
}
