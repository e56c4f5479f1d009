//! `augraft experiment` and `augraft compare`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use augraft_data::sha256_file;
use augraft_engine::{Inspection, OnnxRuntime, Runtime, Tract, inspect_as, load_model, open};
use augraft_experiment::{
    Cost, Executor, ExperimentError, ExperimentPlan, Finished, Parts, RunOptions, compare, prepare, run, unfinished,
    write_doctor,
};
use augraft_onnx::{Model, multiply_adds, pooled_map};
use augraft_operator::Registry;
use augraft_pipeline::{EngineKind, PipelineSpec, Plan};
use clap::Args;
use serde_json::{Value, json};

use super::arguments::PipelineArgs;
use super::doctor;
use super::prepare::{Given, Prepared, open_dataset, prepare_with, read_with};
use super::print::print;
use crate::failure::Failure;
use crate::progress::Progress;

/// Rows of the summary that are printed.
const SHOWN: usize = 48;

/// An experiment file and how it is run.
#[derive(Debug, Args)]
pub(super) struct ExperimentArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Put a value into the file: KEY is a path such as `data.limit` or `experiment.interventions[0].sweep.side`, VALUE is YAML; can be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with a run that was broken off.
    #[arg(long)]
    resume: bool,
    /// Bytes of activations that may be held at once; the results do not depend on it.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = size)]
    memory: u64,
    /// Threads to use [default: all cores]; the results do not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl ExperimentArgs {
    pub(super) fn threads(&self) -> Option<u16> {
        self.threads
    }
}

pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, for example data.limit=100")?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        other => return Err(format!("`{other}` is no unit; there are B, KiB, MiB and GiB")),
    };
    let number: f64 = digits.trim().parse().map_err(|_| "write a number and a unit, for example 2GiB".to_owned())?;
    if number > 0.0 { Ok((number * unit as f64) as u64) } else { Err("must be above 0".to_owned()) }
}

/// What an experiment needs, ready.
struct Ready {
    plan: ExperimentPlan,
    cost: Cost,
    runtime: Box<dyn Runtime>,
    model: Model,
    pipeline: Plan,
    identity: Value,
}

/// Runs the experiment of a file and writes its folder.
pub(super) fn experiment(args: &mut ExperimentArgs, registry: &Registry, color: bool) -> Result<(), Failure> {
    args.pipeline.out = args.out.clone();
    let (spec, registry) = read_with(&args.pipeline.pipeline, registry, &args.set)?;
    if spec.json_at("/experiment") == Some(json!("doctor")) {
        return examination(&spec, args);
    }
    let ready = ready(spec, args, &registry, color)?;
    if let Some(folder) = unfinished(&ready.pipeline.out).filter(|_| !args.resume) {
        eprintln!("the unfinished run in `{}` is discarded; --resume would have gone on with it", folder.display());
    }
    let mut executor = Executor::bind(&ready.plan, &*ready.runtime, &ready.model, ready.cost.holds).map_err(failure)?;
    let options = RunOptions {
        out: ready.pipeline.out.clone(),
        resume: args.resume,
        identity: ready.identity,
        command: command(args),
    };
    let total: usize = (0..ready.plan.sets.len()).map(|set| ready.plan.units(set)).sum();
    let mut progress = Progress::start_of(total as u64, "units");
    let mut done_before = 0;
    let started = Instant::now();
    let expected = ready.cost.runs;
    let mut advance = |done: usize, _: usize, runs: u64| {
        progress.say(&format!("{runs} of {expected} runs of the model"));
        progress.advance((done - done_before) as u64);
        done_before = done;
    };
    let finished = run(&ready.plan, &mut executor, &options, &ready.cost, &mut advance).map_err(|error| {
        let advice = matches!(error, ExperimentError::File { what: "cannot write", .. } | ExperimentError::Data(_))
            && unfinished(&options.out).is_some();
        let message = failure(error);
        match message {
            Failure::User(text) if advice => {
                Failure::User(format!("{text}; what is done is kept, --resume goes on with it"))
            }
            other => other,
        }
    })?;
    progress.finish();
    let took = started.elapsed().as_secs_f64();
    print(&told(&ready.plan, &finished, took, total))
}

