//! A plan in words.

use std::fmt::Write;
use std::path::Path;

use augraft_operator::{Gate, OnDrop, Parity, Registry};
use serde_json::Value;

use crate::flow::flow;
use crate::layout::MapLayout;
use crate::objects::AnnotationFormat;
use crate::plan::{ModelPlan, ObjectPlan, Plan, Step};
use crate::ports::{Answer, ImageLayout};
use crate::spec::{DataSource, DataSpec, OnDataError};
use crate::table::columns;

impl Plan {
    /// Prints the plan: settings, every step with its shapes and draws, the model with its sites.
    #[must_use]
    pub fn explain(&self) -> String {
        let registry = Registry::linked();
        let file = self.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut settings = vec![
            ["pipeline".to_owned(), file],
            ["seed".to_owned(), self.seed.to_string()],
            ["epoch".to_owned(), self.epoch.to_string()],
            ["data".to_owned(), self.data.as_ref().map_or_else(|| "none".to_owned(), |data| self.describe_data(data))],
        ];
        let classes = match self.input.classes {
            0 => "no labels".to_owned(),
            classes => format!("{classes} classes"),
        };
        settings.push(["input".to_owned(), format!("{}, {classes}", self.input.describe())]);
        settings.extend(self.objects.as_ref().map(|objects| ["objects".to_owned(), describe_objects(objects)]));
        settings.push(["out".to_owned(), self.out.display().to_string()]);
        let mut text = columns(&settings, "");
        let _ = writeln!(text, "\nsteps");
        text.push_str(&steps(&registry, &self.steps, "  "));
        if let Some(model) = &self.model {
            text.push_str(&self.describe_model(&registry, model));
        }
        text
    }

    fn describe_data(&self, data: &DataSpec) -> String {
        let source = match &data.source {
            DataSource::Folder(path) => format!("folder {}", self.written(path)),
            DataSource::Flat(path) => format!("flat {}", self.written(path)),
            DataSource::Shards(pattern) => format!("shards {}", self.written(Path::new(pattern))),
        };
        let mut parts = vec![source, format!("batch {}", data.batch)];
        parts.extend(data.limit.map(|limit| format!("limit {limit}")));
        parts.extend(data.classes.as_ref().map(|path| format!("classes {}", self.written(path))));
        parts.extend(data.shuffle.then(|| "shuffle".to_owned()));
        parts.extend(data.drop_last.then(|| "drop_last".to_owned()));
        let masks = data.masks.as_ref();
        parts.extend(
            masks.map(|masks| format!("masks {} ({} classes)", self.written(&masks.folder), masks.classes.count())),
        );
        let annotations = data.annotations.as_ref().map(|annotations| &annotations.source);
        parts.extend(annotations.map(|source| match source {
            AnnotationFormat::Coco(file) => format!("annotations {} (COCO)", self.written(file)),
            AnnotationFormat::Yolo { folder, .. } => format!("annotations {} (YOLO)", self.written(folder)),
            AnnotationFormat::Voc(folder) => format!("annotations {} (Pascal VOC)", self.written(folder)),
        }));
        parts.extend((data.on_error == OnDataError::Skip).then(|| "on_error skip".to_owned()));
        parts.join(", ")
    }

    fn describe_model(&self, registry: &Registry, model: &ModelPlan) -> String {
        let images = match model.layout {
            ImageLayout::Nchw => model.input.clone(),
            ImageLayout::Nhwc => format!("{} [N,H,W,C]", model.input),
        };
        let settings = [
            ["model".to_owned(), self.written(&model.file)],
            ["engine".to_owned(), format!("{} on {}", model.engine, model.device)],
            ["images as".to_owned(), images],
            [
                "outputs".to_owned(),
                match (model.classes, model.answer.0) {
                    (0, _) => "unknown".to_owned(),
                    (classes, Answer::Logits) => format!("{classes} classes"),
                    (classes, answer) => format!("{classes} classes, {}: {}", answer.describe(), model.answer.1),
                },
            ],
        ];
        let mut text = format!("\n{}", columns(&settings, ""));
        for site in &model.sites {
            let sides: Vec<String> = site.shape.iter().skip(1).map(ToString::to_string).collect();
            let alias = site.alias.as_ref().map_or_else(String::new, |alias| format!("{alias} = "));
            let paths = if site.dominates { "everything goes through it" } else { "other tensors lead around it" };
            let layout = match site.layout {
                MapLayout::Nchw | MapLayout::Vector => "",
                MapLayout::Nhwc => ", channels last",
                MapLayout::Tokens(_) => ", tokens",
            };
            let _ = writeln!(text, "\nat {alias}{} [N,{}]{layout}: {paths}", site.tensor, sides.join(","));
            text.push_str(&steps(registry, &site.steps, "  "));
        }
        text
    }

