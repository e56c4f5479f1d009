//! What is measured between settings and over sets, and the correction of p values over sites.

use std::collections::BTreeMap;

use super::cells::{At, Cell, REPLICATES};
use crate::metric::Metric;
use crate::metrics::{area, bootstrap, crossing, holm};
use crate::plan::{ExperimentPlan, SetSource, Setting};
use crate::results::Results;
use crate::table::Row;

/// Metrics between settings: areas between curves and crossings.
pub(super) fn between(plan: &ExperimentPlan, results: &Results, metric: &Metric) -> Vec<Cell> {
    let (Metric::AreaBetween { x, .. } | Metric::Crossing { x }) = metric else { return Vec::new() };
    let Some(variable) = plan.variables.iter().position(|name| name == x) else { return Vec::new() };
    // Settings that differ in the variable alone make a curve; curves are in the order of the file.
    let mut curves: Vec<(CurveKey, Vec<(f64, usize)>)> = Vec::new();
    for (number, setting) in plan.settings.iter().enumerate() {
        let value = setting.values[variable].as_ref().and_then(serde_json::Value::as_f64);
        let (Some(value), Some(_)) = (value, setting.place) else { continue };
        let mut values = setting.values.clone();
        values[variable] = None;
        let others = plan.words(&Setting { values, ..setting.clone() });
        let key =
            CurveKey { site: plan.site_name(setting).to_owned(), others, intervention: setting.intervention.clone() };
        match curves.iter_mut().find(|(known, _)| *known == key) {
            Some((_, points)) => points.push((value, number)),
            None => curves.push((key, vec![(value, number)])),
        }
    }
    for (_, points) in &mut curves {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let entry = |site: &str, intervention: String, n: usize, value: f64, interval: Option<[f64; 2]>| Cell {
        set: 0,
        setting: None,
        intervention,
        site: site.to_owned(),
        method: String::new(),
        metric: metric.id(),
        value,
        interval,
        n,
        p: None,
        p_holm: None,
    };
    let mean = |number: usize, chosen: &[usize], value: &dyn Fn(&At<'_>, &Row) -> f64| {
        let at = At { plan, results, set: 0, number, setting: &plan.settings[number], rows: results.of(0, number) };
        chosen.iter().map(|row| value(&at, &at.rows[*row])).sum::<f64>() / chosen.len() as f64
    };
    let units = |number: usize| results.of(0, number).len();
    match metric {
        Metric::Crossing { .. } => {
            let one = |(key, points): &(CurveKey, Vec<(f64, usize)>)| {
                let n = units(points.first()?.1);
                let at = |chosen: &[usize]| {
                    let xs: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
                    let ys = |of: &dyn Fn(&At<'_>, &Row) -> f64| {
                        points.iter().map(|(_, number)| mean(*number, chosen, of)).collect::<Vec<f64>>()
                    };
                    let (a, b) = (ys(&|_, row| f64::from(row.p_a)), ys(&|_, row| f64::from(row.p_b)));
                    crossing(&xs, &a, &b).unwrap_or(f64::NAN)
                };
                let value = at(&(0..n).collect::<Vec<_>>());
                let interval = value.is_finite().then(|| bootstrap(n, REPLICATES, plan.seed, &mut |chosen| at(chosen)));
                Some(entry(&key.site, key.named(), n, value, interval))
            };
            curves.iter().filter_map(one).collect()
        }
        Metric::AreaBetween { metric: of, .. } => {
            let Some(Metric::Rate(rate)) = plan.metrics.iter().find(|known| known.id() == *of) else {
                return Vec::new();
            };
            let mut found = Vec::new();
            for (at, (key, first_points)) in curves.iter().enumerate() {
                let same =
                    |(other, _): &&(CurveKey, Vec<(f64, usize)>)| other.site == key.site && other.others == key.others;
                // The second of a pair of curves is found by the first.
                if curves[..at].iter().any(|known| same(&known)) {
                    continue;
                }
                let Some((second, second_points)) = curves[at + 1..].iter().find(same) else { continue };
                let n = first_points.first().map_or(0, |(_, number)| units(*number));
                let at = |chosen: &[usize]| {
                    let under = |points: &Vec<(f64, usize)>| {
                        let xs: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
                        let ys: Vec<f64> = points
                            .iter()
                            .map(|(_, number)| mean(*number, chosen, &|at, row| at.hit(*rate, row)))
                            .collect();
                        area(&xs, &ys)
                    };
                    under(first_points) - under(second_points)
                };
                let value = at(&(0..n).collect::<Vec<_>>());
                let interval = bootstrap(n, REPLICATES, plan.seed, &mut |chosen| at(chosen));
                found.push(entry(&key.site, format!("{} - {}", key.named(), second.named()), n, value, Some(interval)));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// What tells curves apart.
#[derive(PartialEq)]
struct CurveKey {
    site: String,
    /// Words of the other variables.
    others: String,
    intervention: String,
}

impl CurveKey {
    fn named(&self) -> String {
        let parts = [self.intervention.as_str(), self.others.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// Names of the means over sets, which come behind the sets.
pub(super) const MEAN_NAMES: [&str; 2] = ["mean of sets", "mean of sets without noise"];

/// Adds, for detection metrics over several sets, the mean with and without the sets of noise.
pub(super) fn means_over_sets(plan: &ExperimentPlan, cells: &mut Vec<Cell>) {
    let is_detection = |cell: &Cell| {
        plan.metrics.iter().any(|metric| matches!(metric, Metric::Detection(..)) && metric.id() == cell.metric)
    };
    let of: Vec<Cell> = cells.iter().filter(|cell| is_detection(cell)).cloned().collect();
    let is_noise = |set: usize| matches!(plan.sets[set].source, SetSource::Noise(_));
    let mut known: Vec<(Option<usize>, String)> = Vec::new();
    for cell in &of {
        let key = (cell.setting, cell.metric.clone());
        if known.contains(&key) {
            continue;
        }
        for (number, without_noise) in [(0, false), (1, true)] {
            let group: Vec<&Cell> = of
                .iter()
                .filter(|other| {
                    (other.setting, &other.metric) == (key.0, &key.1) && !(without_noise && is_noise(other.set))
                })
                .collect();
            if group.len() > 1 || (without_noise && !group.is_empty() && plan.sets.len() > 2) {
                cells.push(Cell {
                    set: plan.sets.len() + number,
                    value: group.iter().map(|other| other.value).sum::<f64>() / group.len() as f64,
                    interval: None,
                    n: group.iter().map(|other| other.n).sum(),
                    ..cell.clone()
                });
            }
        }
        known.push(key);
    }
}

/// Corrects the p values of each intervention, setting and metric over its sites.
pub(super) fn correct(plan: &ExperimentPlan, cells: &mut [Cell]) {
    let mut families: BTreeMap<(usize, String, String, String), Vec<usize>> = BTreeMap::new();
    for (at, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.p.is_some()) {
        let words = cell.setting.map_or_else(String::new, |setting| plan.words(&plan.settings[setting]));
        families.entry((cell.set, cell.intervention.clone(), cell.metric.clone(), words)).or_default().push(at);
    }
    for family in families.into_values() {
        let p: Vec<f64> = family.iter().filter_map(|at| cells[*at].p).collect();
        for (at, adjusted) in family.into_iter().zip(holm(&p)) {
            cells[at].p_holm = Some(adjusted);
        }
    }
}