/// Prints the plan of an experiment behind that of its pipeline.
pub(super) fn explain(
    spec: PipelineSpec,
    args: &PipelineArgs,
    memory: u64,
    registry: &Registry,
    color: bool,
) -> Result<String, Failure> {
    if spec.json_at("/experiment") == Some(json!("doctor")) {
        return Ok("experiment\n  doctor: examines the model at every clean cut, on every engine\n".to_owned());
    }
    let prepared = prepare_with(spec, args, color, Given::default())?;
    let head = prepared.plan.explain();
    let (plan, ..) = planned(prepared, args, registry)?;
    let cost = Cost::of(&plan, memory as f64).map_err(failure)?;
    Ok(format!("{head}\n{}", plan.explain(&cost)))
}

/// Compares runs and prints their metrics side by side; with `out`, also writes a report.
pub(super) fn compare_runs(folders: &[PathBuf], out: Option<&Path>) -> Result<(), Failure> {
    let comparison = compare(folders).map_err(failure)?;
    let mut text = side_by_side(&comparison.columns, &comparison.rows, &comparison.runs);
    if let Some(out) = out {
        let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let command = format!("augraft compare {} --out {}", names.join(" "), out.display());
        let written = comparison.write(out, &command).map_err(failure)?;
        let _ = writeln!(text, "{}: report.html, summary.csv", written.display());
    }
    print(&text)
}

fn ready(spec: PipelineSpec, args: &ExperimentArgs, registry: &Registry, color: bool) -> Result<Ready, Failure> {
    let prepared = prepare_with(spec, &args.pipeline, color, Given::default())?;
    let (plan, pipeline, runtime, model) = planned(prepared, &args.pipeline, registry)?;
    let cost = Cost::of(&plan, args.memory as f64).map_err(failure)?;
    let identity = identity(&pipeline, &plan, args)?;
    Ok(Ready { plan, cost, runtime, model, pipeline, identity })
}

type Planned = (ExperimentPlan, Plan, Box<dyn Runtime>, Model);

fn planned(prepared: Prepared, args: &PipelineArgs, registry: &Registry) -> Result<Planned, Failure> {
    let Prepared { spec, plan: pipeline, dataset, .. } = prepared;
    let Some(planned_model) = &pipeline.model else {
        let help = "add `model: { file: model.onnx }`";
        return Err(spec.problem("/experiment", "no-model", "an experiment needs a model", Some(help)).into());
    };
    let Some(dataset) = dataset else {
        let help = "add `data: { folder: DIR }` (or flat:, shards:)";
        return Err(spec.problem("/experiment", "no-data", "an experiment needs data", Some(help)).into());
    };
    let runtime = open(planned_model.engine, planned_model.device, args.engine.onnxruntime.as_deref())?;
    let model = load_model(&planned_model.file, &planned_model.ports)?;
    let size = pipeline.steps.last().map_or(&pipeline.input, |step| &step.after).size();
    let inspection: Inspection = inspect_as(&*runtime, &model, size, &planned_model.ports)?;
    let parts = Parts {
        spec: &spec,
        pipeline: &pipeline,
        dataset,
        open: &open_dataset,
        registry,
        facts: &inspection.facts(),
        macs_after: inspection.sites.iter().map(|site| (site.name.clone(), site.macs_after)).collect(),
        multiply_adds: multiply_adds(&model, &inspection.shapes),
        pooled: pooled_map(&model),
    };
    let plan = prepare(parts)?;
    Ok((plan, pipeline, runtime, model))
}

