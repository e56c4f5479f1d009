//! Where acts can be, and saliency maps.

use std::collections::BTreeMap;

use augraft_onnx::Channels;
use augraft_operator::Issue;
use augraft_pipeline::{ImageLayout, LayoutName, MapLayout, PipelineSpec, Report, WrittenLayout, map_layout};
use serde_json::{Map, Value};

use super::SECTION;
use crate::plan::{Pairs, Parts, PlaceFacts, Problems, SaliencyPlan, beside};
use crate::spec::{ExperimentFields, Method, SaliencyFields, Target};

/// Every place that is named, in model order, the input first.
pub(super) fn places(parts: &Parts<'_>, fields: &ExperimentFields, problems: &mut Problems) -> Vec<PlaceFacts> {
    let Parts { spec, facts, pipeline, .. } = parts;
    let end = pipeline.steps.last().map_or(&pipeline.input, |step| &step.after);
    let [height, width] = end.size().unwrap_or([1, 1]);
    let mut places = vec![PlaceFacts {
        tensor: facts.input.clone(),
        alias: "input".to_owned(),
        shape: vec![1, end.channels, height, width],
        map: [end.channels, height, width],
        layout: if facts.layout == ImageLayout::Nhwc { MapLayout::Nhwc } else { MapLayout::Nchw },
        dominates: true,
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
        places.extend(problems.keep(place(parts, pointer, &site.name, fields.written_layout())));
    }
    places
}

/// A tensor as a place, which must be a map, tokens of a map, or a vector.
fn place(parts: &Parts<'_>, pointer: &str, tensor: &str, written: WrittenLayout) -> Result<PlaceFacts, Report> {
    let Parts { spec, facts, .. } = parts;
    let refused = |message: String, help: &str| spec.problem(pointer, "site-shape", message, Some(help));
    let Some(site) = facts.sites.iter().find(|site| site.name == tensor) else {
        return Err(refused(format!("the model has no tensor `{tensor}`"), "`augraft sites MODEL` lists them"));
    };
    // One word on tokens or axes is said for all sites, and concerns those that have them.
    let axes = site.shape.len();
    let tokens = written.tokens.filter(|_| axes == 3);
    let name = written.name.filter(|name| axes == if *name == LayoutName::Tokens { 3 } else { 4 });
    let found = map_layout(site, WrittenLayout { name, tokens }, true);
    let (layout, map) = found.map_err(|Issue { message, help, .. }| {
        let help = help.map(|help| help.replace(" beside `at`", " in `experiment`"));
        spec.problem(pointer, "site-shape", message, help.as_deref())
    })?;
    Ok(PlaceFacts {
        tensor: tensor.to_owned(),
        alias: spec.alias_of(tensor),
        shape: site.shape.clone(),
        map,
        layout,
        dominates: site.dominates,
        macs_after: parts.macs_after.get(tensor).copied().unwrap_or(0.0),
    })
}

pub(super) fn saliency(
    parts: &Parts<'_>,
    wanted: &SaliencyFields,
    written: WrittenLayout,
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
        let missing = |reason: &String| error("at", reason.clone(), help);
        problems.keep(parts.pooled.as_ref().map(|map| map.tensor.clone()).map_err(missing))?
    } else {
        problems.keep(spec.sites_at(&format!("{pointer}/at"), &wanted.at, facts))?.first()?.name.clone()
    };
    let head = parts.pooled.as_ref().ok().filter(|map| map.tensor == tensor);
    // The mean that the head takes shows which axes are the plane.
    let is_last = head.is_some_and(|map| map.channels == Channels::Last);
    let name = written.name.or(is_last.then_some(LayoutName::Nhwc));
    let written = WrittenLayout { name, ..written };
    if wanted.methods.contains(&Method::Cam) && head.is_none() {
        let why = parts.pooled.as_ref().err().map(|reason| format!(": {reason}")).unwrap_or_default();
        let message = format!(
            "`cam` needs the map that global average pooling and a linear head read; `{tensor}` is not it{why}"
        );
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
        let new = problems.keep(place(parts, &format!("{pointer}/at"), &tensor, written))?;
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
