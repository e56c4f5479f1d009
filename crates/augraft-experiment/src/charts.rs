//! From the table of a summary to charts; the numbers are those of the table.

use serde_json::{Value, json};

use crate::spec::{BarFields, ChartFields, CurveFields, HeatFields};

/// Rows of text under names, as in `summary.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Columns that say what was measured and how well; all others say of what.
const MEASURES: [&str; 7] = ["metric", "value", "low", "high", "n", "p", "p_holm"];

impl Table {
    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The text of a row under a name; empty where there is none.
    pub(crate) fn text<'t>(&self, row: &'t [String], name: &str) -> &'t str {
        self.column(name).map_or("", |at| &row[at])
    }

    fn number(&self, row: &[String], name: &str) -> Option<f64> {
        self.text(row, name).parse().ok()
    }

    /// Rows of a metric, of the named interventions where there are names.
    fn of(&self, metric: &str, interventions: &[String]) -> Vec<&Vec<String>> {
        let wanted = |row: &&Vec<String>| {
            let own = self.text(row, "intervention");
            self.text(row, "metric") == metric
                && (interventions.is_empty() || interventions.iter().any(|name| name == own))
        };
        self.rows.iter().filter(wanted).collect()
    }

    /// What tells rows apart, the columns `besides` left out: for each row, words of the columns that differ.
    fn names(&self, rows: &[&Vec<String>], besides: &[&str]) -> Vec<String> {
        let is_told = |cell: &&String| !cell.is_empty() && *cell != "-";
        let differs = |at: &usize| {
            let mut told = rows.iter().map(|row| &row[*at]).filter(is_told);
            told.next().is_some_and(|first| told.any(|cell| cell != first))
        };
        let told: Vec<usize> = (0..self.columns.len())
            .filter(|at| !MEASURES.contains(&&*self.columns[*at]) && !besides.contains(&&*self.columns[*at]))
            .filter(differs)
            .collect();
        let named = ["run", "set", "intervention", "site", "method"];
        let word = |row: &Vec<String>, at: usize| match &self.columns[at] {
            _ if row[at].is_empty() || row[at] == "-" => None,
            name if named.contains(&name.as_str()) => Some(row[at].clone()),
            name => Some(format!("{name} {}", row[at])),
        };
        rows.iter().map(|row| told.iter().filter_map(|at| word(row, *at)).collect::<Vec<_>>().join(", ")).collect()
    }
}

/// A chart of the table; none where the table has nothing for it, or it is not of a table.
pub(crate) fn chart(table: &Table, fields: &ChartFields) -> Option<Value> {
    match fields {
        ChartFields::Curve(curve) => self::curve(table, curve),
        ChartFields::Heat(heat) => self::heat(table, heat),
        ChartFields::Bar(bar) => self::bar(table, bar),
        ChartFields::Reliability(_) | ChartFields::Roc(_) | ChartFields::Strip(_) => None,
    }
}

fn curve(table: &Table, fields: &CurveFields) -> Option<Value> {
    let by_mean = fields.x == "lam_eff";
    let rows = table.of(&fields.y, &fields.of);
    let at = |row: &Vec<String>| {
        if by_mean { table.number(&mean_of(table, row, "lam_eff")?, "value") } else { table.number(row, &fields.x) }
    };
    let rows: Vec<&Vec<String>> = rows.into_iter().filter(|row| at(row).is_some()).collect();
    let variables: Vec<&str> = variables(table);
    let mut besides = vec![fields.x.as_str()];
    if by_mean {
        besides.extend(&variables);
    }
    let names = if rows.is_empty() { Vec::new() } else { table.names(&rows, &besides) };
    let mut series: Vec<(String, Vec<&Vec<String>>)> = Vec::new();
    for (row, name) in rows.iter().zip(names) {
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(row),
            None => series.push((name, vec![row])),
        }
    }
    let one = |(name, mut points): (String, Vec<&Vec<String>>)| {
        points.sort_by(|a, b| at(a).unwrap_or_default().total_cmp(&at(b).unwrap_or_default()));
        let values = |column: &str| points.iter().map(|row| table.number(row, column)).collect::<Vec<_>>();
        let name = if name.is_empty() { fields.y.clone() } else { name };
        json!({
            "name": name,
            "x": points.iter().map(|row| at(row)).collect::<Vec<_>>(),
            "y": values("value"), "low": values("low"), "high": values("high"), "n": values("n"),
        })
    };
    (!series.is_empty()).then(|| {
        json!({
            "kind": "curve",
            "title": format!("{} over {}", spoken(&fields.y), spoken(&fields.x)),
            "x": { "label": spoken(&fields.x) },
            "y": { "label": spoken(&fields.y), "range": range(&fields.y) },
            "series": series.into_iter().map(one).collect::<Vec<_>>(),
        })
    })
}

/// The row of another metric of the same setting.
fn mean_of(table: &Table, row: &[String], metric: &str) -> Option<Vec<String>> {
    let same = |other: &&Vec<String>| {
        table.text(other, "metric") == metric
            && (0..table.columns.len()).all(|at| MEASURES.contains(&&*table.columns[at]) || other[at] == row[at])
    };
    table.rows.iter().find(same).cloned()
}