/// What a run is: the same for runs that give the same bytes.
fn identity(pipeline: &Plan, plan: &ExperimentPlan, args: &ExperimentArgs) -> Result<Value, Failure> {
    let Some(model) = &pipeline.model else { return Ok(Value::Null) };
    let build = match model.engine {
        EngineKind::Tract => None,
        EngineKind::Onnxruntime => {
            OnnxRuntime::describe(args.pipeline.engine.onnxruntime.as_deref()).ok().map(|(_, build)| build)
        }
    };
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let read =
        plan.sets.iter().map(|set| Ok(json!({ "set": set.name, "images": set.order.len(), "files": set.digest()? })));
    let read = read.collect::<Result<Vec<Value>, ExperimentError>>().map_err(failure)?;
    let within = |path: &Path| path.strip_prefix(&pipeline.folder).unwrap_or(path).display().to_string();
    let set: Vec<Value> = args.set.iter().map(|(key, value)| json!([key, value])).collect();
    let data = pipeline.data.as_ref().map(|data| match &data.source {
        augraft_pipeline::DataSource::Folder(path) | augraft_pipeline::DataSource::Flat(path) => within(path),
        augraft_pipeline::DataSource::Shards(pattern) => within(Path::new(pattern)),
    });
    Ok(json!({
        "augraft": env!("CARGO_PKG_VERSION"),
        "file": name(&pipeline.file),
        "file_sha256": sha256_file(&pipeline.file)?,
        "set": set,
        "seed": pipeline.seed,
        "epoch": pipeline.epoch,
        "batch": plan.batch,
        "data": data,
        "read": read,
        "boxes": plan.saliency.as_ref().map(|saliency| &saliency.boxes),
        "model": name(&model.file),
        "model_sha256": sha256_file(&model.file)?,
        "engine": model.engine.to_string(),
        "engine_build": build,
        "device": model.device.to_string(),
        "chart_fields": plan.charts,
    }))
}

fn command(args: &ExperimentArgs) -> String {
    let quoted = |(key, value): &(String, String)| format!(" --set '{key}={value}'");
    let set: String = args.set.iter().map(quoted).collect();
    format!("augraft experiment {}{set}", args.pipeline.pipeline.display())
}

fn failure(error: ExperimentError) -> Failure {
    match error {
        ExperimentError::Report(report) => report.into(),
        other => Failure::user(other),
    }
}

/// The table at the end of a run.
fn told(plan: &ExperimentPlan, finished: &Finished, took: f64, units: usize) -> String {
    let summary = &finished.summary;
    let mut text = String::new();
    if let Some(drift) = finished.results.drift {
        let _ = writeln!(text, "identity-cut error: largest change of a logit {drift:e}");
    }
    for note in &finished.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text.push('\n');
    let rows: Vec<Vec<String>> = summary.rows.iter().take(SHOWN).map(|row| merged(&summary.columns, row)).collect();
    let header = merged_header(&summary.columns);
    text.push_str(&aligned(&header, &rows));
    if summary.rows.len() > SHOWN {
        let _ = writeln!(text, "... and {} rows more in summary.csv", summary.rows.len() - SHOWN);
    }
    let each = 1000.0 * took / units.max(1) as f64;
    let _ = writeln!(
        text,
        "\n{}: {units} units in {took:.1} s, {each:.1} ms and {:.3e} multiply-adds each; report.html shows them",
        finished.out.display(),
        finished.multiply_adds_per_unit(plan)
    );
    text
}

/// The columns of the printed table: value and interval in one.
fn merged_header(columns: &[String]) -> Vec<String> {
    columns.iter().filter(|name| !["low", "high"].contains(&name.as_str())).cloned().collect()
}

fn merged(columns: &[String], row: &[String]) -> Vec<String> {
    let of = |name: &str| columns.iter().position(|column| column == name).map_or("", |at| row[at].as_str());
    let cell = |(name, cell): (&String, &String)| match name.as_str() {
        "low" | "high" => None,
        "value" if !of("low").is_empty() => {
            Some(format!("{} [{}, {}]", short(cell), short(of("low")), short(of("high"))))
        }
        "value" | "p" | "p_holm" => Some(short(cell)),
        _ => Some(cell.clone()),
    };
    columns.iter().zip(row).filter_map(cell).collect()
}

