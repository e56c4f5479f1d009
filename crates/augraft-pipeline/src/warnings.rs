//! Pipelines that run, but probably not as meant.

use augraft_operator::{Element, Partner, Rows, Values};
use serde_json::Value;

use crate::plan::{ModelPlan, Step};
use crate::problems::Problems;
use crate::spec::PipelineSpec;
use crate::step::StepSpec;

/// How many samples there are, as far as the plan knows.
pub(crate) struct Sizes {
    /// Samples of the largest batch.
    pub(crate) batch: usize,
    /// All samples of an epoch.
    pub(crate) samples: Option<usize>,
    /// Whether samples of one class lie side by side, in the order in which they are read.
    pub(crate) sorted: bool,
    /// Whether the last batch is left out where it is smaller than the others.
    pub(crate) drop_last: bool,
}

/// Looks at a plan without errors.
pub(crate) fn warn(
    spec: &PipelineSpec,
    steps: &[Step],
    model: Option<&ModelPlan>,
    sizes: Option<&Sizes>,
    problems: &mut Problems<'_>,
) {
    for (at, (step, written)) in steps.iter().zip(&spec.steps).enumerate() {
        warn_order(step, &written.path, &steps[..at], &steps[at + 1..], problems);
        warn_step(step, written, sizes, problems);
    }
    let placed = || model.into_iter().flat_map(ModelPlan::placed_steps);
    for written in spec.model.iter().flat_map(|model| &model.steps) {
        // A step at a pattern has the tensor in its id, but one place in the file.
        let is_it = |step: &Step| step.id.split('@').next() == Some(&written.step.id);
        if let Some((_, step)) = placed().find(|(_, step)| is_it(step)) {
            warn_step(step, &written.step, sizes, problems);
        }
        for (site, _) in placed().filter(|(site, step)| !site.dominates && is_it(step) && step.effects.mixes) {
            let message = format!(
                "a skip connection leads around `{}`, and `{}` leaves what it carries unmixed",
                site.tensor,
                written.step.operator.name()
            );
            problems.warning(
                &written.step.path,
                "skip-connection",
                message,
                "choose a tensor that `augraft sites MODEL` lists without --all",
            );
        }
    }
    warn_sorted(spec, steps, sizes, problems);
}

fn warn_order(step: &Step, path: &str, before: &[Step], after: &[Step], problems: &mut Problems<'_>) {
    let (name, bytes) = (step.name, step.before.element == Element::U8);
    let normalized =
        after.iter().find(|later| later.before.element == Element::U8 && later.after.element == Element::F32);
    let erases = step.effects.values == Values::Erased;
    if let Some(normalize) = normalized.filter(|_| erases && bytes && fills_with_zero(&step.operator.config())) {
        let message =
            format!("`{name}` comes before `{}`, so its fill of 0 is black and not the mean color", normalize.name);
        problems.warning(
            path,
            "erase-before-normalize",
            message,
            &format!("put it after `{}`, or give a `fill` in bytes", normalize.name),
        );
    }
    if step.effects.blends && bytes {
        let message = format!("`{name}` blends bytes here, and rounds each blend to a whole level");
        problems.warning(path, "mixup-on-bytes", message, "put it after `normalize`");
    }
    let mixed = before.iter().rev().find(|earlier| earlier.effects.mixes && !earlier.effects.blends);
    if let Some(mix) = mixed.filter(|_| step.effects.opaque && step.effects.moves) {
        let message = format!(
            "`{name}` is a file that moves pixels, so the label weights that `{}` made are no longer the shares of the pixels",
            mix.name
        );
        problems.warning(path, "geometry-after-mix", message, &format!("put it before `{}`", mix.name));
    }
}

fn warn_step(step: &Step, written: &StepSpec, sizes: Option<&Sizes>, problems: &mut Problems<'_>) {
    let name = step.name;
    if step.idle {
        problems.warning(
            &format!("{}/p", written.path),
            "idle-step",
            format!("`{name}` never acts with `p: 0`"),
            "leave the step out, or raise `p`",
        );
        return;
    }
    let Some(sizes) = sizes.filter(|_| step.effects.mixes && step.operator.rows() != Rows::Donors) else { return };
    let batch = sizes.batch;
    if batch == 1 {
        let message = format!("a batch of one sample has no partner, so `{name}` mixes it with itself");
        problems.warning(&written.path, "batch-of-one", message, "raise `data.batch` (and `limit`)");
        return;
    }
    if batch % 2 == 1 && step.operator.partner(&step.before) == Some(Partner::Flip) {
        let message = format!("with {batch} samples in a batch, `partner: flip` mixes the middle one with itself");
        problems.warning(
            &format!("{}/partner", written.path),
            "odd-batch-with-flip",
            message,
            "use an even batch, or `partner: roll`",
        );
    }
    if let Some(samples) = sizes.samples.filter(|samples| samples % batch == 1 && *samples > 1 && !sizes.drop_last) {
        let message =
            format!("the last of {samples} samples is alone in its batch of {batch}, so `{name}` mixes it with itself");
        problems.warning(&written.path, "last-sample-alone", message, "set `drop_last: true`, or use another `batch`");
    }
}

/// Mixing that changes no label, because a batch holds samples of one class.
fn warn_sorted(spec: &PipelineSpec, steps: &[Step], sizes: Option<&Sizes>, problems: &mut Problems<'_>) {
    let mixing = steps.iter().zip(&spec.steps).find(|(step, _)| {
        step.effects.mixes && step.effects.labels && step.operator.rows() != Rows::Donors && !step.idle
    });
    let sorted = sizes.is_some_and(|sizes| sizes.sorted && sizes.samples.is_some_and(|samples| samples > sizes.batch));
    if let Some((step, written)) = mixing.filter(|_| sorted) {
        let message = format!(
            "the samples are read class by class, so `{}` mostly mixes samples of one class and few labels become soft",
            step.name
        );
        problems.warning(&written.path, "sorted-by-class", message, "set `shuffle: true` in `data`");
    }
}

fn fills_with_zero(config: &Value) -> bool {
    match &config["fill"] {
        Value::Array(values) => values.iter().all(|value| value.as_f64() == Some(0.0)),
        value => value.as_f64() == Some(0.0),
    }
}