/// Columns of variables.
fn variables(table: &Table) -> Vec<&str> {
    let fixed = ["run", "set", "intervention", "site", "method"];
    let own = |name: &&str| !fixed.contains(name) && !MEASURES.contains(name);
    table.columns.iter().map(String::as_str).filter(own).collect()
}

fn heat(table: &Table, fields: &HeatFields) -> Option<Value> {
    let rows = table.of(&fields.z, &fields.of);
    let given = |row: &&Vec<String>| !table.text(row, &fields.x).is_empty() && !table.text(row, &fields.y).is_empty();
    let rows: Vec<&Vec<String>> = rows.into_iter().filter(given).collect();
    if rows.is_empty() {
        return None;
    }
    let distinct = |name: &str, rows: &[&Vec<String>]| {
        let mut values: Vec<String> = Vec::new();
        for value in rows.iter().map(|row| table.text(row, name)) {
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        if values.iter().all(|value| value.parse::<f64>().is_ok()) {
            values.sort_by(|a, b| a.parse().unwrap_or(0.0f64).total_cmp(&b.parse().unwrap_or(0.0)));
        }
        values
    };
    let (xs, ys) = (distinct(&fields.x, &rows), distinct(&fields.y, &rows));
    let names = table.names(&rows, &[&fields.x, &fields.y]);
    let mut panels: Vec<(String, Vec<&Vec<String>>)> = Vec::new();
    for (row, name) in rows.iter().zip(names) {
        match panels.iter_mut().find(|(known, _)| *known == name) {
            Some((_, cells)) => cells.push(row),
            None => panels.push((name, vec![row])),
        }
    }
    let one = |(name, cells): &(String, Vec<&Vec<String>>)| {
        let grid = |column: &str| {
            let cell = |x: &String, y: &String| {
                let row =
                    cells.iter().find(|row| table.text(row, &fields.x) == x && table.text(row, &fields.y) == y)?;
                table.number(row, column)
            };
            ys.iter().map(|y| xs.iter().map(|x| cell(x, y)).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        json!({ "name": name, "z": grid("value"), "low": grid("low"), "high": grid("high"), "n": grid("n") })
    };
    Some(json!({
        "kind": "heat",
        "title": format!("{} by {} and {}", spoken(&fields.z), spoken(&fields.y), spoken(&fields.x)),
        "x": { "label": spoken(&fields.x), "values": xs },
        "y": { "label": spoken(&fields.y), "values": ys },
        "z": { "label": spoken(&fields.z), "range": range(&fields.z) },
        "panels": panels.iter().map(one).collect::<Vec<_>>(),
    }))
}

fn bar(table: &Table, fields: &BarFields) -> Option<Value> {
    let rows = table.of(&fields.y, &[]);
    if rows.is_empty() {
        return None;
    }
    let names = table.names(&rows, &["run"]);
    let mut categories: Vec<String> = Vec::new();
    for name in &names {
        if !categories.contains(name) {
            categories.push(name.clone());
        }
    }
    let mut runs: Vec<&str> = Vec::new();
    for run in rows.iter().map(|row| table.text(row, "run")) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    let one = |run: &str| {
        let value = |column: &str| {
            let find = |category: &String| {
                let at = (0..rows.len()).find(|at| names[*at] == *category && table.text(rows[*at], "run") == run)?;
                table.number(rows[at], column)
            };
            categories.iter().map(find).collect::<Vec<_>>()
        };
        let name = if run.is_empty() { spoken(&fields.y) } else { run.to_owned() };
        json!({ "name": name, "y": value("value"), "low": value("low"), "high": value("high"), "n": value("n") })
    };
    let shown: Vec<&str> =
        categories.iter().map(|name| if name.is_empty() { fields.y.as_str() } else { name }).collect();
    Some(json!({
        "kind": "bar",
        "title": spoken(&fields.y),
        "y": { "label": spoken(&fields.y), "range": range(&fields.y) },
        "x": shown,
        "series": runs.into_iter().map(one).collect::<Vec<_>>(),
    }))
}

/// The range of metrics that are shares.
fn range(metric: &str) -> Value {
    let shares = [
        "top",
        "neither",
        "flip",
        "p_a",
        "p_b",
        "confidence",
        "auroc",
        "aupr",
        "fpr95",
        "tnr95",
        "detection",
        "loc",
        "gt_known",
        "max_box",
        "energy_in",
        "lam_eff",
    ];
    if shares.iter().any(|share| metric.starts_with(share)) { json!([0, 1]) } else { Value::Null }
}

/// A name of a metric or variable for readers.
fn spoken(name: &str) -> String {
    match name {
        "top1_error" => "top-1 error".to_owned(),
        "top5_error" => "top-5 error".to_owned(),
        "top1" => "top-1 accuracy".to_owned(),
        "top5" => "top-5 accuracy".to_owned(),
        "neither_error" => "neither-error".to_owned(),
        "ece" | "mce" | "nll" => name.to_uppercase(),
        "lam_eff" | "p_a" | "p_b" => name.to_owned(),
        other => other.replace('_', " "),
    }
}
