//! An exported or grafted file against the native steps, on one backend.

mod allowance;
mod facts;
mod finding;

use std::collections::BTreeMap;

use augraft_onnx::{Model, Tensor, with_outputs};
use augraft_operator::{Batch, Draws, Images, Labels, ObjectRules, Scratch};
use augraft_pipeline::{ModelPlan, Plan, Step};

use self::allowance::{blended_error, magnitude, own_error, rounding};
pub use self::facts::FileFacts;
pub use self::finding::{Finding, Subject};
use crate::compare::{images_tensor, largest_difference};
use crate::cut_model::{CutModel, ModelForm, matrix};
use crate::emit::DrawSource;
use crate::error::EngineError;
use crate::export::exported_steps;
use crate::native::run_steps;
use crate::objects::{ObjectArrays, as_given, object_difference};
use crate::runtime::{Runtime, Session, Use};
use crate::site::Entered;

/// Largest difference of the edges of boxes, relative to the longer side of the images.
const OBJECT_ROUNDING: f32 = 1e-5;

/// A file that is ready to be compared with the plan that it was written from.
pub struct Verifier<'p> {
    plan: &'p Plan,
    file: Model,
    facts: FileFacts,
    session: Box<dyn Session>,
    network: Option<CutModel>,
    /// Whether engines add in one order, so that exact steps give exact logits.
    is_raw: bool,
    scratch: Scratch,
    findings: Vec<Finding>,
}

impl<'p> Verifier<'p> {
    /// Prepares `file` with everything that it draws and leaves between steps as outputs; `model` is what a graft was made of.
    ///
    /// # Errors
    /// When the file is not one of this plan, or the runtime cannot run it.
    pub fn bind(
        plan: &'p Plan,
        file: &Model,
        model: Option<&Model>,
        runtime: &dyn Runtime,
        purpose: Use,
    ) -> Result<Self, EngineError> {
        let facts = FileFacts::of(file)?;
        let mut names = Vec::new();
        for step in steps_of(plan, &facts)? {
            let made = |name: &String| file.is_made(name);
            names
                .extend(step.operator.columns().iter().map(|field| format!("{}/{}", step.id, field.name)).filter(made));
            names.extend(Some(format!("{}/out", step.id)).filter(made));
        }
        let file = with_outputs(file, &names)?;
        let session = runtime.session(&file, purpose)?;
        let network = match (facts.grafted, model) {
            (false, _) => None,
            (true, Some(model)) => {
                let form = plan.model.as_ref().map(ModelForm::of).unwrap_or_default();
                Some(CutModel::bind_for(runtime, model, form, purpose)?)
            }
            (true, None) => {
                return Err(EngineError::Unfit("the file is a graft, and the pipeline names no model; give the one it was made of with `--model FILE`".to_owned()));
            }
        };
        let (scratch, findings) = (Scratch::default(), Vec::new());
        Ok(Self { plan, file, facts, session, network, is_raw: purpose == Use::Graph, scratch, findings })
    }

