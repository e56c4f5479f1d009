//! From the section `experiment` of a file to a plan.

mod interventions;
mod measures;
mod places;
mod sets;

use std::collections::BTreeMap;

use augraft_operator::Rows;
use augraft_pipeline::{Answer, Report};

use self::interventions::Context;
use self::measures::{check_charts, metrics};
use self::places::{places, saliency};
use self::sets::{order, sets};
use crate::metric::Metric;
use crate::plan::{ExperimentPlan, Pairs, Parts, Problems, SaliencyPlan, SetPlan, SetSource, Setting, pairs_of};
use crate::spec::{ExperimentFields, Method};

const SECTION: &str = "/experiment";

/// Resolves and checks the experiment of a file.
///
/// # Errors
/// All problems that are found, each at its place.
pub fn prepare(parts: Parts<'_>) -> Result<ExperimentPlan, Report> {
    let spec = parts.spec;
    let Some(fields) = spec.section::<ExperimentFields>(SECTION, "`experiment`")? else {
        let help = "add `experiment: { metrics: [...] }`, or use `augraft run`";
        return Err(spec.problem("", "no-experiment", "the file has no `experiment`", Some(help)));
    };
    let mut problems = Problems::default();
    let mut notes = Vec::new();
    check_file(&parts, &fields, &mut problems);
    let own_order = order(parts.pipeline.data.as_ref(), parts.dataset.len(), parts.pipeline.seed, parts.pipeline.epoch);
    let images = own_order.len();
    let pairs = pairs_of(&fields.over, images);
    if let Some(pairs) = pairs.filter(|pairs| pairs.count > images) {
        notes.push(format!(
            "{} pairs of {images} images share images; the intervals take them as independent",
            pairs.count
        ));
    }
    check_pairs(&parts, pairs, &own_order, &mut problems);
    check_variables(&parts, &fields, &mut problems);
    let variables = variables(&fields);
    let mut places = places(&parts, &fields, &mut problems);
    let metrics = metrics(&parts, &fields, pairs, &variables, &mut problems);
    check_charts(&parts, &fields, &metrics, &variables, &mut problems);
    let saliency = fields.saliency.as_ref().and_then(|wanted| {
        saliency(&parts, wanted, fields.written_layout(), pairs, &mut places, &mut notes, &mut problems)
    });
    if fields.saliency.is_none() && metrics.iter().any(|metric| matches!(metric, Metric::Map(_))) {
        let message = "the metrics measure saliency maps, but there are none";
        problems.push(spec.problem("/experiment/metrics", "bad-metric", message, Some("add `saliency`")));
    }
    if metrics.iter().any(|metric| matches!(metric, Metric::Detection(..))) {
        notes.push(
            "positive class of the detection metrics: in-distribution (`data`); larger scores are more in-distribution"
                .to_owned(),
        );
    }
    let mut bases = Vec::new();
    let mut settings = vec![clean_setting(variables.len(), fields.interventions.is_empty())];
    let context = Context { parts: &parts, places: &places, variables: &variables, pairs };
    for (number, written) in fields.interventions.iter().enumerate() {
        context.intervention(number, written, &mut bases, &mut settings, &mut problems);
    }
    if let Some(saliency) = &saliency {
        check_saliency(&parts, saliency, &settings, &mut problems);
    }
    // A base is run once for all settings that start from it, and its rows are wanted beside theirs.
    let with_base = |base: usize| Setting {
        intervention: format!("base-{}", base + 1),
        base: Some(base),
        ..clean_setting(variables.len(), false)
    };
    let base_settings: Vec<Setting> = (0..bases.len()).map(with_base).collect();
    settings.splice(1..1, base_settings);
    let sets = sets(&parts, &fields, &mut problems);
    for place in places.iter().filter(|place| !place.dominates) {
        notes.push(format!("other tensors lead around `{}`: an act there leaves them as they are", place.alias));
    }
    problems.finish()?;
    let batch = parts.pipeline.data.as_ref().map_or(1, |data| data.batch);
    let name = spec.file.file_stem().map_or_else(|| "experiment".into(), |stem| stem.to_string_lossy().into_owned());
    let classes = parts.dataset.classes().to_vec();
    let (answer, ref why) = parts.facts.answer;
    if answer != Answer::Logits {
        notes.push(format!("the model answers with {}: {why}", answer.describe()));
    }
    let Parts { dataset, multiply_adds, pipeline, .. } = parts;
    let own = SetPlan {
        name: "data".to_owned(),
        source: SetSource::Data(Box::new(dataset)),
        steps: pipeline.steps.clone(),
        data: pipeline.data.clone(),
        order: own_order,
    };
    Ok(ExperimentPlan {
        name,
        description: fields.description.trim().to_owned(),
        seed: pipeline.seed,
        epoch: pipeline.epoch,
        batch,
        pairs,
        sets: std::iter::once(own).chain(sets).collect(),
        places,
        variables,
        bases: bases.into_iter().map(|(_, acts)| acts).collect(),
        settings,
        saliency,
        metrics,
        charts: fields.charts,
        answer,
        classes,
        multiply_adds,
        notes,
    })
}

