//! An exported or grafted file against the native steps, on one backend.

use std::collections::BTreeMap;

use augraft_onnx::{DataType, Model, Tensor, with_outputs};
use augraft_operator::{Batch, Element, Images, Labels, Parity, Scratch};
use augraft_pipeline::{Plan, Step};
use ndarray::Array4;

use crate::compare::{images_tensor, largest_difference};
use crate::emit::DrawSource;
use crate::error::EngineError;
use crate::export::exported_steps;
use crate::native::{StepDraws, run_steps};
use crate::network::Network;
use crate::runtime::{Runtime, Use};

/// Largest difference of logits, relative to the largest of them, between ways to add that differ in order.
const ROUNDING: f32 = 1e-4;
/// The same behind steps that are themselves not exact: a network may multiply what they leave.
const BEHIND_INEXACT: f32 = 1e-2;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What the step of this id draws, and leaves.
    Step(String),
    /// An output of the file.
    Output(&'static str),
}

impl Subject {
    /// Id of the step, or name of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Step(id) => id,
            Self::Output(name) => name,
        }
    }
}

/// How one step or output of a file compares with its native form, over all batches so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is compared.
    pub subject: Subject,
    /// Samples that were compared.
    pub samples: usize,
    /// Samples for which some drawn value differs; none for an output, or where the file is given its draws.
    pub draws: Option<usize>,
    /// Largest difference of an element; none where the file does not show what the step leaves.
    pub largest: Option<f32>,
    /// What the parity of the steps so far allows, in the batch that comes closest to it.
    pub allowed: f32,
    /// Whether the file keeps what the steps promise, in every batch.
    pub holds: bool,
}

impl Finding {
    fn of(subject: Subject, samples: usize, draws: Option<usize>, largest: Option<f32>, allowed: f32) -> Self {
        let holds = draws.unwrap_or(0) == 0 && largest.is_none_or(|largest| largest <= allowed);
        Self { subject, samples, draws, largest, allowed, holds }
    }
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Whether it is a model with steps inside, not the steps alone.
    pub grafted: bool,
    /// Where its draws come from.
    pub draws: DrawSource,
    /// Ids of the steps that come before it.
    pub before: Vec<String>,
    /// The samples whose draws are baked in.
    pub baked: Vec<u64>,
}

impl FileFacts {
    /// Reads the metadata that `export` and `graft` write.
    ///
    /// # Errors
    /// When the file was written by something else.
    pub fn of(model: &Model) -> Result<Self, EngineError> {
        let entries = &model.proto().metadata_props;
        let find = |key: &str| entries.iter().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned());
        let list = |text: String| text.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let foreign =
            || EngineError::Unfit("the file was not written by `augraft export` or `augraft graft`".to_owned());
        let draws = find("augraft_draws").and_then(|text| text.parse().ok()).ok_or_else(foreign)?;
        let before = list(find("augraft_steps_before").ok_or_else(foreign)?);
        let baked =
            list(find("augraft_index").unwrap_or_default()).iter().filter_map(|text| text.parse().ok()).collect();
        Ok(Self { grafted: find("augraft_kind").as_deref() == Some("graft"), draws, before, baked })
    }
}

