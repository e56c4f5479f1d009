//! From a pipeline as it is written to one that is resolved and checked.

use std::path::PathBuf;

use augraft_operator::{Issue, MAX_VIEWS, Rows, Shape};

use crate::diagnostic::Report;
use crate::plan::{Facts, Inspect, ModelPlan, ObjectPlan, Overrides, Plan, Step};
use crate::problems::Problems;
use crate::sites::plan_model;
use crate::spec::{DataSpec, ModelSpec, PipelineSpec};
use crate::step_run::StepRun;
use crate::warnings::{Sizes, warn};

/// Resolves and checks a pipeline; `inspect` looks at its model.
///
/// # Errors
/// All problems that are found.
pub fn plan<E: Into<Issue>>(
    spec: &PipelineSpec,
    overrides: &Overrides,
    facts: &Facts,
    inspect: &mut Inspect<'_, E>,
) -> Result<Plan, Report> {
    let mut problems = Problems::new(&spec.document);
    let seed = overrides.seed.unwrap_or(spec.seed);
    check_overrides(overrides, &mut problems);
    let with_flags = |data: &DataSpec| DataSpec {
        batch: overrides.batch.unwrap_or(data.batch),
        limit: overrides.limit.or(data.limit),
        ..data.clone()
    };
    let data = spec.data.as_ref().map(with_flags);
    let input = facts.input.clone().unwrap_or_else(|| Shape::ragged(0));
    let input = Shape { classes: facts.classes, ..input };
    let epoch = overrides.epoch.unwrap_or(spec.epoch);
    let mut run = StepRun::new(seed, epoch, input.clone());
    let steps: Vec<Step> =
        spec.steps.iter().filter_map(|step| run.check(step, step.id.clone(), &mut problems)).collect();
    let end = (!run.failed()).then(|| run.shape().clone());
    let named = overrides.model.as_ref().map(|file| ModelSpec::of(file.clone(), spec.model.as_ref()));
    let model = named.as_ref().or(spec.model.as_ref()).map(|model| {
        let engine = overrides.engine.unwrap_or(model.engine);
        let device = overrides.device.unwrap_or(model.device);
        ModelSpec { engine, device, ..model.clone() }
    });
    let model = model.and_then(|model| plan_model(&model, (seed, epoch), end.as_ref(), facts, inspect, &mut problems));
    check_needs(spec, &steps, model.as_ref(), &mut problems);
    if !problems.has_errors() {
        problems.recall(&spec.warnings);
        warn(spec, &steps, model.as_ref(), sizes(data.as_ref(), facts).as_ref(), &mut problems);
    }
    let warnings = problems.finish()?;
    let stem = spec.file.file_stem().map_or_else(|| "pipeline".into(), ToOwned::to_owned);
    let out = overrides.out.clone().or_else(|| spec.out.clone()).unwrap_or_else(|| PathBuf::from("out").join(stem));
    Ok(Plan {
        file: spec.file.clone(),
        text: spec.document.text.clone(),
        folder: spec.folder.clone(),
        seed,
        epoch,
        masks: data.as_ref().and_then(|data| Some(data.masks.as_ref()?.classes.count())),
        objects: data.as_ref().and_then(|data| objects(spec, data, facts)),
        data,
        input,
        steps,
        model,
        out,
        warnings,
    })
}

fn objects(spec: &PipelineSpec, data: &DataSpec, facts: &Facts) -> Option<ObjectPlan> {
    let annotations = data.annotations.as_ref()?;
    Some(ObjectPlan { rules: spec.objects, keypoints: facts.keypoints, flip_pairs: annotations.flip_pairs.clone() })
}

fn check_overrides(overrides: &Overrides, problems: &mut Problems<'_>) {
    if overrides.seed.is_some_and(|seed| i64::try_from(seed).is_err()) {
        problems.error("/seed", "out-of-range", format!("--seed must be at most {}", i64::MAX), None);
    }
    for (flag, value) in [("batch", overrides.batch), ("limit", overrides.limit)] {
        if value == Some(0) {
            problems.error(&format!("/data/{flag}"), "out-of-range", format!("--{flag} must be at least 1"), None);
        }
    }
}

/// Checks that there is what steps need beside images: masks, and a second half of the batch.
fn check_needs(spec: &PipelineSpec, steps: &[Step], model: Option<&ModelPlan>, problems: &mut Problems<'_>) {
    let has_masks = spec.data.as_ref().is_some_and(|data| data.masks.is_some());
    let inner = spec.model.iter().flat_map(|model| &model.steps).map(|step| &step.step);
    let written = |step: &Step| {
        let id = step.id.split('@').next().unwrap_or_default();
        spec.steps.iter().chain(inner.clone()).find(|written| written.id == id)
    };
    let at_sites = model.into_iter().flat_map(ModelPlan::placed_steps).map(|(_, step)| step);
    for (step, written) in steps.iter().chain(at_sites).filter_map(|step| Some((step, written(step)?))) {
        if step.operator.needs_masks(&step.before) && !has_masks {
            let message = format!("`{}` takes its labels from masks, but there are none", step.name);
            let help = "add `masks: { folder: DIR, classes: K }` to `data`, or choose another `label`".to_owned();
            problems.error(&format!("{}/label", written.path), "no-masks", message, Some(help));
        }
        let objects = spec.data.as_ref().is_some_and(|data| data.annotations.is_some());
        let following = [(has_masks, "masks"), (objects, "objects")].into_iter().find(|(there, _)| *there);
        if let Some((_, what)) = following.filter(|_| step.effects.opaque && step.before.image_size.is_none()) {
            let message = format!("`{}` is a file that moves or mixes pixels, and {what} cannot follow it", step.name);
            problems.error(&written.path, "opaque-step", message, Some(format!("leave the {what} out, or the step")));
        }
    }
    let mut views = 1;
    for step in &spec.steps {
        let Rows::Views(made) = step.operator.rows() else { continue };
        views *= made;
        if views > MAX_VIEWS {
            let message = format!("`{}` makes {views} views of a sample, and there can be {MAX_VIEWS}", step.id);
            problems.error(&step.path, "too-many-views", message, Some("make fewer".to_owned()));
            break;
        }
    }
    if let Some(second) = spec.donors().nth(1) {
        let message = format!("`{}` needs partners from the data set, but an earlier step has taken them", second.id);
        let help = "let one step have `partner: dataset`".to_owned();
        problems.error(&format!("{}/partner", second.path), "no-partners", message, Some(help));
    }
}

fn sizes(data: Option<&DataSpec>, facts: &Facts) -> Option<Sizes> {
    let data = data?;
    let samples = [data.limit, facts.samples].into_iter().flatten().min();
    let batch = samples.map_or(data.batch, |samples| samples.min(data.batch));
    Some(Sizes { batch, samples, sorted: facts.sorted && !data.shuffle, drop_last: data.drop_last })
}