/// Checks that maps can be made of what interventions leave.
fn check_saliency(parts: &Parts<'_>, saliency: &SaliencyPlan, settings: &[Setting], problems: &mut Problems) {
    let error =
        |message: &str, help: &str| parts.spec.problem("/experiment/saliency", "bad-saliency", message, Some(help));
    let last = settings.iter().filter_map(|setting| setting.place).max().unwrap_or(0);
    if last > saliency.place {
        problems.push(error(
            "an intervention acts behind the feature map of the maps",
            "act before it, or choose a later map",
        ));
    }
    let probes_images = saliency.methods.iter().any(|method| matches!(method, Method::ScoreCam | Method::Occlusion));
    if last > 0 && probes_images {
        let message = "`score_cam` and `occlusion` run changed images, so interventions must act at the input";
        problems.push(error(message, "use `at: [input]`, or other methods"));
    }
    if saliency.methods.contains(&Method::AblationCam) && parts.facts.answer.0 != Answer::Logits {
        let message =
            format!("`ablation_cam` needs logits, and the model answers with {}", parts.facts.answer.0.describe());
        problems.push(error(&message, "use another method, or a model without its softmax"));
    }
    let has_key = |key: &String| (0..parts.dataset.len()).any(|index| parts.dataset.key(index) == key);
    if !saliency.boxes.is_empty() && !saliency.boxes.keys().any(has_key) {
        let names = parts.dataset.key(0);
        let message = format!("no box is of an image of the data; their names are like `{names}`");
        problems.push(parts.spec.problem("/experiment/saliency/boxes", "bad-boxes", message, None));
    }
}

fn clean_setting(variables: usize, explained: bool) -> Setting {
    Setting {
        intervention: "clean".to_owned(),
        place: None,
        values: vec![None; variables],
        base: None,
        acts: Vec::new(),
        must_change: false,
        may_keep: true,
        explained,
    }
}

/// What the rest of the file must be for an experiment.
fn check_file(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) {
    let Parts { spec, pipeline, dataset, facts, .. } = parts;
    let mut error = |place: &str, code, message: String, help: &str| {
        problems.push(spec.problem(place, code, message, Some(help)));
    };
    if spec.model.as_ref().is_some_and(|model| !model.steps.is_empty()) {
        let help = "write them as `experiment.interventions` with `at`";
        error("/model/steps", "bad-step", "an experiment has no `model.steps`".to_owned(), help);
    }
    if let Some(step) = pipeline.steps.iter().position(|step| step.operator.rows() != Rows::Same) {
        let help = "use steps that keep the number of samples";
        error(&format!("/steps/{step}"), "bad-step", "an experiment needs one image from each file".to_owned(), help);
    }
    if let Some(step) = pipeline.steps.iter().position(|step| step.effects.mixes) {
        let help = "mix in `experiment.interventions`, so that the clean run is known";
        error(
            &format!("/steps/{step}"),
            "bad-step",
            "the steps of an experiment prepare images and do not mix them".to_owned(),
            help,
        );
    }
    if facts.classes == 0 {
        error(
            "/model/file",
            "bad-model",
            "the model's output is not logits N x K".to_owned(),
            "name a classifier, or with `model.output` the output that is one",
        );
    } else if dataset.has_labels() && dataset.classes().len() != facts.classes {
        let message =
            format!("the data has {} classes, but the model {} logits", dataset.classes().len(), facts.classes);
        let help = "name the classes in the order of the logits, one a line, in the file `data.classes`";
        error("/data", "classes-differ", message, help);
    }
    let mut names = BTreeMap::from([("clean", 0)]);
    for (number, written) in fields.interventions.iter().enumerate() {
        let reserved = written.name.starts_with("base-");
        if reserved || names.insert(&written.name, number).is_some() {
            let why = if reserved { "names of bases begin like it" } else { "another run has it" };
            let message = format!("the name `{}` is taken: {why}", written.name);
            error(&format!("{SECTION}/interventions/{number}/name"), "duplicate-id", message, "choose another one");
        }
    }
}

fn check_pairs(parts: &Parts<'_>, pairs: Option<Pairs>, order: &[u64], problems: &mut Problems) {
    let Some(pairs) = pairs else { return };
    let mut error = |message: &str, help: &str| {
        problems.push(parts.spec.problem("/experiment/over", "no-pairs", message, Some(help)));
    };
    if !parts.dataset.has_labels() {
        return error("pairs need labels, and the images have none", "use `folder:` or `shards:` with labels");
    }
    let mut classes: Vec<_> = order.iter().map(|index| parts.dataset.label(*index as usize)).collect();
    classes.sort_unstable();
    classes.dedup();
    if order.len() < 2 {
        error("one image makes no pair", "add images, or raise `data.limit`");
    } else if pairs.distinct_class && classes.len() < 2 {
        error(
            "all images are of one class, so none has a partner of another",
            "add images, or say `distinct_class: false`",
        );
    }
}

/// Columns of the summary, which no variable may be called.
const RESERVED: [&str; 12] =
    ["high", "intervention", "low", "method", "metric", "n", "p", "p_holm", "run", "set", "site", "value"];

/// Checks that variables have names of their own and are used.
fn check_variables(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) {
    for (number, written) in fields.interventions.iter().enumerate() {
        let acts = serde_json::to_string(&written.apply).unwrap_or_default();
        for name in written.sweep.keys() {
            let place = format!("{SECTION}/interventions/{number}/sweep/{name}");
            let mut error = |message: String, help: &str| {
                problems.push(parts.spec.problem(&place, "bad-variable", message, Some(help)));
            };
            if RESERVED.contains(&name.as_str()) {
                error(format!("`{name}` is a column of the summary"), "give the variable another name");
            } else if !acts.contains(&format!("\"${name}\"")) {
                error(format!("nothing uses the variable `{name}`"), &format!("write `${name}` in `apply`"));
            }
        }
    }
}

/// The variables of all sweeps, in the order of the file.
fn variables(fields: &ExperimentFields) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in fields.interventions.iter().flat_map(|intervention| intervention.sweep.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
