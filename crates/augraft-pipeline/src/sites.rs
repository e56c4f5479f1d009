//! A model and the steps inside of it, resolved.

use std::collections::BTreeMap;

use augraft_operator::{Element, Issue, Layout, Rows, Shape};

use crate::device::{Device, EngineKind};
use crate::plan::{Facts, Inspect, ModelFacts, ModelPlan, SiteFacts, SitePlan};
use crate::problems::Problems;
use crate::spec::ModelSpec;
use crate::step::{SiteStepSpec, Tokens};
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
        .or_else(|| Some([model.input_shape.get(2).copied()??, model.input_shape.get(3).copied()??]));
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
        classes: model.classes,
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
            if let Some((name, kind)) =
                self.model.others.iter().find(|(name, _)| glob(wanted.as_bytes(), name.as_bytes()))
            {
                let help =
                    "steps act on f32; export the model in single precision, or choose a tensor before or behind"
                        .to_owned();
                problems.error(pointer, "site-type", format!("the tensor `{name}` is {kind}"), Some(help));
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
            let Some(shape) = self.shape(pointer, facts, step.tokens, problems) else { return };
            let id = if found.len() == 1 { step.step.id.clone() } else { format!("{}@{}", step.step.id, facts.name) };
            let start = || (self.spec.site(facts, step.tokens), StepRun::new(self.seed, self.epoch, shape));
            let (site, run) = self.runs.entry(*position).or_insert_with(start);
            if site.tokens != step.tokens {
                let message = format!("the steps at `{}` do not agree on `tokens`", facts.name);
                problems.error(pointer, "site-shape", message, Some("write the same `tokens` at each".to_owned()));
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
        tokens: Option<Tokens>,
        problems: &mut Problems<'_>,
    ) -> Option<Shape> {
        if let Some(tokens) = tokens {
            return self.token_shape(pointer, facts, tokens, problems);
        }
        let [1, channels, height, width] = facts.shape[..] else {
            let message =
                format!("`{}` has the shape {:?} for one image, but steps act on N,C,H,W", facts.name, facts.shape);
            problems.error(
                pointer,
                "site-shape",
                message,
                Some(match facts.shape.len() {
                    3 => "say how its rows are a map, for example `tokens: { grid: [14, 14], class: 1 }` beside `at`"
                        .to_owned(),
                    _ => format!("choose a feature map; `augraft sites {}` lists shapes", self.spec.file.display()),
                }),
            );
            return None;
        };
        Some(self.map_shape(channels, [height, width]))
    }

    fn map_shape(&self, channels: usize, [height, width]: [usize; 2]) -> Shape {
        let layout = Layout::Dense { height, width };
        Shape { layout, channels, element: Element::F32, classes: self.classes, image_size: self.image_size }
    }

    /// The map that the rows of a tensor N,T,D are.
    fn token_shape(
        &self,
        pointer: &str,
        facts: &SiteFacts,
        tokens: Tokens,
        problems: &mut Problems<'_>,
    ) -> Option<Shape> {
        let (grid, class) = (tokens.grid.map(|side| side.get() as usize), tokens.class.get() as usize);
        match facts.shape[..] {
            [1, rows, channels] if rows == grid[0] * grid[1] + class => Some(self.map_shape(channels, grid)),
            _ => {
                let message = format!(
                    "`{}` has the shape {:?} for one image, which is no [1, {} x {} + {class}, D]",
                    facts.name, facts.shape, grid[0], grid[1]
                );
                let help = "the grid and the class tokens make up the second side".to_owned();
                problems.error(&pointer.replace("/at", "/tokens"), "site-shape", message, Some(help));
                None
            }
        }
    }
}

impl ModelSpec {
    fn site(&self, facts: &SiteFacts, tokens: Option<Tokens>) -> SitePlan {
        let alias = self.sites.iter().find(|(_, tensor)| **tensor == facts.name).map(|(alias, _)| alias.clone());
        SitePlan {
            tensor: facts.name.clone(),
            alias,
            dominates: facts.dominates,
            shape: facts.shape.clone(),
            tokens,
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
    let [_, channels, height, width] = model.input_shape[..] else {
        problems.error(
            "/model/file",
            "bad-model",
            format!("the input `{}` of the model is no image batch N,C,H,W", model.input),
            None,
        );
        return;
    };
    let fits = |wanted: Option<usize>, side: usize| wanted.is_none_or(|wanted| wanted == side);
    let sized = end.size().is_some_and(|size| fits(height, size[0]) && fits(width, size[1]));
    let mut advice = Vec::new();
    if !sized {
        let size = match (height, width) {
            (Some(height), Some(width)) if height != width => format!("[{height}, {width}]"),
            (side, other) => side.or(other).unwrap_or(224).to_string(),
        };
        let step = if end.size().is_some() { "resize" } else { "resized_crop" };
        advice.push(format!("`{step}: {{ size: {size} }}`"));
    }
    if end.element != Element::F32 {
        advice.push("`normalize: imagenet`".to_owned());
    }
    if advice.is_empty() && fits(channels, end.channels) {
        return;
    }
    let side = |side: Option<usize>, open: &str| side.map_or_else(|| open.to_owned(), |side| side.to_string());
    let wanted = format!("f32 [N,{},{},{}]", side(channels, "C"), side(height, "H"), side(width, "W"));
    let help = (!advice.is_empty()).then(|| format!("add {} to `steps`", advice.join(" and ")));
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
