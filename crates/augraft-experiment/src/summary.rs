//! From rows to metrics with their intervals.

use std::collections::BTreeMap;

use ndarray::Array2;

use crate::metric::{Detection, MapMetric, Mean, Metric, Rate, Rule};
use crate::metrics::{
    BoxIous, Rect, area, aupr, auroc, auroc_interval, bootstrap, box_ious, crossing, detection_accuracy, ece,
    energy_share, fpr_at_tpr, holm, iou, largest_box, max_box_acc, max_box_acc_v2, mce, mcnemar, mean_interval,
    normalize, reliability, resize_bicubic, roc, tnr95, wilson,
};
use crate::plan::{ExperimentPlan, Setting, cell};
use crate::results::Results;
use crate::spec::Score;
use crate::table::{Map, Row};

/// Replicates of a bootstrap.
const REPLICATES: u32 = 200;

/// One metric of one set in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Number of the set.
    pub set: usize,
    /// Number of the setting; none for what is measured between settings.
    pub setting: Option<usize>,
    /// Name of the intervention, or of the two that are compared.
    pub intervention: String,
    /// Where.
    pub site: String,
    /// Way of making maps and target, as `cam a`; empty without maps.
    pub method: String,
    /// Name of the metric.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Ends of the 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Units that it is of.
    pub n: usize,
    /// p of `McNemar`'s test against the clean run on the same units.
    pub p: Option<f64>,
    /// The same after Holm's correction over the sites of the intervention.
    pub p_holm: Option<f64>,
}

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
pub fn rounded(value: f64) -> Option<f64> {
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

/// Rows of one setting, and what they are compared with.
struct At<'a> {
    plan: &'a ExperimentPlan,
    results: &'a Results,
    set: usize,
    number: usize,
    setting: &'a Setting,
    rows: &'a [Row],
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
                if self.setting.place.is_some() && *rate != Rate::FlipRate {
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

    fn cell(&self, metric: &Metric, n: usize) -> Cell {
        Cell {
            set: self.set,
            setting: Some(self.number),
            intervention: self.setting.intervention.clone(),
            site: self.plan.site_name(self.setting).to_owned(),
            method: String::new(),
            metric: metric.id(),
            value: f64::NAN,
            interval: None,
            n,
            p: None,
            p_holm: None,
        }
    }

    fn hit(&self, rate: Rate, row: &Row) -> f64 {
        let hit = match rate {
            Rate::Top1 => row.top1 == row.label_a,
            Rate::Top1Error => row.top1 != row.label_a,
            Rate::Top5 => (0..5).contains(&row.rank_a),
            Rate::Top5Error => !(0..5).contains(&row.rank_a),
            Rate::NeitherError => row.top1 != row.label_a && row.top1 != row.label_b,
            Rate::FlipRate => self.clean(row).is_some_and(|clean| clean.top1 != row.top1),
        };
        f64::from(u8::from(hit))
    }

    fn clean(&self, row: &Row) -> Option<&Row> {
        let clean = self.results.of(self.set, 0);
        clean.binary_search_by_key(&row.unit, |other| other.unit).ok().map(|at| &clean[at])
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
            let (a, b) = (f64::from(row.p_a), f64::from(row.p_b));
            return (a / (a + b) - f64::from(row.lam_eff)).abs();
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
        Detection::DetectionAccuracy => detection_accuracy(&roc(inside, outside)),
    }
}

/// Metrics between settings: areas between curves and crossings.
fn between(plan: &ExperimentPlan, results: &Results, metric: &Metric) -> Vec<Cell> {
    let (Metric::AreaBetween { x, .. } | Metric::Crossing { x }) = metric else { return Vec::new() };
    let Some(variable) = plan.variables.iter().position(|name| name == x) else { return Vec::new() };
    // Settings that differ in the variable alone make a curve.
    let mut curves: BTreeMap<(String, String), Vec<(f64, usize)>> = BTreeMap::new();
    for (number, setting) in plan.settings.iter().enumerate() {
        let value = setting.values[variable].as_ref().and_then(serde_json::Value::as_f64);
        if let (Some(value), Some(_)) = (value, setting.place) {
            let key = (plan.site_name(setting).to_owned(), setting.intervention.clone());
            curves.entry(key).or_default().push((value, number));
        }
    }
    for points in curves.values_mut() {
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
            let one = |((site, intervention), points): (&(String, String), &Vec<(f64, usize)>)| {
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
                Some(entry(site, intervention.clone(), n, value, interval))
            };
            curves.iter().filter_map(one).collect()
        }
        Metric::AreaBetween { metric: of, .. } => {
            let Some(Metric::Rate(rate)) = plan.metrics.iter().find(|known| known.id() == *of) else {
                return Vec::new();
            };
            let sites: Vec<&String> = curves.keys().map(|(site, _)| site).collect();
            let mut found = Vec::new();
            for site in sites
                .iter()
                .enumerate()
                .filter(|(at, site)| sites[..*at].iter().all(|other| other != *site))
                .map(|(_, site)| *site)
            {
                let own: Vec<_> = curves.iter().filter(|((of, _), _)| of == site).collect();
                let [((_, first), first_points), ((_, second), second_points)] = own[..] else { continue };
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
                found.push(entry(site, format!("{first} - {second}"), n, value, Some(interval)));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// Names of the means over sets, which come behind the sets.
const MEAN_NAMES: [&str; 2] = ["mean of sets", "mean of sets without noise"];

/// Adds, for detection metrics over several sets, the mean with and without the sets of noise.
fn means_over_sets(plan: &ExperimentPlan, cells: &mut Vec<Cell>) {
    let is_detection = |cell: &Cell| {
        plan.metrics.iter().any(|metric| matches!(metric, Metric::Detection(..)) && metric.id() == cell.metric)
    };
    let of: Vec<Cell> = cells.iter().filter(|cell| is_detection(cell)).cloned().collect();
    let is_noise = |set: usize| matches!(plan.sets[set].source, crate::plan::SetSource::Noise(_));
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
fn correct(plan: &ExperimentPlan, cells: &mut [Cell]) {
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

/// What saliency maps are worth, by setting, method, target and unit.
struct Measured {
    ious: BTreeMap<(i64, i64, i64), Vec<Scored>>,
}

/// One map, measured.
struct Scored {
    unit: i64,
    map: Array2<f32>,
    /// Boxes of the object; none where none was given.
    truth: Vec<Rect>,
    ious: Option<BoxIous>,
}

impl Measured {
    fn of(plan: &ExperimentPlan, results: &Results) -> Self {
        let mut ious: BTreeMap<_, Vec<Scored>> = BTreeMap::new();
        let wanted = |metric: &Metric| matches!(metric, Metric::Map(MapMetric::MaxBoxAcc | MapMetric::MaxBoxAccV2));
        let thresholds = plan.metrics.iter().any(wanted);
        let [_, height, width] = plan.places[0].map;
        for map in &results.maps {
            let boxes = results.boxes.binary_search_by_key(&map.unit, |boxes| boxes.unit);
            let boxes = boxes.map_or(&[][..], |at| &results.boxes[at].boxes);
            let rect =
                |[left, top, right, bottom]: &[f64; 4]| Rect { top: *top, left: *left, bottom: *bottom, right: *right };
            let truth: Vec<Rect> = boxes.iter().map(rect).collect();
            let large = upsampled(map, [height, width]);
            let scored = thresholds && !truth.is_empty();
            let measured = scored.then(|| box_ious(normalize(large.view()).view(), &truth));
            let entry = Scored { unit: map.unit, map: large, truth, ious: measured };
            ious.entry((map.setting, map.method, map.target)).or_default().push(entry);
        }
        Self { ious }
    }

    fn cells(&self, at: &At<'_>, measure: MapMetric, template: &Cell) -> Vec<Cell> {
        let Some(saliency) = at.plan.saliency.as_ref().filter(|_| at.set == 0) else { return Vec::new() };
        let mut cells = Vec::new();
        for (method, of_method) in saliency.methods.iter().enumerate() {
            for (target, of_target) in saliency.targets.iter().enumerate() {
                let Some(maps) = self.ious.get(&(at.number as i64, method as i64, target as i64)) else { continue };
                let mut cell =
                    Cell { method: format!("{} {}", of_method.name(), of_target.name()), ..template.clone() };
                if measured(at, measure, saliency.targets[target], maps, &mut cell).is_some() {
                    cells.push(cell);
                }
            }
        }
        cells
    }
}

/// Fills a cell with a measure of maps; none where no map can be measured so.
fn measured(
    at: &At<'_>,
    measure: MapMetric,
    target: crate::spec::Target,
    maps: &[Scored],
    cell: &mut Cell,
) -> Option<()> {
    let boxed: Vec<&Scored> = maps.iter().filter(|map| !map.truth.is_empty()).collect();
    let row = |unit: i64| at.rows.iter().find(|row| row.unit == unit);
    let rate = |hits: &[bool], cell: &mut Cell| {
        let count = hits.iter().filter(|hit| **hit).count();
        cell.n = hits.len();
        cell.value = count as f64 / hits.len() as f64;
        cell.interval = Some(wilson(count as f64, hits.len() as u64));
    };
    if boxed.is_empty() && measure != MapMetric::EnergyInRegion {
        return None;
    }
    match measure {
        MapMetric::Loc(threshold) | MapMetric::GtKnownLoc(threshold) => {
            let hit = |scored: &&Scored| {
                let right = row(scored.unit).is_some_and(|row| row.top1 == row.label_a);
                let best = largest_box(scored.map.view(), threshold)
                    .map_or(0.0, |found| scored.truth.iter().map(|truth| iou(&found, truth)).fold(0.0, f64::max));
                (right || matches!(measure, MapMetric::GtKnownLoc(_))) && best > 0.5
            };
            rate(&boxed.iter().map(hit).collect::<Vec<_>>(), cell);
        }
        MapMetric::MaxBoxAcc | MapMetric::MaxBoxAccV2 => {
            let ious = |of: &dyn Fn(&BoxIous) -> Vec<f64>| {
                boxed.iter().filter_map(|map| map.ious.as_ref().map(of)).collect::<Vec<_>>()
            };
            let largest = measure == MapMetric::MaxBoxAcc;
            let ious = ious(&|ious| if largest { ious.largest.clone() } else { ious.best.clone() });
            let value = |ious: &[Vec<f64>]| if largest { max_box_acc(ious, 0.5) } else { max_box_acc_v2(ious) };
            cell.n = ious.len();
            cell.value = value(&ious);
            let mut resampled =
                |chosen: &[usize]| value(&chosen.iter().map(|at| ious[*at].clone()).collect::<Vec<_>>());
            cell.interval = Some(bootstrap(ious.len(), REPLICATES, at.plan.seed, &mut resampled));
        }
        MapMetric::EnergyInRegion => {
            let [_, height, width] = at.plan.places[0].map;
            let share = |scored: &Scored| {
                let inside = inside(at, row(scored.unit)?, target, &scored.truth, [height, width])?;
                Some(energy_share(scored.map.view(), inside.view())).filter(|share| share.is_finite())
            };
            let shares: Vec<f64> = maps.iter().filter_map(share).collect();
            if shares.is_empty() {
                return None;
            }
            cell.n = shares.len();
            cell.value = shares.iter().sum::<f64>() / shares.len() as f64;
            cell.interval = Some(mean_interval(&shares).map(|end| end.clamp(0.0, 1.0)));
        }
    }
    Some(())
}

/// Where the class of the target is in an image: outside or inside the box that was drawn at the input, else inside the object's boxes.
fn inside(
    at: &At<'_>,
    row: &Row,
    target: crate::spec::Target,
    truth: &[Rect],
    [height, width]: [usize; 2],
) -> Option<Array2<bool>> {
    let bounds = [row.top, row.left, row.bottom, row.right];
    let within = |bounds: [f64; 4], y: usize, x: usize| {
        let (y, x) = (y as f64 + 0.5, x as f64 + 0.5);
        y >= bounds[0] && y < bounds[2] && x >= bounds[1] && x < bounds[3]
    };
    if at.setting.place.is_none() {
        let boxes: Vec<[f64; 4]> = truth.iter().map(|rect| [rect.top, rect.left, rect.bottom, rect.right]).collect();
        return (!boxes.is_empty()).then(|| {
            Array2::from_shape_fn([height, width], |(y, x)| boxes.iter().any(|bounds| within(*bounds, y, x)))
        });
    }
    let [_, rows, columns] = at.plan.places[at.setting.place?].map;
    let scale = [height as f64 / rows as f64, width as f64 / columns as f64];
    let bounds = if row.top >= 0 {
        [
            bounds[0] as f64 * scale[0],
            bounds[1] as f64 * scale[1],
            bounds[2] as f64 * scale[0],
            bounds[3] as f64 * scale[1],
        ]
    } else {
        // A blend has no region of its own; the box of the same area at the center is the reference.
        let side = (1.0 - f64::from(row.lam_eff)).max(0.0).sqrt();
        let edge = |length: usize, sign: f64| length as f64 * (0.5 + sign * side / 2.0);
        [edge(height, -1.0), edge(width, -1.0), edge(height, 1.0), edge(width, 1.0)]
    };
    let own_is_outside = target != crate::spec::Target::B;
    Some(Array2::from_shape_fn([height, width], |(y, x)| within(bounds, y, x) != own_is_outside))
}

/// A map in the size of the image.
pub(crate) fn upsampled(map: &Map, size: [usize; 2]) -> Array2<f32> {
    resize_bicubic(map.values.view(), size)
}
