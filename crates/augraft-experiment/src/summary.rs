//! From rows to metrics with their intervals.

mod across;
mod cells;
mod maps;

use self::across::{MEAN_NAMES, between, correct, means_over_sets};
pub use self::cells::Cell;
use self::cells::{At, REPLICATES};
use self::maps::Measured;
use crate::metric::{Detection, Mean, Metric, Rate, Rule};
use crate::metrics::{
    aupr, auroc, auroc_interval, bootstrap, detection_accuracy, ece, fpr_at_tpr, linearity_gap, mce, mcnemar,
    mean_interval, reliability, roc, tnr95, wilson,
};
use crate::plan::{ExperimentPlan, cell};
use crate::results::Results;
use crate::spec::Score;
use crate::table::Row;

/// The metrics of a run, in the order of sets, settings and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The cells.
    pub cells: Vec<Cell>,
    /// The same as text, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Summary {
    /// Computes all metrics of a plan.
    #[must_use]
    pub fn of(plan: &ExperimentPlan, results: &Results) -> Self {
        let mut cells = Vec::new();
        let maps = Measured::of(plan, results);
        for set in 0..plan.sets.len() {
            for (number, setting) in plan.settings.iter().enumerate() {
                let rows = results.of(set, number);
                if rows.is_empty() {
                    continue;
                }
                let at = At { plan, results, set, number, setting, rows };
                cells.extend(plan.metrics.iter().flat_map(|metric| at.cells(metric, &maps)));
            }
        }
        for metric in &plan.metrics {
            cells.extend(between(plan, results, metric));
        }
        means_over_sets(plan, &mut cells);
        correct(plan, &mut cells);
        let mut columns: Vec<String> = ["set", "intervention", "site", "method"].map(str::to_owned).to_vec();
        columns.extend(plan.variables.iter().cloned());
        columns.extend(["metric", "value", "low", "high", "n", "p", "p_holm"].map(str::to_owned));
        let rows = cells.iter().map(|cell| text(plan, cell)).collect();
        Self { columns, cells, rows }
    }

    /// The summary as a CSV file with a header.
    #[must_use]
    pub fn csv(&self) -> String {
        let quoted = |cell: &String| {
            if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
        };
        let line = |cells: &Vec<String>| cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
        std::iter::once(&self.columns).chain(&self.rows).map(line).collect()
    }
}

/// A number as it stands in the summary: six significant digits, the shortest way.
#[must_use]
pub fn shown(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if rounded != 0.0 && rounded.abs() < 1e-4 { format!("{rounded:e}") } else { format!("{rounded}") }
}

/// A number as it stands in the summary, as a number.
#[must_use]
pub(crate) fn rounded(value: f64) -> Option<f64> {
    shown(value).parse().ok()
}

fn text(plan: &ExperimentPlan, entry: &Cell) -> Vec<String> {
    let set = plan
        .sets
        .get(entry.set)
        .map_or_else(|| MEAN_NAMES[entry.set - plan.sets.len()].to_owned(), |set| set.name.clone());
    let mut row = vec![set, entry.intervention.clone(), entry.site.clone(), entry.method.clone()];
    let values = entry.setting.map(|setting| &plan.settings[setting].values);
    row.extend(
        (0..plan.variables.len())
            .map(|at| values.and_then(|values| values[at].as_ref()).map_or_else(String::new, cell)),
    );
    let number = |value: Option<f64>| value.map_or_else(String::new, shown);
    row.push(entry.metric.clone());
    row.push(shown(entry.value));
    row.push(number(entry.interval.map(|[low, _]| low)));
    row.push(number(entry.interval.map(|[_, high]| high)));
    row.push(entry.n.to_string());
    row.push(number(entry.p));
    row.push(number(entry.p_holm));
    row
}

