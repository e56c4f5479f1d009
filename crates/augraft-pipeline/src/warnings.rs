//! Pipelines that run, but probably not as meant.

use augraft_operator::{Element, Role};
use serde_json::Value;

use crate::plan::{ModelPlan, Step};
use crate::problems::Problems;
use crate::spec::PipelineSpec;
use crate::step::StepSpec;

/// Geometry that keeps the share of pixels that come from each image.
const KEEPS_SHARES: &[&str] = &["horizontal_flip", "rot90", "transpose", "vertical_flip", "views"];

/// Looks at a plan without errors; `batch` is the number of samples in its largest batch.
pub(crate) fn warn(
    spec: &PipelineSpec,
    steps: &[Step],
    model: Option<&ModelPlan>,
    batch: Option<usize>,
    problems: &mut Problems<'_>,
) {
    for (at, (step, written)) in steps.iter().zip(&spec.steps).enumerate() {
        warn_order(step, &written.path, &steps[..at], &steps[at + 1..], problems);
    }
    let model_steps = spec.model.iter().flat_map(|model| &model.steps);
    for step in spec.steps.iter().chain(model_steps.clone().map(|step| &step.step)) {
        warn_step(step, batch, problems);
    }
    let bypassed = model.into_iter().flat_map(|model| &model.sites).filter(|site| !site.separates);
    for site in bypassed {
        let mixing = |step: &&Step| step.operator.role() == Role::Mix;
        // A step at a pattern has the tensor in its id, but one place in the file.
        let ids = site.steps.iter().filter(mixing).map(|step| step.id.split('@').next().unwrap_or_default());
        for id in ids {
            let Some(written) = model_steps.clone().find(|step| step.step.id == id) else { continue };
            let message = format!(
                "other tensors lead around `{}`, and `{}` leaves what they carry unmixed",
                site.tensor,
                written.step.operator.name()
            );
            problems.warning(
                &written.step.path,
                "bypassed-site",
                message,
                "choose a tensor that `augraft sites MODEL` lists without --all",
            );
        }
    }
}

fn warn_order(step: &Step, path: &str, before: &[Step], after: &[Step], problems: &mut Problems<'_>) {
    let (name, bytes) = (step.name, step.before.element == Element::U8);
    let normalized =
        after.iter().find(|later| later.before.element == Element::U8 && later.after.element == Element::F32);
    if let Some(normalize) =
        normalized.filter(|_| step.operator.role() == Role::Erase && bytes && fills_with_zero(&step.operator.config()))
    {
        let message =
            format!("`{name}` comes before `{}`, so its fill of 0 is black and not the mean color", normalize.name);
        problems.warning(
            path,
            "erase-before-normalize",
            message,
            &format!("put it after `{}`, or give a `fill` in bytes", normalize.name),
        );
    }
    if name == "mixup" && bytes {
        let message = "`mixup` blends bytes here, and rounds each blend to a whole level";
        problems.warning(path, "mixup-on-bytes", message, "put it after `normalize`");
    }
    // A blend of whole images has the same shares everywhere, so that no crop changes them.
    let pasted = before.iter().rev().find(|earlier| earlier.operator.role() == Role::Mix && earlier.name != "mixup");
    if let Some(mix) = pasted.filter(|_| step.operator.role() == Role::Geometry && !KEEPS_SHARES.contains(&name)) {
        let message =
            format!("`{name}` comes after `{}`, so the label weights are no longer the shares of the pixels", mix.name);
        problems.warning(path, "geometry-after-mix", message, &format!("put it before `{}`", mix.name));
    }
}

fn warn_step(step: &StepSpec, batch: Option<usize>, problems: &mut Problems<'_>) {
    let (name, config) = (step.operator.name(), step.operator.config());
    if config["p"].as_f64() == Some(0.0) {
        problems.warning(
            &format!("{}/p", step.path),
            "idle-step",
            format!("`{name}` never acts with `p: 0`"),
            "leave the step out, or raise `p`",
        );
        return;
    }
    if step.operator.role() != Role::Mix {
        return;
    }
    let Some(batch) = batch else { return };
    if batch == 1 {
        let message = format!("a batch of one sample has no partner, so `{name}` mixes it with itself");
        problems.warning(&step.path, "batch-of-one", message, "raise `data.batch` (and `limit`)");
    } else if batch % 2 == 1 && config["partner"] == "flip" {
        let message = format!("with {batch} samples in a batch, `partner: flip` mixes the middle one with itself");
        problems.warning(
            &format!("{}/partner", step.path),
            "odd-batch-with-flip",
            message,
            "use an even batch, or `partner: roll`",
        );
    }
}

fn fills_with_zero(config: &Value) -> bool {
    match &config["fill"] {
        Value::Array(values) => values.iter().all(|value| value.as_f64() == Some(0.0)),
        value => value.as_f64() == Some(0.0),
    }
}
