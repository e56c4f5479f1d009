//! A model and the steps inside of it, resolved.

use std::collections::BTreeMap;

use augraft_operator::{Element, Issue, Layout, Rows, Shape};

use crate::device::{Device, EngineKind};
use crate::layout::MapLayout;
use crate::plan::{Facts, Inspect, ModelFacts, ModelPlan, SiteFacts, SitePlan};
use crate::ports::ImageLayout;
use crate::problems::Problems;
use crate::site_map::map_layout;
use crate::spec::ModelSpec;
use crate::step::SiteStepSpec;
use crate::step_run::StepRun;
use crate::suggest::{choices, nearest};
use crate::validate::escaped;

/// Resolves the sites of a model and checks the steps there; `end` is the shape of the images, none when their steps have problems.
pub(crate) fn plan_model<E: Into<Issue>>(
    spec: &ModelSpec,
    (seed, epoch): (u64, u32),
    end: Option<&Shape>,
    facts: &Facts,
    inspect: &mut Inspect<'_, E>,
    problems: &mut Problems<'_>,
) -> Option<ModelPlan> {
    if spec.engine == EngineKind::Tract && spec.device != Device::Cpu {
        let help = "use `engine: onnxruntime`, or `device: cpu`".to_owned();
        problems.error(
            "/model/device",
            "bad-device",
            format!("tract runs on the CPU only, not on {}", spec.device),
            Some(help),
        );
        return None;
    }
    let model = match inspect(spec, end.and_then(Shape::size)).map_err(Into::into) {
        Ok(model) => model,
        Err(Issue { path, message, help }) => {
            let (field, code) = match &*path {
                "" | "file" => ("file", "bad-model"),
                "device" => ("device", "bad-device"),
                other => (other, "bad-engine"),
            };
            problems.error(&format!("/model/{field}"), code, message, help);
            return None;
        }
    };
    check_classes(&model, facts, problems);
    if let Some(end) = end {
        check_input(&model, end, problems);
    }
    for (alias, tensor) in &spec.sites {
        let is_other = model.others.iter().any(|(name, _)| glob(tensor.as_bytes(), name.as_bytes()));
        if matching(tensor, &model.sites).is_empty() && !is_other {
            unknown_site(&format!("/model/sites/{}", escaped(alias)), tensor, &[], spec, &model, problems);
        }
    }
    let image_size = end
        .and_then(Shape::size)
        .or_else(|| Some([model.input_shape.get(1).copied()??, model.input_shape.get(2).copied()??]));
    let mut sites = Sites {
        seed,
        epoch,
        classes: facts.classes,
        image_size,
        spec,
        model: &model,
        latest: None,
        runs: BTreeMap::new(),
    };
    for step in &spec.steps {
        sites.place(&step.at_path, step, problems);
    }
    let sites = sites.runs.into_values().map(|(site, _)| site).collect();
    Some(ModelPlan {
        file: spec.file.clone(),
        engine: spec.engine,
        device: spec.device,
        input: model.input,
        ports: spec.ports.clone(),
        layout: model.layout,
        classes: model.classes,
        answer: model.answer,
        sites,
    })
}

/// The sites that have steps so far, by their position in the model.
struct Sites<'s> {
    seed: u64,
    epoch: u32,
    classes: usize,
    image_size: Option<[usize; 2]>,
    spec: &'s ModelSpec,
    model: &'s ModelFacts,
    /// Position and name of the site of the step before.
    latest: Option<(usize, &'s str)>,
    runs: BTreeMap<usize, (SitePlan, StepRun)>,
}