impl At<'_> {
    fn cells(&self, metric: &Metric, maps: &Measured) -> Vec<Cell> {
        let known: Vec<&Row> = self.rows.iter().filter(|row| !metric.needs_labels() || row.label_a >= 0).collect();
        if known.is_empty() {
            return Vec::new();
        }
        let of = |rows: &[&Row], value: &dyn Fn(&Row) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<f64>>();
        let mut cell = self.cell(metric, known.len());
        match metric {
            Metric::Rate(rate) => {
                let hits: Vec<f64> = of(&known, &|row| self.hit(*rate, row));
                let count: f64 = hits.iter().sum();
                cell.value = count / hits.len() as f64;
                cell.interval = Some(wilson(count, hits.len() as u64));
                if self.setting.place.is_some() && *rate != Rate::Flip {
                    cell.p = Some(self.against_clean(*rate, &known, &hits));
                }
            }
            Metric::Mean(mean) => {
                let values: Vec<f64> =
                    of(&known, &|row| mean_of(*mean, row)).into_iter().filter(|value| !value.is_nan()).collect();
                if values.is_empty() {
                    return Vec::new();
                }
                cell.n = values.len();
                cell.value = values.iter().sum::<f64>() / values.len() as f64;
                cell.interval = Some(mean_interval(&values).map(|end| mean.within(end)));
            }
            Metric::Ece(bins) | Metric::Mce(bins) => {
                let (confidence, credit) =
                    (of(&known, &|row| f64::from(row.confidence)), of(&known, &|row| f64::from(row.credit)));
                let gap = if matches!(metric, Metric::Ece(_)) { ece } else { mce };
                cell.value = gap(&reliability(&confidence, &credit, *bins));
                let mut resampled = |chosen: &[usize]| {
                    let pick = |values: &[f64]| chosen.iter().map(|at| values[*at]).collect::<Vec<_>>();
                    gap(&reliability(&pick(&confidence), &pick(&credit), *bins))
                };
                cell.interval = Some(bootstrap(known.len(), REPLICATES, self.plan.seed, &mut resampled));
            }
            Metric::Detection(detection, score) => {
                if self.set == 0 {
                    return Vec::new();
                }
                let scores = |rows: &[Row]| rows.iter().map(|row| score_of(*score, row)).collect::<Vec<f64>>();
                let (inside, outside) = (scores(self.results.of(0, self.number)), scores(self.rows));
                cell.n = inside.len() + outside.len();
                cell.value = detected(*detection, &inside, &outside);
                cell.interval = Some(if *detection == Detection::Auroc {
                    auroc_interval(&inside, &outside)
                } else {
                    let mut resampled = |chosen: &[usize]| {
                        let pick = |values: &[f64], keep: &dyn Fn(usize) -> Option<usize>| {
                            chosen.iter().filter_map(|at| Some(values[keep(*at)?])).collect::<Vec<f64>>()
                        };
                        let inside_of = pick(&inside, &|at| (at < inside.len()).then_some(at));
                        let outside_of = pick(&outside, &|at| at.checked_sub(inside.len()));
                        detected(*detection, &inside_of, &outside_of)
                    };
                    bootstrap(cell.n, REPLICATES, self.plan.seed, &mut resampled)
                });
            }
            Metric::Recovered => return self.recovered(cell).into_iter().collect(),
            Metric::Map(measure) => return maps.cells(self, *measure, &cell),
            Metric::AreaBetween { .. } | Metric::Crossing { .. } => return Vec::new(),
        }
        vec![cell]
    }

    fn against_clean(&self, rate: Rate, rows: &[&Row], hits: &[f64]) -> f64 {
        let pairs = rows.iter().zip(hits).filter_map(|(row, hit)| Some((self.hit(rate, self.clean(row)?), *hit)));
        let (mut only_clean, mut only_here) = (0, 0);
        for (clean, here) in pairs {
            only_clean += u64::from(clean > here);
            only_here += u64::from(here > clean);
        }
        mcnemar(only_clean, only_here)
    }

    /// Sum over the units of what patching moves the difference of logits, over what the clean run does.
    fn recovered(&self, mut cell: Cell) -> Option<Cell> {
        let base = 1 + self.setting.base?;
        self.setting.place?;
        let difference = |row: &Row| f64::from(row.logit_a) - f64::from(row.logit_b);
        let corrupt = self.results.of(self.set, base);
        let parts: Vec<[f64; 2]> = self
            .rows
            .iter()
            .filter_map(|row| {
                let from = corrupt.binary_search_by_key(&row.unit, |other| other.unit).ok().map(|at| &corrupt[at])?;
                let clean = self.clean(row)?;
                Some([difference(row) - difference(from), difference(clean) - difference(from)])
            })
            .collect();
        let ratio = |chosen: &mut dyn Iterator<Item = usize>| {
            let [moved, whole] = chosen.fold([0.0, 0.0], |[a, b], at| [a + parts[at][0], b + parts[at][1]]);
            moved / whole
        };
        cell.n = parts.len();
        cell.value = ratio(&mut (0..parts.len()));
        let mut resampled = |chosen: &[usize]| ratio(&mut chosen.iter().copied());
        cell.interval = Some(bootstrap(parts.len(), REPLICATES, self.plan.seed, &mut resampled));
        Some(cell)
    }
}

fn mean_of(mean: Mean, row: &Row) -> f64 {
    let value = match mean {
        Mean::PA => row.p_a,
        Mean::PB => row.p_b,
        Mean::LamEff => row.lam_eff,
        Mean::Confidence => row.confidence,
        Mean::Entropy => row.entropy,
        Mean::Energy => row.energy,
        Mean::Kl(Rule::Area) => row.kl_area,
        Mean::Kl(Rule::OneHot) => row.kl_one_hot,
        Mean::Kl(Rule::Complete) => row.kl_complete,
        Mean::Nll => row.nll,
        Mean::Brier => row.brier,
        Mean::Changed => row.changed,
        Mean::Linearity => {
            return linearity_gap(f64::from(row.p_a), f64::from(row.p_b), f64::from(row.lam_eff));
        }
    };
    f64::from(value)
}

pub(crate) fn score_of(score: Score, row: &Row) -> f64 {
    f64::from(match score {
        Score::Msp => row.confidence,
        Score::Energy => row.energy,
        Score::MaxLogit => row.max_logit,
    })
}

fn detected(detection: Detection, inside: &[f64], outside: &[f64]) -> f64 {
    let negated = |scores: &[f64]| scores.iter().map(|score| -score).collect::<Vec<_>>();
    match detection {
        Detection::Auroc => auroc(inside, outside),
        Detection::AuprIn => aupr(inside, outside),
        Detection::AuprOut => aupr(&negated(outside), &negated(inside)),
        Detection::Fpr95 => fpr_at_tpr(&roc(inside, outside), 0.95),
        Detection::Tnr95 => tnr95(&roc(inside, outside)),
        Detection::Accuracy => detection_accuracy(&roc(inside, outside)),
    }
}
