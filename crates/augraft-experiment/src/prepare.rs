//! From the section `experiment` of a file to a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use augraft_data::{BatchPlan, Dataset, Error as DataError, Source as DataFiles};
use augraft_operator::{AnyOperator, Element, Layout, Role, Rows, Shape, StepKey};
use augraft_pipeline::{DataSource, DataSpec, PipelineSpec, Report, Step, Tokens};
use serde_json::{Map, Value};

use crate::acts::{Act, OWN_ACTS, OwnAct, Source};
use crate::metric::{MapMetric, Metric};
use crate::plan::{
    ExperimentPlan, Pairs, Parts, PlaceFacts, Problems, SaliencyPlan, SetPlan, SetSource, Setting, beside, pairs_of,
};
use crate::spec::{
    ExperimentFields, InterventionFields, Method, MetricFields, RangeFields, SaliencyFields, SetFields, SweepFields,
    Target,
};

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
    let pairs = pairs_of(&fields.over, parts.dataset.len());
    check_pairs(&parts, pairs, &mut problems);
    let variables = variables(&fields);
    let mut places = places(&parts, &fields, &mut problems);
    let metrics = metrics(&parts, &fields, pairs, &variables, &mut problems);
    let saliency = fields
        .saliency
        .as_ref()
        .and_then(|wanted| saliency(&parts, wanted, fields.tokens, pairs, &mut places, &mut notes, &mut problems));
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
        context.intervention(number, written, fields.tokens, &mut bases, &mut settings, &mut problems);
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
    for place in places.iter().filter(|place| !place.separates) {
        notes.push(format!("other tensors lead around `{}`: an act there leaves them as they are", place.alias));
    }
    problems.finish()?;
    let batch = parts.pipeline.data.as_ref().map_or(1, |data| data.batch);
    let name = spec.file.file_stem().map_or_else(|| "experiment".into(), |stem| stem.to_string_lossy().into_owned());
    let mut all_sets = vec![own_set(&parts)];
    all_sets.extend(sets);
    let classes = parts.dataset.classes().to_vec();
    let Parts { dataset, multiply_adds, pipeline, .. } = parts;
    all_sets[0].source = SetSource::Data(Box::new(dataset));
    Ok(ExperimentPlan {
        name,
        description: fields.description.trim().to_owned(),
        seed: pipeline.seed,
        epoch: pipeline.epoch,
        batch,
        pairs,
        sets: all_sets,
        places,
        variables,
        bases: bases.into_iter().map(|(_, acts)| acts).collect(),
        settings,
        saliency,
        metrics,
        charts: fields.charts,
        classes,
        multiply_adds,
        notes,
    })
}

