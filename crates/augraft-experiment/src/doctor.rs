//! The examination of a model as a report: every site with its cost, and its drift on every engine.

use std::path::{Path, PathBuf};

use augraft_data::{OutputFolder, write_json};
use augraft_engine::Examination;
use augraft_onnx::Site;
use serde_json::{Value, json};

use crate::charts::{Table, chart};
use crate::error::ExperimentError;
use crate::report::page;
use crate::spec::{BarFields, ChartFields};
use crate::summary::{Summary, shown};
use crate::table::write_whole;

/// Writes `summary.csv`, `report.html` and `manifest.json` of an examination: the clean cuts of a model among its `sites`, and what each engine says.
///
/// # Errors
/// When the disk refuses, or something else is in the folder.
pub fn write_doctor(
    out: &Path,
    identity: &Value,
    sites: &[Site],
    examinations: &[Examination],
    command: &str,
) -> Result<PathBuf, ExperimentError> {
    let columns = ["site", "shape", "metric", "value"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    let mut add = |site: &str, shape: &str, metric: String, value: f64| {
        rows.push(vec![site.to_owned(), shape.to_owned(), metric, shown(value)]);
    };
    for examination in examinations {
        if let Ok([difference, _]) = examination.batch {
            add("output", "", format!("batch_2_difference_{}", examination.engine), f64::from(difference));
        }
    }
    for site in sites.iter().filter(|site| site.dominates) {
        let sides: Vec<String> = site.shape.iter().flatten().skip(1).map(ToString::to_string).collect();
        let shape = format!("N,{}", sides.join(","));
        add(&site.name, &shape, "cost_after".to_owned(), site.macs_after);
        for examination in examinations {
            let drift = examination.drift.iter().find(|(name, _)| *name == site.name);
            if let Some((_, drift)) = drift {
                add(&site.name, &shape, format!("drift_{}", examination.engine), f64::from(*drift));
            }
        }
    }
    let notes: Vec<String> = examinations.iter().flat_map(notes_of).collect();
    let table = Table { columns, rows };
    let metrics =
        std::iter::once("cost_after".to_owned()).chain(examinations.iter().map(|of| format!("drift_{}", of.engine)));
    let charts: Vec<Value> = metrics.filter_map(|y| chart(&table, &ChartFields::Bar(BarFields { y }))).collect();
    let folder = OutputFolder::create_over(out, "manifest.json")?;
    let summary = Summary { columns: table.columns, cells: Vec::new(), rows: table.rows };
    write_whole(&folder.path().join("summary.csv"), summary.csv().as_bytes())?;
    let clean = sites.iter().filter(|site| site.dominates).count();
    let data = json!({
        "title": "doctor",
        "description": "Where a model can be cut, what lies behind each cut, and by how much its answer drifts when it is cut there and nothing else is done.",
        "command": command,
        "facts": [
            ["model", identity["model"]],
            ["activations", sites.len().to_string()],
            ["clean cuts", clean.to_string()],
        ],
        "notes": notes,
        "charts": charts,
        "summary": { "columns": summary.columns, "rows": summary.rows },
    });
    let html = page("doctor", &data).map_err(|error| ExperimentError::file("cannot write", out, error))?;
    write_whole(&folder.path().join("report.html"), html.as_bytes())?;
    let mut manifest = identity.clone();
    manifest["experiment"] = json!("doctor");
    manifest["notes"] = json!(notes);
    manifest["chart_fields"] = json!([{ "bar": { "y": "cost_after" } }]);
    write_json(&folder.path().join("manifest.json"), &manifest)?;
    Ok(folder.commit()?)
}

fn notes_of(examination: &Examination) -> Vec<String> {
    let engine = examination.engine;
    let mut notes = Vec::new();
    if let Err(reason) = &examination.batch {
        notes.push(format!("{engine} does not run the model: {reason}"));
    }
    if !examination.lacks.is_empty() {
        notes.push(format!("{engine} lacks {}", examination.lacks.join(", ")));
    }
    notes.extend(examination.broken.iter().map(|(site, reason)| format!("{engine} at {site}: {reason}")));
    notes
}
