//! Runs a plan chunk by chunk, and writes what it gave.

use std::fs;
use std::path::{Path, PathBuf};

use augraft_data::{NpzArray, OutputFolder, sha256_file, write_json, write_npz};
use ndarray::{Array2, Array3};
use serde_json::{Value, json};

use crate::charts::Table;
use crate::cost::Cost;
use crate::error::ExperimentError;
use crate::execute::Executor;
use crate::plan::ExperimentPlan;
use crate::report::{charts, page};
use crate::results::Results;
use crate::rows::write_rows;
use crate::store::Store;
use crate::summary::Summary;
use crate::table::write_whole;

/// How a run is made.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Folder that holds the results when the run is complete.
    pub out: PathBuf,
    /// Whether a run that was broken off is gone on with.
    pub resume: bool,
    /// What a run is, beside its plan: the file, versions, engine, device, SHA-256 of the model.
    pub identity: Value,
    /// The command, for the report.
    pub command: String,
}

/// A run that is complete.
pub struct Finished {
    /// The folder.
    pub out: PathBuf,
    /// Its metrics.
    pub summary: Summary,
    /// All it gave.
    pub results: Results,
    /// What the reader should know.
    pub notes: Vec<String>,
    passes: f64,
}

impl Finished {
    /// Multiply-adds of the model for one unit.
    #[must_use]
    pub fn multiply_adds_per_unit(&self, plan: &ExperimentPlan) -> f64 {
        self.passes * plan.multiply_adds / total_units(plan).max(1) as f64
    }
}

fn total_units(plan: &ExperimentPlan) -> usize {
    (0..plan.sets.len()).map(|set| plan.units(set)).sum()
}

/// Called with the units that are done and all units, and the runs of the model that were made since the start.
pub type OnProgress<'a> = dyn FnMut(usize, usize, u64) + 'a;

/// Runs what is missing of a plan, and writes the results.
///
/// # Errors
/// When something cannot be read, run or written; chunks that are complete stay for `resume`.
pub fn run(
    plan: &ExperimentPlan,
    executor: &mut Executor<'_>,
    options: &RunOptions,
    cost: &Cost,
    progress: &mut OnProgress<'_>,
) -> Result<Finished, ExperimentError> {
    // A folder that must not be replaced is told before the work, not behind it.
    drop(OutputFolder::create_over(&options.out, "manifest.json")?);
    let store = Store::open(&options.out, &options.identity, options.resume)?;
    let chunks: Vec<(usize, usize)> =
        (0..plan.sets.len()).flat_map(|set| (0..plan.chunks(set)).map(move |number| (set, number))).collect();
    if let Err(error) = fill(plan, executor, &store, &chunks, progress) {
        store.remove_if_empty();
        return Err(error);
    }
    let mut results = Results::default();
    for (set, number) in chunks {
        results.add(set, store.get(set, number)?);
    }
    results.check(plan)?;
    let finished = write(plan, results, options, cost)?;
    store.remove()?;
    Ok(finished)
}

/// Runs the chunks that are missing.
fn fill(
    plan: &ExperimentPlan,
    executor: &mut Executor<'_>,
    store: &Store,
    chunks: &[(usize, usize)],
    progress: &mut OnProgress<'_>,
) -> Result<(), ExperimentError> {
    let total = total_units(plan);
    let mut done = 0;
    let mut is_fitted = false;
    for (set, number) in chunks {
        if !store.has(*set, *number) {
            if !is_fitted {
                executor.fit()?;
                is_fitted = true;
            }
            store.put(*set, *number, &executor.chunk(*set, *number)?)?;
        }
        done += plan.batch.min(plan.units(*set) - number * plan.batch);
        progress(done, total, executor.runs());
    }
    Ok(())
}

/// The folder of a run that was broken off before it became `out`.
#[must_use]
pub fn unfinished(out: &Path) -> Option<PathBuf> {
    Some(Store::folder_of(out)).filter(|folder| folder.join("plan.json").is_file())
}

fn write(
    plan: &ExperimentPlan,
    results: Results,
    options: &RunOptions,
    cost: &Cost,
) -> Result<Finished, ExperimentError> {
    let summary = Summary::of(plan, &results);
    let mut notes = plan.notes.clone();
    notes.extend(results.rounded_away(plan));
    notes.extend(results.told_nothing(plan));
    if !results.skipped.is_empty() {
        notes.push(format!(
            "{} images could not be read and were left out, with their pairs; manifest.json lists them",
            results.skipped.len()
        ));
    }
    let folder = OutputFolder::create_over(&options.out, "manifest.json")?;
    write_rows(&folder.path().join("rows.parquet"), plan, &results)?;
    write_whole(&folder.path().join("summary.csv"), summary.csv().as_bytes())?;
    if !results.maps.is_empty() {
        write_maps(&folder.path().join("maps.npz"), plan, &results)?;
    }
    let table = Table { columns: summary.columns.clone(), rows: summary.rows.clone() };
    let drawn = charts(plan, &results, &table);
    let data = json!({
        "title": plan.name,
        "description": plan.description,
        "command": options.command,
        "facts": facts(plan, &results, options),
        "notes": notes,
        "charts": drawn,
        "summary": { "columns": summary.columns, "rows": summary.rows },
    });
    let html = page(&plan.name, &data)
        .map_err(|error| ExperimentError::file("cannot write", Path::new("report.html"), error))?;
    write_whole(&folder.path().join("report.html"), html.as_bytes())?;
    let manifest = manifest(plan, &results, options, cost, &notes, folder.path())?;
    write_json(&folder.path().join("manifest.json"), &manifest)?;
    let out = folder.commit()?;
    Ok(Finished { out, summary, results, notes, passes: cost.passes })
}