/// A number with four significant digits.
fn short(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(value) if value != 0.0 && value.abs() < 1e-3 => format!("{value:.1e}"),
        Ok(value) if value.fract() == 0.0 => format!("{value}"),
        Ok(value) => format!("{value:.3}"),
        Err(_) => cell.to_owned(),
    }
}

/// Rows under a header, without the columns that are empty.
fn aligned(header: &[String], rows: &[Vec<String>]) -> String {
    let told = |at: &usize| {
        let cell = |row: &Vec<String>| Some(row[*at].clone()).filter(|cell| !cell.is_empty());
        let first = rows.iter().find_map(cell);
        let measures = ["value", "n", "metric"].contains(&header[*at].as_str());
        first.is_some() && (measures || rows.iter().any(|row| Some(&row[*at]) != first.as_ref()))
    };
    let used: Vec<usize> = (0..header.len()).filter(told).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([header[at].len()]).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = used.iter().map(|at| format!("{:1$}", row[*at], width(*at))).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    std::iter::once(&header.to_vec()).chain(rows).map(line).collect()
}

/// A row for each thing that was measured, a column for each run.
fn side_by_side(columns: &[String], rows: &[Vec<String>], runs: &[String]) -> String {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let (Some(run), Some(value), Some(low), Some(high)) = (at("run"), at("value"), at("low"), at("high")) else {
        return aligned(columns, rows);
    };
    let measures = ["run", "value", "low", "high", "n", "p", "p_holm"];
    let keys: Vec<usize> = (0..columns.len()).filter(|at| !measures.contains(&columns[*at].as_str())).collect();
    let mut table: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for row in rows {
        let key: Vec<String> = keys.iter().map(|at| row[*at].clone()).collect();
        let cell = if row[low].is_empty() {
            short(&row[value])
        } else {
            format!("{} [{}, {}]", short(&row[value]), short(&row[low]), short(&row[high]))
        };
        let number = runs.iter().position(|name| *name == row[run]).unwrap_or(0);
        let found = table.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            table.push((key, vec![String::new(); runs.len()]));
            table.len() - 1
        });
        table[found].1[number] = cell;
    }
    let header: Vec<String> = keys.iter().map(|at| columns[*at].clone()).chain(runs.iter().cloned()).collect();
    let rows: Vec<Vec<String>> = table.into_iter().map(|(key, cells)| [key, cells].concat()).collect();
    aligned(&header, &rows)
}

/// The experiment `doctor`: the command's words, and its numbers as a report.
fn examination(spec: &PipelineSpec, args: &ExperimentArgs) -> Result<(), Failure> {
    let Some(written) = &spec.model else {
        let help = "add `model: { file: model.onnx }`";
        return Err(spec.problem("/experiment", "no-model", "the doctor needs a model", Some(help)).into());
    };
    let library = args.pipeline.engine.onnxruntime.as_deref();
    let ports = &written.ports;
    let examinations = doctor::doctor(&written.file, None, (ports, None), library)?;
    let model = load_model(&written.file, ports)?;
    let inspection = inspect_as(&Tract, &model, None, ports)?;
    let stem = spec.file.file_stem().map_or_else(|| "doctor".into(), ToOwned::to_owned);
    let out = args.out.clone().or_else(|| spec.out.clone()).unwrap_or_else(|| PathBuf::from("out").join(stem));
    let name = written.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let identity = json!({
        "augraft": env!("CARGO_PKG_VERSION"), "model": name, "model_sha256": sha256_file(&written.file)?,
    });
    let folder = write_doctor(&out, &identity, &inspection.sites, &examinations, &command(args)).map_err(failure)?;
    print(&format!("{}: report.html, summary.csv\n", folder.display()))
}