    /// Runs one batch natively and through the file, and adds what differs to the findings.
    ///
    /// Each step natively goes on from what the file left before it, so that every difference is that of one step alone.
    ///
    /// # Errors
    /// When a step or the runtime fails, or the file lacks an output.
    pub fn compare(&mut self, mut batch: Batch) -> Result<(), EngineError> {
        let plan = self.plan;
        let steps = exported_steps(plan)?;
        run_steps(&plan.steps[..plan.steps.len() - steps.len()], plan.epoch, &mut batch, None, &mut self.scratch)?;
        batch.objects = as_given(&batch);
        let drawn = self.drawn(&batch)?;
        let found = self.run(&inputs(plan, &batch, &drawn)?)?;
        let (mut largest, mut allowed) = (Some(0.0), 0.0);
        for (at, step) in steps.iter().enumerate() {
            apply(step, &drawn, &mut batch, &mut self.scratch)?;
            let is_end = at + 1 == steps.len() && self.network.is_none();
            let name = if is_end { "images_out".to_owned() } else { format!("{}/out", step.id) };
            // The bound of a step is for values of its images as they usually are; what noise or factors blew up rounds as far as it is large.
            let native = images_tensor(&batch.images)?;
            allowed = own_error(step, gain(&batch).max(magnitude(&native) / 255.0));
            largest = follow(&native, found.get(&name), &mut batch)?;
            let (draws, n) = (self.differing(step, &drawn, &found, batch.len()), batch.len());
            self.add(Finding::of(Subject::Step(step.id.clone()), n, draws, largest, allowed));
        }
        let n = batch.len();
        let mut labels = batch.labels.clone();
        if self.network.is_some() {
            let answers = self.through_model(&batch, &mut labels, &drawn, &found)?;
            // A graft keeps the outputs of the model in their order, before its own, and may have to rename them.
            let names: Vec<String> = self.file.outputs().into_iter().map(|port| port.name).collect();
            for ((_, native), name) in answers.into_iter().zip(names) {
                let made = found.get(&name).ok_or_else(|| lacking(&name))?;
                let (largest, allowed) = (largest_difference(&native, made), rounding(&native, self.is_raw));
                self.add(Finding::of(Subject::Output(name), n, None, Some(largest), allowed));
            }
        } else {
            if steps.is_empty() {
                let made = found.get("images_out").ok_or_else(|| lacking("images_out"))?;
                largest = follow(&images_tensor(&batch.images)?, Some(made), &mut batch)?;
            }
            self.add(Finding::of(Subject::Output("images_out".to_owned()), n, None, largest, allowed));
        }
        if let Some(masks) = batch.masks.as_ref().and_then(|masks| masks_tensor(&masks.images)) {
            let made = found.get("masks_out").ok_or_else(|| lacking("masks_out"))?;
            let largest = largest_difference(&masks, made);
            let allowed = if masks.as_f32().is_some() { blended_error(steps, |effects| effects.masks) } else { 0.0 };
            self.add(Finding::of(Subject::Output("masks_out".to_owned()), n, None, Some(largest), allowed));
        }
        if let Some((objects, planned)) = batch.objects.as_ref().zip(plan.objects.as_ref()) {
            let largest = object_difference(&objects.seen(&planned.rules), planned, |name| found.get(name).cloned());
            let largest = largest.ok_or_else(|| lacking("boxes_out"))?;
            let side = (0..n).map(|row| batch.extent(row)[1].max(batch.extent(row)[2])).max().unwrap_or(0);
            let allowed = OBJECT_ROUNDING * side as f32;
            self.add(Finding::of(Subject::Output("boxes_out".to_owned()), n, None, Some(largest), allowed));
        }
        if labels.classes() > 0 {
            let made = found.get("labels_out").ok_or_else(|| lacking("labels_out"))?;
            let largest = largest_difference(&soft(&labels), made);
            let allowed = blended_error(steps, |effects| effects.labels);
            self.add(Finding::of(Subject::Output("labels_out".to_owned()), n, None, Some(largest), allowed));
        }
        Ok(())
    }

    /// The native draws of every step in the file, by step id.
    fn drawn(&mut self, batch: &Batch) -> Result<Drawn, EngineError> {
        let (plan, mut batch) = (self.plan, batch.clone());
        let mut drawn = Drawn::new();
        for step in exported_steps(plan)? {
            let steps = run_steps(std::slice::from_ref(step), plan.epoch, &mut batch, None, &mut self.scratch)?;
            drawn.extend(steps.into_iter().map(|drawn| (drawn.step, drawn.draws)));
        }
        for (_, step) in plan.model.iter().filter(|_| self.facts.grafted).flat_map(ModelPlan::placed_steps) {
            let (draws, _) = step.operator.draw_audited(&step.key, plan.epoch, &batch.index, &step.before);
            drawn.insert(step.id.clone(), draws);
        }
        Ok(drawn)
    }