/// A file that is ready to be compared with the plan that it was written from.
pub struct Verifier<'p> {
    plan: &'p Plan,
    file: Model,
    facts: FileFacts,
    session: Box<dyn crate::runtime::Session>,
    network: Option<Network>,
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
            names.extend(step.operator.columns().iter().map(|(field, _)| format!("{}/{field}", step.id)).filter(made));
            names.extend(Some(format!("{}/out", step.id)).filter(made));
        }
        let file = with_outputs(file, &names)?;
        let session = runtime.session(&file, purpose)?;
        let sites: Vec<&str> =
            plan.model.iter().flat_map(|model| &model.sites).map(|site| site.tensor.as_str()).collect();
        let network = match (facts.grafted, model) {
            (false, _) => None,
            (true, Some(model)) => Some(Network::bind_for(runtime, model, &sites, purpose)?),
            (true, None) => {
                return Err(EngineError::Unfit("the file is a graft, and the pipeline names no model".to_owned()));
            }
        };
        let (scratch, findings) = (Scratch::default(), Vec::new());
        Ok(Self { plan, file, facts, session, network, is_raw: purpose == Use::Graph, scratch, findings })
    }

    /// Runs one batch natively and through the file, and adds what differs to the findings.
    ///
    /// # Errors
    /// When a step or the runtime fails.
    pub fn compare(&mut self, mut batch: Batch) -> Result<(), EngineError> {
        let plan = self.plan;
        let steps = exported_steps(plan)?;
        run_steps(&plan.steps[..plan.steps.len() - steps.len()], plan.epoch, &mut batch, None, &mut self.scratch)?;
        let mut inputs =
            vec![("images".to_owned(), images_tensor(&batch.images)?), ("labels".to_owned(), soft(&batch.labels))];
        let mut native = Vec::new();
        let mut allowed = 0.0;
        for step in steps {
            let before = gain(&batch);
            let drawn = run_steps(std::slice::from_ref(step), plan.epoch, &mut batch, None, &mut self.scratch)?;
            allowed = allowed * (gain(&batch) / before) + own_error(step, &batch);
            native.push((step, drawn, images_tensor(&batch.images)?, allowed));
        }
        let mut ends = Vec::new();
        if let Some(network) = &self.network {
            let Images::F32(images) = &batch.images else {
                return Err(EngineError::Unfit("the model needs f32 images; add `normalize` to the steps".to_owned()));
            };
            let (mut labels, mut inexact) = (batch.labels.clone(), allowed > 0.0);
            let [_, height, width] = batch.extent(0);
            let scratch = &mut self.scratch;
            let logits = network.logits_through(images, &mut |name, map| {
                let Some(site) = plan.model.iter().flat_map(|model| &model.sites).find(|site| site.tensor == name)
                else {
                    return Ok(map);
                };
                labels.forget_boxes();
                let mut at = Batch {
                    images: Images::F32(map),
                    labels: labels.clone(),
                    index: batch.index.clone(),
                    transfer: Vec::new(),
                    image_size: Some([height, width]),
                };
                for step in &site.steps {
                    let drawn = run_steps(std::slice::from_ref(step), plan.epoch, &mut at, None, scratch)?;
                    inexact |= step.operator.parity() != Parity::Exact;
                    let out = images_tensor(&at.images)?;
                    let allowed = rounding(&out, self.is_raw, inexact);
                    native.push((step, drawn, out, allowed));
                }
                labels = at.labels;
                floats(at.images)
            })?;
            let logits = Tensor::F32(logits.into_dyn());
            let allowed = rounding(&logits, self.is_raw, inexact);
            ends.push(("logits", logits, allowed));
            ends.push(("labels_out", soft(&labels), 0.0));
        } else {
            ends.push(("images_out", images_tensor(&batch.images)?, allowed));
            ends.push(("labels_out", soft(&batch.labels), 0.0));
        }
        let scalar = |value: i64| Tensor::scalar(value);
        inputs.push(("seed".to_owned(), scalar(plan.seed as i64)));
        inputs.push(("epoch".to_owned(), scalar(i64::from(plan.epoch))));
        inputs.push(("index".to_owned(), Tensor::vector(batch.index.iter().map(|index| *index as i64).collect())));
        for (step, drawn, ..) in &native {
            let columns = drawn.iter().flat_map(|drawn| &drawn.draws.columns);
            inputs.extend(columns.map(|(field, column)| (format!("{}/{field}", step.id), column.clone())));
        }
        let found = self.run(&inputs)?;
        let n = batch.len();
        for (step, drawn, out, allowed) in &native {
            let draws = self.differing(step, drawn, &found, n);
            let largest = found.get(&format!("{}/out", step.id)).map(|made| largest_difference(out, made));
            self.add(Finding::of(Subject::Step(step.id.clone()), n, draws, largest, *allowed));
        }
        for (name, expected, allowed) in ends {
            if name == "labels_out" && expected.shape()[1] == 0 {
                continue;
            }
            let made = found.get(name).ok_or_else(|| EngineError::Unfit(format!("the file has no output `{name}`")))?;
            self.add(Finding::of(Subject::Output(name), n, None, Some(largest_difference(&expected, made)), allowed));
        }
        Ok(())
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
    fn differing(
        &self,
        step: &Step,
        drawn: &[StepDraws],
        found: &BTreeMap<String, Tensor>,
        samples: usize,
    ) -> Option<usize> {
        if self.facts.draws == DrawSource::Inputs {
            return None;
        }
        let columns: Vec<_> = drawn.iter().flat_map(|drawn| &drawn.draws.columns).collect();
        let differs = |row: usize| {
            columns.iter().any(|(field, native)| {
                let name = format!("{}/{field}", step.id);
                let made = found.get(&name).cloned().or_else(|| self.file.initialiser(&name));
                let fits = |made: &Tensor| made.dtype() == native.dtype() && made.shape() == native.shape();
                made.filter(fits).is_none_or(|made| made.rows(row..row + 1) != native.rows(row..row + 1))
            })
        };
        Some((0..samples).filter(|row| differs(*row)).count())
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
            "the file begins behind the steps [{}], and the pipeline's batches of one size behind [{}]; write the file anew",
            facts.before.join(", "),
            before.join(", ")
        )));
    }
    let sites = plan.model.iter().flat_map(|model| &model.sites).filter(|_| facts.grafted);
    Ok(steps.iter().chain(sites.flat_map(|site| &site.steps)).collect())
}

/// How far a unit of a pixel's level goes in the values of a batch.
fn gain(batch: &Batch) -> f32 {
    batch.transfer.iter().map(|channel| channel.scale.abs()).fold(0.0, f32::max).max(f32::MIN_POSITIVE)
}

/// What a step adds to the difference that is allowed, in the values that it leaves.
fn own_error(step: &Step, batch: &Batch) -> f32 {
    match (step.operator.parity(), step.after.element) {
        (Parity::Within(_), Element::U8) => 1.0,
        // The bound is for values of 0 to 1, the levels 0 to 255.
        (Parity::Within(error), Element::F32) => error * (255.0 * gain(batch)).max(1.0),
        _ => 0.0,
    }
}

fn rounding(values: &Tensor, is_raw: bool, inexact: bool) -> f32 {
    let largest = values.as_f32().map_or(0.0, |values| {
        values.iter().filter(|value| value.is_finite()).fold(0f32, |most, value| most.max(value.abs()))
    });
    match (is_raw, inexact) {
        (_, true) => BEHIND_INEXACT * largest,
        (false, false) => ROUNDING * largest,
        (true, false) => 0.0,
    }
}

fn soft(labels: &Labels) -> Tensor {
    Tensor::F32(labels.soft.clone().into_dyn())
}

fn floats(images: Images) -> Result<Array4<f32>, EngineError> {
    match images {
        Images::F32(map) => Ok(map),
        _ => Err(EngineError::Unfit(format!("the steps at a site do not leave {:?}", DataType::F32))),
    }
}