impl<'s> Sites<'s> {
    fn place(&mut self, pointer: &str, step: &'s SiteStepSpec, problems: &mut Problems<'_>) {
        let alias = self.spec.sites.get(&step.at);
        let found = matching(alias.unwrap_or(&step.at), &self.model.sites);
        let Some(first) = found.first() else {
            let wanted = alias.unwrap_or(&step.at);
            if let Some((name, why)) =
                self.model.others.iter().find(|(name, _)| glob(wanted.as_bytes(), name.as_bytes()))
            {
                let help = "a step there would change nothing; choose another tensor".to_owned();
                problems.error(pointer, "idle-site", format!("the tensor `{name}` {why}"), Some(help));
            } else if alias.is_none() {
                let aliases: Vec<&str> = self.spec.sites.keys().map(String::as_str).collect();
                unknown_site(pointer, &step.at, &aliases, self.spec, self.model, problems);
            }
            return;
        };
        if let Some((_, name)) = self.latest.filter(|(position, _)| position > first) {
            let message = format!("`{}` is computed before `{name}`, but its step is written after it", step.at);
            problems.error(
                pointer,
                "site-order",
                message,
                Some("write the steps in the order in which the model computes their tensors".to_owned()),
            );
        }
        self.latest = Some((*first, &step.at));
        for position in &found {
            let facts = &self.model.sites[*position];
            let Some((layout, shape)) = self.shape(pointer, facts, step, problems) else { return };
            let id = if found.len() == 1 { step.step.id.clone() } else { format!("{}@{}", step.step.id, facts.name) };
            let start = || (self.spec.site(facts, layout), StepRun::new(self.seed, self.epoch, shape));
            let (site, run) = self.runs.entry(*position).or_insert_with(start);
            if site.layout != layout {
                let message = format!("the steps at `{}` do not agree on how it is a map", facts.name);
                let help = "write the same `layout` and `tokens` at each".to_owned();
                problems.error(pointer, "site-shape", message, Some(help));
                return;
            }
            if step.step.operator.rows() != Rows::Same {
                let message = format!(
                    "`{}` changes the number of samples, but the model goes on with those it had",
                    step.step.operator.name()
                );
                let help = "put it under `steps`".to_owned();
                problems.error(&step.step.path, "site-shape", message, Some(help));
                return;
            }
            let Some(planned) = run.check(&step.step, id, problems) else { return };
            if planned.after != planned.before {
                let message = format!(
                    "`{}` makes {} of {}, but the model goes on with the shape it had",
                    planned.name,
                    planned.after.describe(),
                    planned.before.describe()
                );
                let help = "choose a step that keeps the shape".to_owned();
                problems.error(&step.step.path, "site-shape", message, Some(help));
                return;
            }
            site.steps.push(planned);
        }
    }

    fn shape(
        &self,
        pointer: &str,
        facts: &SiteFacts,
        step: &SiteStepSpec,
        problems: &mut Problems<'_>,
    ) -> Option<(MapLayout, Shape)> {
        let of = |[channels, height, width]: [usize; 3]| {
            let layout = Layout::Dense { height, width };
            Shape { layout, channels, element: Element::F32, classes: self.classes, image_size: self.image_size }
        };
        let effects = step.step.operator.effects(&of([1, 1, 1]));
        let places = effects.moves || !effects.blends;
        match map_layout(facts, step.layout, places) {
            Ok((layout, map)) => Some((layout, of(map))),
            Err(Issue { path, message, help }) => {
                let code = if facts.element.is_some() { "site-type" } else { "site-shape" };
                problems.error(&pointer.replace("/at", &format!("/{path}")), code, message, help);
                None
            }
        }
    }
}

impl ModelSpec {
    fn site(&self, facts: &SiteFacts, layout: MapLayout) -> SitePlan {
        let alias = self.sites.iter().find(|(_, tensor)| **tensor == facts.name).map(|(alias, _)| alias.clone());
        SitePlan {
            tensor: facts.name.clone(),
            alias,
            dominates: facts.dominates,
            shape: facts.shape.clone(),
            layout,
            steps: Vec::new(),
        }
    }
}

/// Reports that `at` names nothing; `aliases` are the names beside those of the model's tensors that it could be.
pub(crate) fn unknown_site(
    pointer: &str,
    at: &str,
    aliases: &[&str],
    spec: &ModelSpec,
    model: &ModelFacts,
    problems: &mut Problems<'_>,
) {
    let known = aliases.iter().copied().chain(model.sites.iter().map(|site| site.name.as_str()));
    let near = choices(&nearest(at, known, 3));
    let what =
        if at.contains(['*', '?']) { "the pattern matches no tensor of the model" } else { "the model has no tensor" };
    let help = format!("near: {near}; `augraft sites {}` lists all", spec.file.display());
    problems.error(pointer, "unknown-site", format!("{what}: `{at}`"), Some(help));
}