    /// The outputs of the parts of the model, with the native steps between them; labels are mixed on.
    fn through_model(
        &mut self,
        batch: &Batch,
        labels: &mut Labels,
        drawn: &Drawn,
        found: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<(String, Tensor)>, EngineError> {
        let Some(network) = self.network.take() else { return Ok(Vec::new()) };
        let (mut findings, entered) = (Vec::new(), Entered::of(batch));
        let at = network.through(network.start(&batch.images)?, &mut |name, map| {
            let Some(site) = self.plan.model.as_ref().and_then(|model| model.site(name)) else { return Ok(map) };
            entered.at(site, map, labels, &mut |step, at| {
                apply(step, drawn, at, &mut self.scratch)?;
                let out = images_tensor(&at.images)?;
                let allowed = rounding(&out, self.is_raw) + own_error(step, magnitude(&out) / 255.0);
                let largest = follow(&out, found.get(&format!("{}/out", step.id)), at)?;
                let draws = self.differing(step, drawn, found, batch.len());
                let subject = Subject::Step(step.id.clone());
                findings.push(Finding::of(subject, batch.len(), draws, largest, allowed));
                Ok(())
            })
        })?;
        let outputs = network.outputs(&at)?;
        let is_classifier = self.plan.model.as_ref().is_some_and(|model| model.classes > 0);
        if let Some((_, answer)) = outputs.first().filter(|_| is_classifier) {
            matrix(answer.clone(), batch.len())?;
        }
        self.network = Some(network);
        for finding in findings {
            self.add(finding);
        }
        Ok(outputs)
    }

    /// What was found, in the order of the steps, then the outputs.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn run(&self, inputs: &[(String, Tensor)]) -> Result<BTreeMap<String, Tensor>, EngineError> {
        let wanted: Vec<String> = self.file.inputs().into_iter().map(|port| port.name).collect();
        let given = inputs.iter().filter(|(name, _)| wanted.contains(name));
        let given: Vec<(&str, &Tensor)> = given.map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let names: Vec<String> = self.file.outputs().into_iter().map(|port| port.name).collect();
        let made = self.session.run(&given)?;
        if made.len() != names.len() {
            return Err(EngineError::Unfit(format!("the runtime gives {} of {} outputs", made.len(), names.len())));
        }
        Ok(names.into_iter().zip(made).collect())
    }

    /// Samples for which a column of the file is not the native one; none where the file is given its draws.
    fn differing(&self, step: &Step, drawn: &Drawn, found: &BTreeMap<String, Tensor>, samples: usize) -> Option<usize> {
        if self.facts.draws == DrawSource::Inputs {
            return None;
        }
        let columns: Vec<_> = drawn.get(&step.id).into_iter().flat_map(|draws| &draws.columns).collect();
        let rows = columns.first().map_or(samples, |(_, column)| column.shape()[0]);
        let differs = |row: usize| {
            columns.iter().any(|(field, native)| {
                let name = format!("{}/{field}", step.id);
                let made = found.get(&name).cloned().or_else(|| self.file.initializer(&name));
                let fits = |made: &Tensor| made.dtype() == native.dtype() && made.shape() == native.shape();
                made.filter(fits).is_none_or(|made| made.rows(row..row + 1) != native.rows(row..row + 1))
            })
        };
        Some((0..rows).filter(|row| differs(*row)).count())
    }

    fn add(&mut self, new: Finding) {
        let Some(known) = self.findings.iter_mut().find(|known| known.subject == new.subject) else {
            return self.findings.push(new);
        };
        let is_closer = |a: &Finding, b: &Finding| {
            let room = |finding: &Finding| finding.largest.map_or(f32::INFINITY, |largest| finding.allowed - largest);
            room(a).total_cmp(&room(b)).is_lt()
        };
        let (samples, holds) = (known.samples + new.samples, known.holds && new.holds);
        let draws = known.draws.into_iter().chain(new.draws).reduce(|a, b| a + b);
        if is_closer(&new, known) {
            *known = new;
        }
        (known.samples, known.draws, known.holds) = (samples, draws, holds);
    }
}

