//! The data and further sets.

use augraft_data::BatchPlan;
use augraft_operator::Shape;
use augraft_pipeline::{DataSpec, Report, Step};

use super::SECTION;
use crate::plan::{Parts, Problems, SetPlan, SetSource, pairs_of};
use crate::spec::{ExperimentFields, SetFields};

/// The images of a data set in the order in which they are used.
pub(super) fn order(data: Option<&DataSpec>, samples: usize, seed: u64, epoch: u32) -> Vec<u64> {
    let Some(data) = data else { return Vec::new() };
    let shuffle = data.shuffle.then_some((seed, u64::from(epoch)));
    let plan = BatchPlan { batch: data.batch, shuffle, drop_last: data.drop_last, limit: data.limit };
    (0..plan.len(samples)).flat_map(|batch| plan.indices(batch, samples)).collect()
}

pub(super) fn sets(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) -> Vec<SetPlan> {
    let spec = parts.spec;
    if !fields.sets.is_empty() && pairs_of(&fields.over, 1).is_some() {
        let help = "use `over: images`";
        problems.push(spec.problem("/experiment/sets", "bad-set", "other sets have no pairs", Some(help)));
    }
    let read = |(number, written): (usize, &SetFields)| {
        let place = format!("{SECTION}/sets/{number}");
        if fields.sets[..number].iter().any(|other| other.name == written.name) {
            let message = format!("the name `{}` is taken: another set has it", written.name);
            problems.push(spec.problem(&format!("{place}/name"), "duplicate-id", message, None));
        }
        problems.keep(set(parts, &place, written))
    };
    fields.sets.iter().enumerate().filter_map(read).collect()
}

fn set(parts: &Parts<'_>, place: &str, written: &SetFields) -> Result<SetPlan, Report> {
    let Parts { spec, pipeline, registry, .. } = parts;
    if written.name == "data" {
        return Err(spec.problem(&format!("{place}/name"), "duplicate-id", "the name `data` is taken", None));
    }
    let seeds = (pipeline.seed, pipeline.epoch);
    let input = Shape { classes: 0, ..pipeline.input.clone() };
    let steps = match &written.steps {
        Some(_) => spec.steps_at(registry, &format!("{place}/steps"), seeds, input)?.unwrap_or_default(),
        None => pipeline.steps.clone(),
    };
    let end = |steps: &[Step]| steps.last().map(|step| (step.after.size(), step.after.element, step.after.channels));
    if end(&steps) != end(&pipeline.steps) {
        let (made, wanted) = (describe_end(&steps), describe_end(&pipeline.steps));
        let message = format!("the steps of this set end with {made}, those of the file with {wanted}");
        return Err(spec.problem(&format!("{place}/steps"), "model-input", message, Some("let both end alike")));
    }
    let name = written.name.clone();
    if let Some(noise) = written.noise {
        return Ok(SetPlan {
            name,
            source: SetSource::Noise(noise),
            steps,
            data: None,
            order: (0..noise.count as u64).collect(),
        });
    }
    let Some(data) = spec.data_at(&format!("{place}/data"))? else {
        return Err(spec.problem(place, "missing-field", "the set has no `data`", None));
    };
    let dataset = (parts.open)(spec, &data, &format!("{place}/data"))?;
    let order = order(Some(&data), dataset.len(), pipeline.seed, pipeline.epoch);
    Ok(SetPlan { name, source: SetSource::Data(Box::new(dataset)), steps, data: Some(data), order })
}

fn describe_end(steps: &[Step]) -> String {
    steps.last().map_or_else(|| "files of any size".to_owned(), |step| step.after.describe())
}