fn facts(plan: &ExperimentPlan, results: &Results, options: &RunOptions) -> Vec<[String; 2]> {
    let text = |name: &str| match &options.identity[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let units = results.of(0, 0).len();
    let mut facts = vec![
        ["model".to_owned(), text("model")],
        ["engine".to_owned(), format!("{} on {}", text("engine"), text("device"))],
        ["data".to_owned(), text("data")],
        [if plan.pairs.is_some() { "pairs" } else { "images" }.to_owned(), units.to_string()],
        ["seed".to_owned(), plan.seed.to_string()],
    ];
    facts.extend(
        plan.sets[1..]
            .iter()
            .enumerate()
            .map(|(at, set)| [format!("set {}", set.name), format!("{} images", results.of(at + 1, 0).len())]),
    );
    if let Some(drift) = results.drift {
        facts.push(["identity-cut error of a logit".to_owned(), format!("{drift:e}")]);
    }
    facts
}

/// What a run was: nothing in it changes from run to run.
fn manifest(
    plan: &ExperimentPlan,
    results: &Results,
    options: &RunOptions,
    cost: &Cost,
    notes: &[String],
    folder: &Path,
) -> Result<Value, ExperimentError> {
    let mut manifest = options.identity.clone();
    let changed = |(number, setting): (usize, &crate::plan::Setting)| {
        let rows = results.of(0, number);
        let share = rows.iter().map(|row| f64::from(row.changed)).sum::<f64>() / rows.len().max(1) as f64;
        setting.place.map(|_| {
            json!({
                "intervention": setting.intervention,
                "site": plan.site_name(setting),
                "setting": plan.words(setting),
                "changed": (share * 1e6).round() / 1e6,
            })
        })
    };
    let skipped = results.skipped.iter().map(|(set, skipped)| {
        json!({ "set": plan.sets[*set].name, "index": skipped.index, "path": skipped.path, "reason": skipped.reason })
    });
    let sets = plan
        .sets
        .iter()
        .enumerate()
        .map(|(number, set)| json!({ "name": set.name, "units": results.of(number, 0).len() }));
    manifest["experiment"] = json!(plan.name);
    manifest["sets"] = sets.collect();
    manifest["skipped"] = skipped.collect();
    manifest["no_op_drift"] = json!(results.drift);
    manifest["acts"] = plan.settings.iter().enumerate().filter_map(changed).collect();
    manifest["multiply_adds"] = json!({
        "per_pass": plan.multiply_adds,
        "per_unit": cost.passes * plan.multiply_adds / (0..plan.sets.len()).map(|set| plan.units(set)).sum::<usize>().max(1) as f64,
        "passes": (cost.passes * 1000.0).round() / 1000.0,
        "passes_without_reuse": cost.naive_passes,
    });
    manifest["notes"] = json!(notes);
    let mut written = serde_json::Map::new();
    let mut names: Vec<_> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| ExperimentError::file("cannot list", folder, error))?;
    names.sort();
    for path in names {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        written.insert(name, Value::String(sha256_file(&path)?));
    }
    manifest["written"] = Value::Object(written);
    Ok(manifest)
}

/// Maps by method: `METHOD_index` (unit, setting, method, target, class) and `METHOD_values` (maps x rows x columns).
fn write_maps(path: &Path, plan: &ExperimentPlan, results: &Results) -> Result<(), ExperimentError> {
    let Some(saliency) = &plan.saliency else { return Ok(()) };
    let mut arrays: Vec<(String, Array2<i64>, Array3<f32>)> = Vec::new();
    for (number, method) in saliency.methods.iter().enumerate() {
        let own: Vec<_> = results.maps.iter().filter(|map| map.method == number as i64).collect();
        let Some(first) = own.first() else { continue };
        let (height, width) = first.values.dim();
        let index = |(row, column): (usize, usize)| {
            let map = own[row];
            [map.unit, map.setting, map.method, map.target, map.class][column]
        };
        let values = Array3::from_shape_fn([own.len(), height, width], |(map, y, x)| own[map].values[[y, x]]);
        arrays.push((method.name().to_owned(), Array2::from_shape_fn([own.len(), 5], index), values));
    }
    let named: Vec<(String, NpzArray<'_>)> = arrays
        .iter()
        .flat_map(|(name, index, values)| {
            [
                (format!("{name}_index"), NpzArray::I64(index.view().into_dyn())),
                (format!("{name}_values"), NpzArray::F32(values.view().into_dyn())),
            ]
        })
        .collect();
    let named: Vec<(&str, NpzArray<'_>)> = named.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    Ok(write_npz(path, &named)?)
}