/// The steps inside a file, in the order in which they run.
///
/// # Errors
/// When the steps before the file are others than when it was written.
fn steps_of<'p>(plan: &'p Plan, facts: &FileFacts) -> Result<Vec<&'p Step>, EngineError> {
    let steps = exported_steps(plan)?;
    let before: Vec<&str> = plan.steps[..plan.steps.len() - steps.len()].iter().map(|step| step.id.as_str()).collect();
    if before != facts.before {
        return Err(EngineError::Unfit(format!(
            "the file begins behind the steps [{}], and the pipeline's batches of one size behind [{}]; name the pipeline that the file was written from, or write it anew",
            facts.before.join(", "),
            before.join(", ")
        )));
    }
    let placed = plan.model.iter().filter(|_| facts.grafted).flat_map(ModelPlan::placed_steps);
    Ok(steps.iter().chain(placed.map(|(_, step)| step)).collect())
}

/// How far a unit of a pixel's level goes in the values of a batch.
fn gain(batch: &Batch) -> f32 {
    batch.transfer.iter().map(|channel| channel.scale.abs()).fold(0.0, f32::max).max(f32::MIN_POSITIVE)
}

/// Draws by step id.
type Drawn = BTreeMap<String, Draws>;

/// Everything that a file may ask for: images, labels, the address of the draws, and the draws.
fn inputs(plan: &Plan, batch: &Batch, drawn: &Drawn) -> Result<Vec<(String, Tensor)>, EngineError> {
    let index = batch.index.iter().map(|index| *index as i64).collect();
    let named = [
        ("images", images_tensor(&batch.images)?),
        ("labels", soft(&batch.labels)),
        ("seed", Tensor::scalar(plan.seed as i64)),
        ("epoch", Tensor::scalar(i64::from(plan.epoch))),
        ("index", Tensor::vector(index)),
    ];
    let masks = batch.masks.as_ref().and_then(|masks| masks_tensor(&masks.images));
    let objects = batch.objects.as_ref().zip(plan.objects.as_ref());
    let objects = objects
        .map(|(objects, planned)| ObjectArrays::of(&objects.seen(&ObjectRules::default()), planned.keypoints).inputs());
    let named = named.into_iter().chain(masks.map(|masks| ("masks", masks))).chain(objects.into_iter().flatten());
    let columns = drawn.iter().flat_map(|(id, draws)| draws.columns.iter().map(move |column| (id, column)));
    let columns = columns.map(|(id, (field, column))| (format!("{id}/{field}"), column.clone()));
    Ok(named.map(|(name, tensor)| (name.to_owned(), tensor)).chain(columns).collect())
}

/// Masks as a file has them: class ids `[N,H,W]`, or shares of classes `[N,K,H,W]`.
fn masks_tensor(masks: &Images) -> Option<Tensor> {
    match masks {
        Images::U8(ids) => Some(Tensor::U8(ids.index_axis(ndarray::Axis(1), 0).to_owned().into_dyn())),
        Images::F32(shares) => Some(Tensor::F32(shares.clone().into_dyn())),
        Images::Ragged(_) => None,
    }
}

fn apply(step: &Step, drawn: &Drawn, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), EngineError> {
    let draws = drawn.get(&step.id).ok_or_else(|| EngineError::Unfit(format!("`{}` drew nothing", step.id)))?;
    if step.idle {
        return Ok(());
    }
    step.operator.apply(draws, batch, scratch).map_err(|issue| EngineError::step(&step.id, issue))
}

/// How far the images of the file are from the `native` ones of the batch, which goes on with the file's; none where the file does not show them.
fn follow(native: &Tensor, made: Option<&Tensor>, batch: &mut Batch) -> Result<Option<f32>, EngineError> {
    let Some(made) = made else { return Ok(None) };
    let largest = largest_difference(native, made);
    if largest.is_finite() {
        let made = made.clone();
        let images = match made {
            Tensor::U8(images) => images.into_dimensionality().ok().map(Images::U8),
            Tensor::F32(images) => images.into_dimensionality().ok().map(Images::F32),
            _ => None,
        };
        batch.images = images.ok_or_else(|| EngineError::Unfit("the file gives no images N,C,H,W".to_owned()))?;
    }
    Ok(Some(largest))
}

fn lacking(output: &str) -> EngineError {
    EngineError::Unfit(format!(
        "the file has no output `{output}`; write it anew with `augraft export` or `augraft graft`"
    ))
}

fn soft(labels: &Labels) -> Tensor {
    Tensor::F32(labels.soft().into_dyn())
}