    /// A path as the file has it.
    fn written(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).display().to_string()
    }
}

fn describe_objects(objects: &ObjectPlan) -> String {
    let rules = &objects.rules;
    let limits = [("area", rules.min_area), ("side", rules.min_side), ("visibility", rules.min_visibility)];
    let limits =
        limits.into_iter().filter(|(_, least)| *least > 0.0).map(|(name, least)| format!("{name} below {least}"));
    let limits: Vec<String> = limits.collect();
    let verb = if rules.on_drop == OnDrop::Ignore { "ignored" } else { "removed" };
    let boxes =
        if limits.is_empty() { "boxes".to_owned() } else { format!("boxes, {verb} with {}", limits.join(", ")) };
    match (objects.keypoints, objects.flip_pairs.len()) {
        (0, _) => boxes,
        (keypoints, 0) => format!("{boxes}; {keypoints} keypoints"),
        (keypoints, 1) => format!("{boxes}; {keypoints} keypoints, 1 pair changes places in a mirror image"),
        (keypoints, pairs) => format!("{boxes}; {keypoints} keypoints, {pairs} pairs change places in a mirror image"),
    }
}

fn steps(registry: &Registry, steps: &[Step], indent: &str) -> String {
    if steps.is_empty() {
        return format!("{indent}none\n");
    }
    let row = |step: &Step| {
        let drawn: Vec<&str> = step.operator.columns().iter().map(|column| column.name).collect();
        let drawn = if drawn.is_empty() { "draws nothing".to_owned() } else { format!("draws {}", drawn.join(", ")) };
        let shape = if step.before == step.after {
            step.after.describe()
        } else {
            format!("{} -> {}", step.before.describe(), step.after.describe())
        };
        let drawn = step.key.gates().iter().map(gate).fold(drawn, |drawn, gate| format!("{drawn}; {gate}"));
        [step.id.clone(), configured(registry, step), shape, parity(step.operator.parity()), drawn]
    };
    columns(&steps.iter().map(row).collect::<Vec<_>>(), indent)
}

/// What a combinator lets the step do, in words.
fn gate(gate: &Gate) -> String {
    match gate {
        Gate::OneOf { low, high, .. } => format!("one of several, {:.3} of the time", high - low),
        Gate::SomeOf { count: [least, most], steps, .. } if least == most => {
            format!("one of the {least} of {steps} that act")
        }
        Gate::SomeOf { count: [least, most], steps, .. } => format!("one of the {least} to {most} of {steps} that act"),
        Gate::Ramp(_) => "p scheduled by the epoch".to_owned(),
    }
}

/// The operator with what differs from its defaults.
fn configured(registry: &Registry, step: &Step) -> String {
    let default = registry.get(step.name).map_or(Value::Null, |entry| entry.default_operator().config());
    let config = step.operator.config();
    if config == default && config.is_object() {
        return step.name.to_owned();
    }
    let Value::Object(fields) = config else {
        return format!("{} {}", step.name, flow(&config));
    };
    let changed = fields.into_iter().filter(|(name, value)| default.get(name) != Some(value));
    format!("{} {}", step.name, flow(&Value::Object(changed.collect())))
}

/// How closely the backends agree, in words.
pub(crate) fn parity(parity: Parity) -> String {
    match parity {
        Parity::Exact => "exact".to_owned(),
        Parity::Within(error) => format!("within {error:e}"),
        Parity::NativeOnly(_) => "native only".to_owned(),
    }
}
