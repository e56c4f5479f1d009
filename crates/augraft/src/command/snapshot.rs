//! `augraft snapshot`: what a pipeline draws and computes, as text to keep beside it.

use std::fmt::Write;
use std::path::PathBuf;

use augraft_engine::{Program, StepDraws, run_steps};
use augraft_operator::{Batch, Images, Labels, Registry, Scratch, Seen};
use ndarray::{ArrayView1, Axis};
use sha2::{Digest, Sha256};

use super::arguments::PipelineArgs;
use super::prepare::{Prepared, load, prepare};
use super::print::print;
use crate::failure::Failure;
use crate::output::cell;

/// Samples whose draws are listed.
const ROWS: usize = 8;

/// Writes `PIPELINE.snap`, or compares with it.
pub(super) fn snapshot(args: &PipelineArgs, registry: &Registry, color: bool, check: bool) -> Result<(), Failure> {
    let prepared = prepare(args, registry, color)?;
    let text = describe(&prepared, args)?;
    let mut file = args.pipeline.clone().into_os_string();
    file.push(".snap");
    let file = PathBuf::from(file);
    if !check {
        augraft_data::atomic_write(&file, text.as_bytes())?;
        return print(&format!("{}\n", file.display()));
    }
    let known = std::fs::read_to_string(&file).map_err(|error| {
        Failure::User(format!(
            "{}: {error}; write it with `augraft snapshot {}`",
            file.display(),
            args.pipeline.display()
        ))
    })?;
    if known == text {
        return print(&format!("{}: unchanged\n", file.display()));
    }
    Err(Failure::Check(difference(&file.display().to_string(), &known, &text)))
}

fn describe(prepared: &Prepared, args: &PipelineArgs) -> Result<String, Failure> {
    let plan = &prepared.plan;
    let (dataset, data, order) = prepared.data()?;
    let (mut batch, skipped) = load(&prepared.plan, dataset, data, &order.indices(0, dataset.len()))?;
    let mut text = format!("seed {}, epoch {}, {} samples: {:?}\n", plan.seed, plan.epoch, batch.len(), batch.index);
    for sample in &skipped {
        let _ = writeln!(text, "skipped {}: {}", sample.path, sample.reason);
    }
    if batch.is_empty() {
        return Err(Failure::user("no image of the first batch could be read"));
    }
    let whole = batch.clone();
    let mut scratch = Scratch::default();
    for step in &plan.steps {
        let drawn = run_steps(std::slice::from_ref(step), plan.epoch, &mut batch, None, &mut scratch)?;
        let _ = writeln!(text, "\n{} -> {}", step.id, batch.shape().describe());
        for drawn in &drawn {
            describe_draws(&mut text, drawn);
        }
        describe_images(&mut text, &batch);
    }
    describe_labels(&mut text, "label", &batch.labels, &batch.index);
    if let (Some(objects), Some(planned)) = (&batch.objects, &plan.objects) {
        for (row, index) in batch.index.iter().enumerate().take(ROWS) {
            let seen = objects.seen_of(row, &planned.rules);
            let _ = writeln!(text, "\nobjects of {index}");
            text.extend(seen.iter().map(|object| describe_object(object, dataset.object_classes())));
        }
    }
    if plan.model.is_some() {
        let mut program =
            Program::bind(plan, args.engine.onnxruntime.as_deref()).map_err(|error| prepared.refused(error))?;
        let outcome = program.run(whole, false)?;
        for drawn in &outcome.draws {
            if let Some(site) = &drawn.site {
                let _ = writeln!(text, "\n{} at {site}", drawn.step);
                describe_draws(&mut text, drawn);
            }
        }
        if let Some((_, labels)) = outcome.predictions.iter().find_map(|predictions| predictions.feature.as_ref()) {
            describe_labels(&mut text, "label with features mixed", labels, &batch.index);
        }
        let _ = writeln!(text);
        let predictions = outcome.predictions.iter();
        let logits = predictions.flat_map(|p| {
            [("clean", Some(&p.clean)), ("input", Some(&p.input)), ("feature", p.feature.as_ref().map(|f| &f.0))]
        });
        for (name, logits) in logits {
            let rows = logits.into_iter().flat_map(|logits| logits.outer_iter().take(ROWS));
            text.extend(rows.map(|row| describe_logits(name, row)));
        }
    }
    Ok(text)
}