fn clean_setting(variables: usize, explained: bool) -> Setting {
    Setting {
        intervention: "clean".to_owned(),
        place: None,
        values: vec![None; variables],
        base: None,
        acts: Vec::new(),
        must_change: false,
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
    if let Some(step) = pipeline.steps.iter().position(|step| step.operator.role() == Role::Mix) {
        let help = "mix in `experiment.interventions`, so that the clean run is known";
        error(
            &format!("/steps/{step}"),
            "bad-step",
            "the steps of an experiment prepare images and do not mix them".to_owned(),
            help,
        );
    }
    if facts.classes == 0 {
        error("/model/file", "bad-model", "the model's output is not logits N x K".to_owned(), "name a classifier");
    } else if dataset.has_labels() && dataset.classes().len() != facts.classes {
        let message =
            format!("the data has {} classes, but the model {} logits", dataset.classes().len(), facts.classes);
        let help = "name the classes in the order of the logits, one a line, in the file `data.classes`";
        error("/data", "classes-differ", message, help);
    }
    let mut names = BTreeMap::from([("clean", 0)]);
    for (number, written) in fields.interventions.iter().enumerate() {
        if names.insert(&written.name, number).is_some() || written.name.starts_with("base-") {
            let message = format!("the name `{}` is taken", written.name);
            error(&format!("{SECTION}/interventions/{number}/name"), "duplicate-id", message, "choose another one");
        }
    }
}

fn check_pairs(parts: &Parts<'_>, pairs: Option<Pairs>, problems: &mut Problems) {
    let Some(pairs) = pairs else { return };
    let order = order(parts.pipeline.data.as_ref(), parts.dataset.len(), parts.pipeline.seed, parts.pipeline.epoch);
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

/// The images of a data set in the order in which they are used.
fn order(data: Option<&DataSpec>, samples: usize, seed: u64, epoch: u32) -> Vec<u64> {
    let Some(data) = data else { return Vec::new() };
    let shuffle = data.shuffle.then_some((seed, u64::from(epoch)));
    let plan = BatchPlan { batch: data.batch, shuffle, drop_last: data.drop_last, limit: data.limit };
    (0..plan.len(samples)).flat_map(|batch| plan.indices(batch, samples)).collect()
}

fn own_set(parts: &Parts<'_>) -> SetPlan {
    let Parts { pipeline, dataset, .. } = parts;
    SetPlan {
        name: "data".to_owned(),
        source: SetSource::Noise(crate::spec::NoiseFields { kind: crate::spec::NoiseKind::Uniform, count: 1, size: 1 }),
        steps: pipeline.steps.clone(),
        data: pipeline.data.clone(),
        order: order(pipeline.data.as_ref(), dataset.len(), pipeline.seed, pipeline.epoch),
    }
}

fn sets(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) -> Vec<SetPlan> {
    let spec = parts.spec;
    if !fields.sets.is_empty() && pairs_of(&fields.over, 1).is_some() {
        let help = "use `over: images`";
        problems.push(spec.problem("/experiment/sets", "bad-set", "other sets have no pairs", Some(help)));
    }
    let read = |(number, written): (usize, &SetFields)| {
        let place = format!("{SECTION}/sets/{number}");
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
    let dataset = open(spec, &data, &format!("{place}/data"))?;
    let order = order(Some(&data), dataset.len(), pipeline.seed, pipeline.epoch);
    Ok(SetPlan { name, source: SetSource::Data(Box::new(dataset)), steps, data: Some(data), order })
}

fn describe_end(steps: &[Step]) -> String {
    steps.last().map_or_else(|| "files of any size".to_owned(), |step| step.after.describe())
}

/// Opens the files of a data source that is written at `pointer`.
pub(crate) fn open(spec: &PipelineSpec, data: &DataSpec, pointer: &str) -> Result<Dataset, Report> {
    let (source, field) = match &data.source {
        DataSource::Folder(path) => (DataFiles::Folder(path.clone()), "folder"),
        DataSource::Flat(path) => (DataFiles::Flat(path.clone()), "flat"),
        DataSource::Shards(pattern) => (DataFiles::Shards(pattern.clone()), "shards"),
    };
    Dataset::open_with_classes(&source, data.classes.as_deref()).map_err(|error| {
        let field = match &error {
            DataError::ClassList { .. } | DataError::Missing { what: "class list", .. } => "classes",
            _ => field,
        };
        spec.problem(&format!("{pointer}/{field}"), "bad-data", error.to_string(), None)
    })
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

/// Every place that is named, in model order, the input first.
fn places(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) -> Vec<PlaceFacts> {
    let Parts { spec, facts, pipeline, .. } = parts;
    let end = pipeline.steps.last().map_or(&pipeline.input, |step| &step.after);
    let [height, width] = end.size().unwrap_or([1, 1]);
    let mut places = vec![PlaceFacts {
        tensor: facts.input.clone(),
        alias: "input".to_owned(),
        shape: vec![1, end.channels, height, width],
        map: [end.channels, height, width],
        tokens: None,
        separates: true,
        macs_after: 1.0,
    }];
    let mut wanted = Vec::new();
    for (number, written) in fields.interventions.iter().enumerate() {
        for (at, name) in written.at.iter().enumerate().filter(|(_, name)| *name != "input") {
            let pointer = format!("{SECTION}/interventions/{number}/at/{at}");
            let found = problems.keep(spec.sites_at(&pointer, name, facts)).unwrap_or_default();
            wanted.extend(found.into_iter().map(|site| (pointer.clone(), site.name)));
        }
    }
    for site in &facts.sites {
        let Some((pointer, _)) = wanted.iter().find(|(_, name)| *name == site.name) else { continue };
        places.extend(problems.keep(place(parts, pointer, &site.name, fields.tokens)));
    }
    places
}

/// A tensor as a place, which must be a map, tokens of a map, or a vector.
fn place(parts: &Parts<'_>, pointer: &str, tensor: &str, tokens: Option<Tokens>) -> Result<PlaceFacts, Report> {
    let Parts { spec, facts, .. } = parts;
    let refused = |message: String, help: &str| spec.problem(pointer, "site-shape", message, Some(help));
    let Some(site) = facts.sites.iter().find(|site| site.name == tensor) else {
        return Err(refused(format!("the model has no tensor `{tensor}`"), "`augraft sites MODEL` lists them"));
    };
    let map = match (&site.shape[..], tokens) {
        ([1, channels, height, width], _) => ([*channels, *height, *width], None),
        ([1, channels], _) => ([*channels, 1, 1], None),
        ([1, rows, channels], Some(tokens)) if *rows == tokens.rows() => {
            let [height, width] = tokens.grid.map(|side| side.get() as usize);
            ([*channels, height, width], Some(tokens))
        }
        (shape, _) => {
            let help = "choose a feature map N,C,H,W; for N,T,D say `tokens: { grid: [14, 14], class: 1 }`";
            return Err(refused(
                format!("`{tensor}` has the shape {shape:?} for one image, and acts need a map"),
                help,
            ));
        }
    };
    Ok(PlaceFacts {
        tensor: tensor.to_owned(),
        alias: spec.alias_of(tensor),
        shape: site.shape.clone(),
        map: map.0,
        tokens: map.1,
        separates: site.separates,
        macs_after: parts.macs_after.get(tensor).copied().unwrap_or(0.0),
    })
}

fn metrics(
    parts: &Parts<'_>,
    fields: &ExperimentFields,
    pairs: Option<Pairs>,
    variables: &[String],
    problems: &mut Problems,
) -> Vec<Metric> {
    let spec = parts.spec;
    let mut metrics = Vec::new();
    for (number, written) in fields.metrics.iter().enumerate() {
        let place = format!("{SECTION}/metrics/{number}");
        let Some(metric) = problems.keep(Metric::read(spec, &place, written)) else { continue };
        let subject = metric.id();
        let mut error = |message: String, help: &str| {
            let at =
                if matches!(written, MetricFields::Name(_)) { place.clone() } else { format!("{place}/{subject}") };
            problems.push(spec.problem(&at, "bad-metric", message, Some(help)));
        };
        if metric.needs_pairs() && pairs.is_none() {
            error(
                format!("`{subject}` compares two classes, but every unit is one image"),
                "say `over: { pairs: 1000 }`",
            );
        } else if metric.needs_labels() && !parts.dataset.has_labels() {
            error(format!("`{subject}` needs to know the class of an image"), "use `folder:` or `shards:` with labels");
        } else if matches!(metric, Metric::Detection(..)) && fields.sets.is_empty() {
            let help = "add `sets`, such as `- { name: noise, noise: { kind: uniform, count: 100, size: 224 } }`";
            error(format!("`{subject}` tells the data from other sets, and there is only one class of images"), help);
        } else if let Metric::AreaBetween { x, .. } | Metric::Crossing { x } = &metric
            && !variables.contains(x)
        {
            error(format!("`{subject}` is over `{x}`, which no `sweep` has"), "name a variable of a sweep");
        } else if matches!(metric, Metric::AreaBetween { .. }) && fields.interventions.len() != 2 {
            error(format!("`{subject}` needs two interventions"), "write two, with one sweep");
        }
        metrics.push(metric);
    }
    metrics
}

fn saliency(
    parts: &Parts<'_>,
    wanted: &SaliencyFields,
    tokens: Option<Tokens>,
    pairs: Option<Pairs>,
    places: &mut Vec<PlaceFacts>,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<SaliencyPlan> {
    let Parts { spec, facts, .. } = parts;
    let pointer = format!("{SECTION}/saliency");
    let error = |field: &str, message: String, help: &str| {
        spec.problem(&format!("{pointer}/{field}"), "bad-saliency", message, Some(help))
    };
    let tensor = if wanted.at == "head" {
        let help = "name a feature map with `at`, and leave `cam` out";
        let missing =
            || error("at", "the model does not end in global average pooling and a linear head".to_owned(), help);
        problems.keep(parts.pooled.clone().ok_or_else(missing))?
    } else {
        problems.keep(spec.sites_at(&format!("{pointer}/at"), &wanted.at, facts))?.first()?.name.clone()
    };
    let has_head = parts.pooled.as_ref() == Some(&tensor);
    if wanted.methods.contains(&Method::Cam) && !has_head {
        let message =
            format!("`cam` needs the map that global average pooling and a linear head read; `{tensor}` is not it");
        problems.push(error("methods", message, "use `at: head`, or another method"));
    }
    if wanted.targets.contains(&Target::B) && pairs.is_none() {
        problems.push(error(
            "targets",
            "target `b` is the class of a partner, but there are no pairs".to_owned(),
            "say `over: { pairs: 100 }`",
        ));
    }
    if wanted.targets.contains(&Target::A) && !parts.dataset.has_labels() {
        problems.push(error(
            "targets",
            "target `a` is the class of the image, but the images have no labels".to_owned(),
            "use `top1`",
        ));
    }
    if !places.iter().any(|place| place.tensor == tensor) {
        let new = problems.keep(place(parts, &format!("{pointer}/at"), &tensor, tokens))?;
        let rank = |name: &str| facts.sites.iter().position(|site| site.name == name);
        let at = 1 + places[1..].iter().filter(|place| rank(&place.tensor) < rank(&tensor)).count();
        places.insert(at, new);
    }
    let place = places.iter().position(|place| place.tensor == tensor)?;
    let boxes = match &wanted.boxes {
        None => BTreeMap::new(),
        Some(path) => problems.keep(read_boxes(spec, &format!("{pointer}/boxes"), path))?,
    };
    if let Some(channels) = wanted.channels
        && wanted.methods.contains(&Method::ScoreCam)
    {
        notes.push(format!(
            "score_cam uses the {channels} channels of the largest mean, not all {}",
            places[place].map[0]
        ));
    }
    Some(SaliencyPlan {
        methods: wanted.methods.clone(),
        place,
        targets: wanted.targets.clone(),
        channels: wanted.channels,
        grid: wanted.grid,
        has_head,
        boxes,
    })
}

/// Boxes by the name of the image: `[left, top, right, bottom]`, a list of such, or an object with it as `box` or `boxes`.
fn read_boxes(spec: &PipelineSpec, pointer: &str, path: &str) -> Result<BTreeMap<String, Vec<[f64; 4]>>, Report> {
    let file = beside(spec, path);
    let refused = |message: String| spec.problem(pointer, "bad-boxes", message, None);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| refused(format!("`{}` cannot be read: {error}", file.display())))?;
    let json: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| refused(format!("`{}` is no JSON object: {error}", file.display())))?;
    let one = |value: &Value| serde_json::from_value::<[f64; 4]>(value.clone()).ok();
    let boxes = |value: &Value| {
        let value = value.get("box").or_else(|| value.get("boxes")).unwrap_or(value);
        one(value).map(|only| vec![only]).or_else(|| value.as_array()?.iter().map(one).collect())
    };
    let entry = |(key, value): (String, Value)| {
        let read = boxes(&value).ok_or_else(|| refused(format!("the boxes of `{key}` are no lists of four numbers")));
        read.map(|boxes| (key, boxes))
    };
    json.into_iter().map(entry).collect()
}

/// What interventions are resolved with.
struct Context<'c> {
    parts: &'c Parts<'c>,
    places: &'c [PlaceFacts],
    variables: &'c [String],
    pairs: Option<Pairs>,
}

impl Context<'_> {
    fn intervention(
        &self,
        number: usize,
        written: &InterventionFields,
        tokens: Option<Tokens>,
        bases: &mut Vec<(Vec<Value>, Vec<Act>)>,
        settings: &mut Vec<Setting>,
        problems: &mut Problems,
    ) {
        let spec = self.parts.spec;
        let pointer = format!("{SECTION}/interventions/{number}");
        let Some(sweep) = problems.keep(self.sweep(&pointer, &written.sweep)) else { return };
        let base = match &written.base[..] {
            [] => None,
            acts => {
                let known = bases.iter().position(|(json, _)| json == acts);
                let found = known.or_else(|| {
                    let prefix = format!("base-{}", bases.len() + 1);
                    let resolved = self.acts(&format!("{pointer}/base"), acts, &prefix, &Map::new(), 0, problems)?;
                    bases.push((acts.to_vec(), resolved));
                    Some(bases.len() - 1)
                });
                let Some(found) = found else { return };
                Some(found)
            }
        };
        let mut sites: Vec<usize> = Vec::new();
        for (at, name) in written.at.iter().enumerate() {
            if name == "input" {
                sites.push(0);
                continue;
            }
            // What is unknown was reported when the places were listed.
            let found = spec.sites_at(&format!("{pointer}/at/{at}"), name, self.parts.facts).unwrap_or_default();
            sites
                .extend(found.iter().filter_map(|site| self.places.iter().position(|place| place.tensor == site.name)));
        }
        sites.sort_unstable();
        sites.dedup();
        let _ = tokens;
        for place in sites {
            for combination in &sweep {
                let apply = format!("{pointer}/apply");
                let Some(acts) = self.acts(&apply, &written.apply, &written.name, combination, place, problems) else {
                    return;
                };
                let values = self.variables.iter().map(|name| combination.get(name).cloned()).collect();
                settings.push(Setting {
                    intervention: written.name.clone(),
                    place: Some(place),
                    values,
                    base,
                    must_change: !written.allow_no_change && must_change(&acts, self.places[place].map),
                    acts,
                    explained: true,
                });
            }
        }
    }

    /// Every combination of the values of the variables, the last variable fastest.
    fn sweep(&self, pointer: &str, sweep: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, Report> {
        let spec = self.parts.spec;
        let mut combinations = vec![Map::new()];
        for (name, json) in sweep {
            let place = format!("{pointer}/sweep/{name}");
            let values = match spec.value_at::<SweepFields>(&place, &format!("`{name}`"), json.clone())? {
                SweepFields::Values(values) => values,
                SweepFields::Range(range) => spread(range),
            };
            if values.is_empty() {
                return Err(spec.problem(&place, "wrong-length", format!("`{name}` has no value"), None));
            }
            if combinations.len().saturating_mul(values.len()) > MOST_SETTINGS {
                let message = format!("the sweep has more than {MOST_SETTINGS} settings");
                return Err(spec.problem(&place, "too-many", message, Some("take fewer values")));
            }
            let with = |earlier: &Map<String, Value>, value: &Value| {
                let mut all = earlier.clone();
                all.insert(name.clone(), value.clone());
                all
            };
            combinations =
                combinations.iter().flat_map(|earlier| values.iter().map(move |value| with(earlier, value))).collect();
        }
        Ok(combinations)
    }

    /// The acts of a setting at a place; none when they have problems.
    fn acts(
        &self,
        pointer: &str,
        written: &[Value],
        prefix: &str,
        values: &Map<String, Value>,
        place: usize,
        problems: &mut Problems,
    ) -> Option<Vec<Act>> {
        let mut acts = Vec::new();
        for (number, json) in written.iter().enumerate() {
            let pointer = format!("{pointer}/{number}");
            let id = format!("{prefix}/{number}");
            acts.push(problems.keep(self.act(&pointer, json, &id, values, place))?);
        }
        Some(acts)
    }

    fn act(
        &self,
        pointer: &str,
        json: &Value,
        id: &str,
        values: &Map<String, Value>,
        place: usize,
    ) -> Result<Act, Report> {
        let spec = self.parts.spec;
        let refused = |place: &str, message: String, help: Option<&str>| spec.problem(place, "bad-step", message, help);
        let substituted = substituted(json, values);
        let substituted = substituted.map_err(|name| {
            let help = "name a variable of `sweep`";
            refused(pointer, format!("`${name}` is no variable of this intervention"), Some(help))
        })?;
        let (name, config) = match &substituted {
            Value::String(name) => (name.clone(), Value::Null),
            Value::Object(fields) if fields.len() == 1 => fields
                .iter()
                .next()
                .map_or((String::new(), Value::Null), |(name, config)| (name.clone(), config.clone())),
            _ => return Err(refused(pointer, "an act is a map from one name to its options".to_owned(), None)),
        };
        let below = if json.is_string() { pointer.to_owned() } else { format!("{pointer}/{name}") };
        let map = self.places[place].map;
        let act = if OWN_ACTS.contains(&name.as_str()) {
            let config = if config.is_null() { Value::Object(Map::new()) } else { config };
            let tagged = Value::Object(Map::from_iter([(name.clone(), config)]));
            let own: OwnAct = spec.value_at(pointer, &format!("`{name}`"), tagged)?;
            check_own(&own, map).map_err(|message| refused(&below, format!("`{name}`: {message}"), None))?;
            Act::Own(own)
        } else {
            Act::Operator(Box::new(self.operator(&below, &name, config, id, place)?))
        };
        if act.needs_partner() && self.pairs.is_none() {
            let help = "say `over: { pairs: 1000 }`";
            return Err(refused(&below, format!("`{name}` needs a partner, but every unit is one image"), Some(help)));
        }
        Ok(act)
    }

    fn operator(&self, pointer: &str, name: &str, mut config: Value, id: &str, place: usize) -> Result<Step, Report> {
        let Parts { spec, registry, pipeline, .. } = self.parts;
        let operator: Arc<dyn AnyOperator> = spec.operator_at(registry, pointer, name, &config)?;
        let refused = |message: String, help: &str| spec.problem(pointer, "bad-step", message, Some(help));
        let operator = if operator.role() == Role::Mix && operator.config().get("partner").is_some() {
            // The batch of a pair is the image and its partner, so that the partner is known already.
            if config.get("partner").is_some() {
                return Err(refused(format!("`{name}` takes the partner of the pair"), "leave `partner` out"));
            }
            if !config.is_object() {
                config = Value::Object(Map::new());
            }
            config["partner"] = Value::String("flip".to_owned());
            spec.operator_at(registry, pointer, name, &config)?
        } else {
            operator
        };
        if operator.rows() != Rows::Same {
            return Err(refused(format!("`{name}` changes the number of samples"), "use another operator"));
        }
        if operator.needs_masks() {
            return Err(refused(
                format!("`{name}` takes labels from masks, and experiments have none"),
                "use another `label`",
            ));
        }
        let [channels, height, width] = self.places[place].map;
        let [_, image_height, image_width] = self.places[0].map;
        let before = Shape {
            layout: Layout::Dense { height, width },
            channels,
            element: Element::F32,
            classes: 2,
            image_size: (place > 0).then_some([image_height, image_width]),
        };
        let alias = &self.places[place].alias;
        let after = operator.check(&before).map_err(|issue| {
            let at = if issue.path.is_empty() {
                pointer.to_owned()
            } else {
                format!("{pointer}/{}", issue.path.replace('.', "/"))
            };
            let message = format!("`{name}` cannot work at `{alias}` ({}): {}", before.describe(), issue.message);
            spec.problem(&at, "step-does-not-fit", message, issue.help.as_deref())
        })?;
        if after != before {
            let message = format!(
                "`{name}` makes {} of {} at `{alias}`, but the model goes on with the shape it had",
                after.describe(),
                before.describe()
            );
            return Err(refused(message, "choose an operator that keeps the shape"));
        }
        let key = StepKey::new(pipeline.seed, id);
        Ok(Step { id: id.to_owned(), name: operator.name(), key, operator, before, after, scheduled: false })
    }
}

/// Settings of one intervention that nobody means.
const MOST_SETTINGS: usize = 100_000;

fn spread(range: RangeFields) -> Vec<Value> {
    let RangeFields { from, to, steps } = range;
    let value = |at: usize| {
        let value = from + (to - from) * at as f64 / (steps - 1) as f64;
        // Rounds off what the division leaves, so that 0.1 is written as 0.1.
        let value = (value * 1e12).round() / 1e12;
        if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
    };
    (0..steps).map(value).collect()
}

/// Replaces every text `$NAME` by the value of the variable; the name of one that does not exist is the error.
fn substituted(json: &Value, values: &Map<String, Value>) -> Result<Value, String> {
    Ok(match json {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => values.get(name).cloned().ok_or_else(|| name.to_owned())?,
            None => json.clone(),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| substituted(item, values)).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| Ok((name.clone(), substituted(value, values)?));
            Value::Object(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn check_own(own: &OwnAct, map: [usize; 3]) -> Result<(), String> {
    match own {
        OwnAct::Paste(paste) => paste.region.check(map),
        OwnAct::Replace(replace) => replace.region.check(map),
        OwnAct::Hole(hole) => hole.region.check(map),
        OwnAct::Lerp(_) | OwnAct::Clip(_) | OwnAct::Prune(_) => Ok(()),
    }
}

/// Whether acts at a tensor of this shape must change it: not those that are told to do nothing.
fn must_change(acts: &[Act], map: [usize; 3]) -> bool {
    acts.iter().any(|act| match act {
        Act::Own(OwnAct::Lerp(lerp)) => lerp.lam.get() < 1.0 && lerp.from == Source::Partner,
        Act::Own(OwnAct::Paste(paste)) => paste.region.asked_share() != Some(0.0) && paste.from == Source::Partner,
        Act::Own(OwnAct::Hole(hole)) => {
            let share = hole.region.place(map, None).share(map);
            if hole.outside == crate::acts::Outside::Center { share > 0.0 } else { share < 1.0 }
        }
        Act::Own(_) => false,
        Act::Operator(step) => step.operator.config().get("p").and_then(Value::as_f64) != Some(0.0),
    })
}

/// Whether a metric is one of saliency maps that compares with boxes.
pub(crate) fn needs_boxes(metric: &Metric) -> bool {
    matches!(metric, Metric::Map(measure) if !matches!(measure, MapMetric::EnergyInRegion))
}