fn check_classes(model: &ModelFacts, facts: &Facts, problems: &mut Problems<'_>) {
    if model.classes > 0 && facts.classes > model.classes {
        let message =
            format!("there are more classes ({}) than the model has outputs ({})", facts.classes, model.classes);
        problems.error(
            "/model/file",
            "too-many-classes",
            message,
            Some("give the model's classes with `data.classes`, or use another model".to_owned()),
        );
    }
}

fn check_input(model: &ModelFacts, end: &Shape, problems: &mut Problems<'_>) {
    let [channels, height, width] = model.input_shape[..] else { return };
    let fits = |wanted: Option<usize>, side: usize| wanted.is_none_or(|wanted| wanted == side);
    let sized = end.size().is_some_and(|size| fits(height, size[0]) && fits(width, size[1]));
    let mut added = Vec::new();
    if !sized {
        let size = match (height, width) {
            (Some(height), Some(width)) if height != width => format!("[{height}, {width}]"),
            (side, other) => side.or(other).unwrap_or(224).to_string(),
        };
        let step = if end.size().is_some() { "resize" } else { "resized_crop" };
        added.push(format!("`{step}: {{ size: {size} }}`"));
    }
    if !fits(channels, end.channels) && channels == Some(1) {
        added.push("`grayscale: { channels: 1 }`".to_owned());
    }
    if (end.element, model.element) == (Element::U8, Element::F32) {
        added.push("`normalize: imagenet`".to_owned());
    }
    let mut advice = Vec::new();
    if !added.is_empty() {
        advice.push(format!("add {} to `steps`", added.join(" and ")));
    }
    if (end.element, model.element) == (Element::F32, Element::U8) {
        advice.push("leave out what makes floats of bytes, such as `normalize`".to_owned());
    }
    if advice.is_empty() && fits(channels, end.channels) {
        return;
    }
    let side = |side: Option<usize>, open: &str| side.map_or_else(|| open.to_owned(), |side| side.to_string());
    let (element, sides) = (
        if model.element == Element::U8 { "u8" } else { "f32" },
        [side(channels, "C"), side(height, "H"), side(width, "W")],
    );
    let wanted = match model.layout {
        ImageLayout::Nchw => format!("{element} [N,{},{},{}]", sides[0], sides[1], sides[2]),
        ImageLayout::Nhwc => format!("{element} [N,{},{},{}], channels last,", sides[1], sides[2], sides[0]),
    };
    let help = (!advice.is_empty()).then(|| advice.join("; "));
    problems.error(
        "/model/file",
        "model-input",
        format!("the model takes {wanted}, but the steps end with {}", end.describe()),
        help,
    );
}

/// Positions of the tensors called `pattern`, else of those that match it: `*` stands for any characters, `?` for one.
pub(crate) fn matching(pattern: &str, sites: &[SiteFacts]) -> Vec<usize> {
    if let Some(position) = sites.iter().position(|site| site.name == pattern) {
        return vec![position];
    }
    let matches = |position: &usize| glob(pattern.as_bytes(), sites[*position].name.as_bytes());
    (0..sites.len()).filter(matches).collect()
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    // `fits[i]` says whether the pattern so far matches the first `i` bytes of the name.
    let mut fits = vec![false; name.len() + 1];
    fits[0] = true;
    for &wanted in pattern {
        let mut after = vec![false; name.len() + 1];
        for i in 0..=name.len() {
            after[i] = match wanted {
                b'*' => fits[i] || (i > 0 && after[i - 1]),
                _ => i > 0 && fits[i - 1] && (wanted == b'?' || wanted == name[i - 1]),
            };
        }
        fits = after;
    }
    fits[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cross_slashes_and_all_of_the_name_must_match() {
        for (pattern, name, expected) in [
            ("*Add_output_0", "/a/b/Add_output_0", true),
            ("/a*b?c", "/a/x/bbc", true),
            ("*", "", true),
            ("a?", "a", false),
            ("Add", "/Add", false),
            ("/a*", "b/a", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}