/// The first rows of every column, and a hash of all rows where there are more.
fn describe_draws(text: &mut String, drawn: &StepDraws) {
    for (field, column) in &drawn.draws.columns {
        let count = column.shape().first().copied().unwrap_or(0);
        let rows: Vec<String> = (0..count.min(ROWS)).map(|row| cell(column, row).to_string()).collect();
        let _ = write!(text, "  {field}: {}", rows.join(" "));
        let rest = if count > ROWS {
            format!(" ... sha256 {}", hex(Sha256::digest(column.to_le_bytes())))
        } else {
            String::new()
        };
        let _ = writeln!(text, "{rest}");
    }
}

fn describe_labels(text: &mut String, name: &str, labels: &Labels, index: &[u64]) {
    let all = labels.sources();
    let lines = all.iter().zip(index).map(|(sources, index)| {
        let sources: Vec<String> = sources.iter().map(|(index, weight)| format!("{index}:{weight}")).collect();
        format!("{name} of {index}: {}\n", sources.join(" "))
    });
    text.push('\n');
    text.extend(lines);
}

/// The class of an object, its box, and the keypoints that are there; rounded, because turns differ in the last digits.
fn describe_object(object: &Seen, classes: &[String]) -> String {
    let class = classes.get(object.class).cloned().unwrap_or_else(|| object.class.to_string());
    let edges = object.bounds.map(|edge| format!("{edge:.2}")).join(" ");
    let mut text = format!("  {class} {edges}, weight {:.3}, visible {:.3}", object.weight, object.visibility);
    text.push_str(if object.ignore { ", ignored" } else { "" });
    let points = object.keypoints.iter().enumerate().filter(|(_, (_, visibility))| *visibility > 0);
    for (number, ([x, y], _)) in points {
        let _ = write!(text, ", keypoint {number} at {x:.2} {y:.2}");
    }
    text.push('\n');
    text
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Statistics per channel and a hash of the bytes; native pixels are the same bytes everywhere.
fn describe_images(text: &mut String, batch: &Batch) {
    let mut hasher = Sha256::new();
    let mut channels = vec![Statistics::default(); batch.shape().channels];
    let mut add = |channel: usize, value: f64, bytes: &[u8]| {
        hasher.update(bytes);
        channels[channel].add(value);
    };
    for row in 0..batch.len() {
        match &batch.images {
            Images::Ragged(images) => {
                images[row]
                    .indexed_iter()
                    .for_each(|((_, _, channel), value)| add(channel, f64::from(*value), &[*value]));
            }
            Images::U8(images) => {
                let image = images.index_axis(Axis(0), row);
                image.indexed_iter().for_each(|((channel, ..), value)| add(channel, f64::from(*value), &[*value]));
            }
            Images::F32(images) => {
                let image = images.index_axis(Axis(0), row);
                image
                    .indexed_iter()
                    .for_each(|((channel, ..), value)| add(channel, f64::from(*value), &value.to_le_bytes()));
            }
        }
    }
    for (number, channel) in channels.iter().enumerate() {
        let _ = writeln!(
            text,
            "  channel {number}: mean {:.4}, min {:.4}, max {:.4}",
            channel.sum / channel.count.max(1.0),
            channel.min,
            channel.max
        );
    }
    let _ = writeln!(text, "  sha256 {}", hex(hasher.finalize()));
}

#[derive(Debug, Clone, Default)]
struct Statistics {
    sum: f64,
    count: f64,
    min: f64,
    max: f64,
}

impl Statistics {
    fn add(&mut self, value: f64) {
        (self.min, self.max) =
            if self.count == 0.0 { (value, value) } else { (self.min.min(value), self.max.max(value)) };
        self.sum += value;
        self.count += 1.0;
    }
}

/// The largest logit, rounded to what engines agree on.
fn describe_logits(name: &str, logits: ArrayView1<'_, f32>) -> String {
    let best =
        logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or((0, 0.0), |(class, value)| (class, *value));
    let mean = logits.sum() / logits.len().max(1) as f32;
    format!("{name} logits: top1 {} at {:.2}, mean {mean:.2}\n", best.0, best.1)
}

/// The lines that differ, the known ones behind `-`, the new ones behind `+`.
fn difference(file: &str, known: &str, new: &str) -> String {
    let (known, new): (Vec<&str>, Vec<&str>) = (known.lines().collect(), new.lines().collect());
    let mut text = format!("{file} differs (- as recorded, + now):");
    for line in 0..known.len().max(new.len()) {
        let (before, after) = (known.get(line), new.get(line));
        if before == after {
            continue;
        }
        let _ = write!(text, "\n  line {}:", line + 1);
        for (sign, side) in [("-", before), ("+", after)] {
            let _ = side.map_or(Ok(()), |side| write!(text, "\n    {sign} {side}"));
        }
    }
    text
}
