//! Several runs side by side.

use std::fs;
use std::path::{Path, PathBuf};

use augraft_data::{OutputFolder, write_json};
use serde_json::{Value, json};

use crate::charts::{Table, chart};
use crate::error::ExperimentError;
use crate::report::page;
use crate::spec::ChartFields;
use crate::table::write_whole;

/// Several runs side by side.
pub struct Comparison {
    /// What is compared: `run`, then the columns of the summaries.
    pub columns: Vec<String>,
    /// The rows of all summaries.
    pub rows: Vec<Vec<String>>,
    /// Names of the runs.
    pub runs: Vec<String>,
    charts: Vec<Value>,
    facts: Vec<[String; 2]>,
}

/// Reads the runs in these folders; their names are those of the folders, or with the folders above where those are equal.
///
/// # Errors
/// When a folder holds no run, or the runs are of different experiments.
pub fn compare(folders: &[PathBuf]) -> Result<Comparison, ExperimentError> {
    let runs = folders.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = runs.first() else { return Err(ExperimentError::Unfit("there is no run to compare".to_owned())) };
    if let Some((folder, other)) = folders.iter().zip(&runs).find(|(_, other)| other.experiment != first.experiment) {
        return Err(ExperimentError::Unfit(format!(
            "`{}` is a run of `{}`, but `{}` of `{}`; compare runs of one experiment",
            folder.display(),
            other.experiment,
            folders[0].display(),
            first.experiment
        )));
    }
    let names = names(folders);
    let mut columns = vec!["run".to_owned()];
    for column in runs.iter().flat_map(|run| &run.table.columns) {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let mut rows = Vec::new();
    for (name, run) in names.iter().zip(&runs) {
        for row in &run.table.rows {
            let cell =
                |column: &String| if column == "run" { name.clone() } else { run.table.text(row, column).to_owned() };
            rows.push(columns.iter().map(cell).collect());
        }
    }
    let table = Table { columns: columns.clone(), rows };
    let charts = first.charts.iter().filter_map(|fields| chart(&table, fields)).collect();
    let facts = names.iter().zip(&runs).map(|(name, run)| [name.clone(), run.model.clone()]).collect();
    Ok(Comparison { columns, rows: table.rows, runs: names, charts, facts })
}

impl Comparison {
    /// Writes `summary.csv`, `report.html` and `manifest.json`.
    ///
    /// # Errors
    /// When the disk refuses, or something else is in the folder.
    pub fn write(&self, out: &Path, command: &str) -> Result<PathBuf, ExperimentError> {
        let folder = OutputFolder::create_over(out, "manifest.json")?;
        let summary =
            crate::summary::Summary { columns: self.columns.clone(), cells: Vec::new(), rows: self.rows.clone() };
        write_whole(&folder.path().join("summary.csv"), summary.csv().as_bytes())?;
        let title = format!("{} runs compared", self.runs.len());
        let data = json!({
            "title": title, "description": "", "command": command, "facts": self.facts, "notes": [],
            "charts": self.charts, "summary": { "columns": self.columns, "rows": self.rows },
        });
        let html = page(&title, &data).map_err(|error| ExperimentError::file("cannot write", out, error))?;
        write_whole(&folder.path().join("report.html"), html.as_bytes())?;
        write_json(
            &folder.path().join("manifest.json"),
            &json!({ "augraft": env!("CARGO_PKG_VERSION"), "compares": self.facts }),
        )?;
        Ok(folder.commit()?)
    }
}

struct Run {
    experiment: String,
    model: String,
    charts: Vec<ChartFields>,
    table: Table,
}

impl Run {
    fn read(folder: &Path) -> Result<Self, ExperimentError> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| {
                let reason = format!("{error}; name the folder of a complete run of `augraft experiment`");
                ExperimentError::file("cannot read", &path, reason)
            })
        };
        let refused = |name: &str, reason: &str| ExperimentError::file("cannot read", &folder.join(name), reason);
        let manifest: Value = serde_json::from_str(&text("manifest.json")?)
            .map_err(|error| refused("manifest.json", &error.to_string()))?;
        let Some(experiment) = manifest["experiment"].as_str().map(str::to_owned) else {
            return Err(refused("manifest.json", "it is of no experiment"));
        };
        let model = manifest["model"].as_str().unwrap_or_default().to_owned();
        let charts = serde_json::from_value(manifest["chart_fields"].clone()).unwrap_or_default();
        let mut lines = parsed(&text("summary.csv")?);
        if lines.is_empty() {
            return Err(refused("summary.csv", "it is empty"));
        }
        let columns = lines.remove(0);
        if lines.iter().any(|line| line.len() != columns.len()) {
            return Err(refused("summary.csv", "its lines have different lengths"));
        }
        Ok(Self { experiment, model, charts, table: Table { columns, rows: lines } })
    }
}

/// The cells of a CSV text, by line.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            other => cell.push(other),
        }
    }
    rows
}

/// The shortest ends of paths that tell them apart.
fn names(folders: &[PathBuf]) -> Vec<String> {
    let end = |folder: &PathBuf, parts: usize| {
        let all: Vec<_> = folder.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let most = folders.iter().map(|folder| folder.components().count()).max().unwrap_or(1);
    for parts in 1..=most {
        let names: Vec<String> = folders.iter().map(|folder| end(folder, parts)).collect();
        if names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)) {
            return names;
        }
    }
    folders.iter().enumerate().map(|(at, folder)| format!("{} ({})", folder.display(), at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let names = |paths: &[&str]| super::names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(names(&["out/a", "out/b"]), ["a", "b"]);
        assert_eq!(names(&["a/occlusion", "b/occlusion"]), ["a/occlusion", "b/occlusion"]);
        assert_eq!(names(&["a", "a"]), ["a (1)", "a (2)"]);
    }

    #[test]
    fn quoted_cells_are_read() {
        assert_eq!(parsed("a,\"b, \"\"c\"\"\"\n1,\n"), [vec!["a", "b, \"c\""], vec!["1", ""]]);
    }
}
