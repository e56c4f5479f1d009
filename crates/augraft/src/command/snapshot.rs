//! `augraft snapshot`: what a pipeline draws and computes, as text to keep beside it.

use std::fmt::Write;
use std::path::PathBuf;

use augraft_engine::{Program, run_steps};
use augraft_operator::{Batch, Images, Registry, Scratch};
use ndarray::{ArrayView1, Axis};
use sha2::{Digest, Sha256};

use super::PipelineArgs;
use super::prepare::{Prepared, load, prepare};
use crate::failure::Failure;
use crate::output::cell;

/// Samples whose draws are listed.
const ROWS: usize = 8;

/// Writes `PIPELINE.snap`, or compares with it.
pub(super) fn snapshot(args: &PipelineArgs, registry: &Registry, color: bool, check: bool) -> Result<(), Failure> {
    let prepared = prepare(args, registry, color, None)?;
    let text = describe(&prepared, args)?;
    let mut file = args.pipeline.clone().into_os_string();
    file.push(".snap");
    let file = PathBuf::from(file);
    if !check {
        augraft_data::atomic_write(&file, text.as_bytes())?;
        println!("{}", file.display());
        return Ok(());
    }
    let known = std::fs::read_to_string(&file).map_err(|error| {
        Failure::User(format!(
            "{}: {error}; write it with `augraft snapshot {}`",
            file.display(),
            args.pipeline.display()
        ))
    })?;
    if known == text {
        println!("{}: unchanged", file.display());
        return Ok(());
    }
    Err(Failure::Check(difference(&file.display().to_string(), &known, &text)))
}

fn describe(prepared: &Prepared, args: &PipelineArgs) -> Result<String, Failure> {
    let plan = &prepared.plan;
    let (dataset, data, order) = prepared.data()?;
    let (mut batch, _) = load(dataset, data, &order.indices(0, dataset.len()))?;
    let mut text = format!("seed {}, epoch {}, {} samples: {:?}\n", plan.seed, plan.epoch, batch.len(), batch.index);
    let whole = batch.clone();
    let mut scratch = Scratch::default();
    for step in &plan.steps {
        let drawn = run_steps(std::slice::from_ref(step), plan.epoch, &mut batch, None, &mut scratch)?;
        let _ = writeln!(text, "\n{} -> {}", step.id, batch.shape().describe());
        for (field, column) in drawn.iter().flat_map(|drawn| &drawn.draws.columns) {
            let rows: Vec<String> = (0..batch.len().min(ROWS)).map(|row| cell(column, row).to_string()).collect();
            let _ = writeln!(text, "  {field}: {}", rows.join(" "));
        }
        describe_images(&mut text, &batch);
    }
    for row in 0..batch.len().min(ROWS) {
        let sources: Vec<String> =
            batch.labels.sources[row].iter().map(|(index, weight)| format!("{index}:{weight}")).collect();
        let _ =
            writeln!(text, "{}label of {}: {}", if row == 0 { "\n" } else { "" }, batch.index[row], sources.join(" "));
    }
    if plan.model.is_some() {
        let mut program =
            Program::bind(plan, args.engine.onnxruntime.as_deref()).map_err(|error| prepared.refused(error))?;
        let outcome = program.run(whole, false)?;
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

/// Statistics per channel and a hash of the bytes.
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
    let digest = hasher.finalize();
    let _ = writeln!(text, "  sha256 {}", digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")));
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
