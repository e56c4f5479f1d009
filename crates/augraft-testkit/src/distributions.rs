//! What a fixture promises of a drawn quantity, and whether numbers are so distributed.

use std::collections::BTreeMap;

use augraft_operator::PhiloxRng;
use augraft_operator::rand_distr::{Beta, Distribution as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tails::{
    Verdicts, chi_square, chi_square_above, kolmogorov_above, mean_is, normal_below, two_sided, uncorrelated,
};

/// Numbers of an independent Beta sample, for each drawn one.
const REFERENCE: usize = 4;

/// Least expected number of draws of one value in a table of values.
const LEAST: f64 = 20.0;

/// What is promised of a quantity: the distribution of `(value / over) ^ power`; of a grid, but for `cells`, that of the share of set cells.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Promise {
    pub(crate) distribution: Distribution,
    over: f64,
    power: f64,
}

/// A distribution by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Distribution {
    /// Uniform between two numbers.
    Uniform([f64; 2]),
    /// Its logarithm is uniform, between those of two numbers.
    LogUniform([f64; 2]),
    /// Normal, with this mean and deviation.
    Normal([f64; 2]),
    /// Beta with this parameter twice, as `rand_distr` draws it.
    Beta(f64),
    /// Each whole number from the first to the second equally often.
    Integers([i64; 2]),
    /// Whole numbers with weights.
    Choices(BTreeMap<i64, f64>),
    /// True with this probability.
    Chance(f64),
    /// Each cell of a grid set with this probability, independently.
    Cells(f64),
    /// Of this mean, whatever the distribution.
    Mean(f64),
    /// A random permutation of the batch.
    Permute,
    /// A random cycle through the batch.
    Derange,
    /// The sample before.
    Roll,
    /// The batch in reverse.
    Flip,
    /// The second half of the batch for the first.
    Dataset,
    /// A function of other columns, which are tested; the text says which.
    Derived(String),
}

impl TryFrom<Value> for Promise {
    type Error = String;

    fn try_from(mut value: Value) -> Result<Self, String> {
        if let Some(mean) = value.as_f64() {
            value = json!({ "mean": mean });
        }
        let mut number = |name: &str| match value.as_object_mut().and_then(|fields| fields.remove(name)) {
            None => Ok(1.0),
            Some(number) => number.as_f64().ok_or_else(|| format!("`{name}` is a number")),
        };
        let (over, power) = (number("over")?, number("power")?);
        let distribution = serde_json::from_value(value).map_err(|error| error.to_string())?;
        Ok(Self { distribution, over, power })
    }
}

impl Promise {
    /// Checks the values of one quantity, one list for each draw.
    pub(crate) fn check(&self, draws: &[&[f64]], verdicts: &mut Verdicts) {
        let scaled = |value: &f64| {
            let value = value / self.over;
            if self.power == 1.0 { value } else { libm::pow(value, self.power) }
        };
        let pooled = || draws.iter().flat_map(|draw| draw.iter().map(scaled)).collect::<Vec<f64>>();
        match &self.distribution {
            Distribution::Uniform(ends) => uniform(pooled(), *ends, verdicts),
            Distribution::LogUniform(ends) => {
                let logarithms = pooled().into_iter().map(libm::log).collect();
                uniform(logarithms, ends.map(libm::log), verdicts);
            }
            Distribution::Normal([mean, deviation]) => {
                let below = |value| normal_below((value - mean) / deviation);
                continuous(pooled(), below, [*mean, deviation * deviation], verdicts);
            }
            Distribution::Beta(alpha) => beta(pooled(), *alpha, verdicts),
            Distribution::Integers([low, high]) => {
                choices(&pooled(), &(*low..=*high).map(|value| (value, 1.0)).collect(), verdicts);
            }
            Distribution::Choices(weights) => choices(&pooled(), weights, verdicts),
            Distribution::Chance(p) => chance(&pooled(), *p, verdicts),
            Distribution::Cells(p) => cells(draws, *p, verdicts),
            Distribution::Mean(expected) => {
                // Items of one draw may depend on each other.
                let mean = |draw: &&[f64]| draw.iter().map(scaled).sum::<f64>() / draw.len() as f64;
                mean_of(&draws.iter().map(mean).collect::<Vec<_>>(), *expected, "the mean", verdicts);
            }
            Distribution::Permute
            | Distribution::Derange
            | Distribution::Roll
            | Distribution::Flip
            | Distribution::Dataset => partners(draws, &self.distribution, verdicts),
            Distribution::Derived(why) => verdicts.require(!why.is_empty(), || "is derived from what?".to_owned()),
        }
    }
}

fn mean_of(values: &[f64], expected: f64, what: &str, verdicts: &mut Verdicts) {
    verdicts.judge(mean_is(values, expected), || {
        format!("{what} is {}, not {expected}", values.iter().sum::<f64>() / values.len() as f64)
    });
}

/// The largest distance between the distribution function of sorted values and `below`.
fn distance(sorted: &[f64], below: impl Fn(f64) -> f64) -> f64 {
    let n = sorted.len() as f64;
    let gap = |(at, value): (usize, &f64)| {
        let below = below(*value);
        (below - at as f64 / n).max((at + 1) as f64 / n - below)
    };
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// Kolmogorov and Smirnov's test, and the mean and variance, which tell more of a wrong width.
fn continuous(mut values: Vec<f64>, below: impl Fn(f64) -> f64, moments: [f64; 2], verdicts: &mut Verdicts) {
    values.sort_by(f64::total_cmp);
    let found = distance(&values, below);
    verdicts.judge(kolmogorov_above(found, values.len() as f64), || format!("is {found:.4} from its distribution"));
    moments_are(&values, moments, verdicts);
}

fn moments_are(values: &[f64], [mean, variance]: [f64; 2], verdicts: &mut Verdicts) {
    mean_of(values, mean, "the mean", verdicts);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean) * (value - mean)).collect();
    mean_of(&squares, variance, "the variance", verdicts);
}

fn uniform(values: Vec<f64>, [low, high]: [f64; 2], verdicts: &mut Verdicts) {
    let width = high - low;
    let below = |value: f64| ((value - low) / width).clamp(0.0, 1.0);
    continuous(values, below, [low + 0.5 * width, width * width / 12.0], verdicts);
}

fn beta(mut values: Vec<f64>, alpha: f64, verdicts: &mut Verdicts) {
    let Ok(distribution) = Beta::new(alpha, alpha) else {
        return verdicts.require(false, || format!("{alpha} is no parameter of Beta"));
    };
    let mut words = PhiloxRng::new(7);
    let mut reference: Vec<f64> = (0..REFERENCE * values.len()).map(|_| distribution.sample(&mut words)).collect();
    reference.sort_by(f64::total_cmp);
    values.sort_by(f64::total_cmp);
    let found = between(&values, &reference);
    let (n, m) = (values.len() as f64, reference.len() as f64);
    verdicts.judge(kolmogorov_above(found, n * m / (n + m)), || format!("is {found:.4} from Beta({alpha}, {alpha})"));
    moments_are(&values, [0.5, 0.25 / (2.0 * alpha + 1.0)], verdicts);
}

/// The largest distance between the distribution functions of two sorted samples.
fn between(a: &[f64], b: &[f64]) -> f64 {
    let (mut at, mut found) = (0, 0f64);
    for (rank, value) in a.iter().enumerate() {
        while at < b.len() && b[at] < *value {
            at += 1;
        }
        let [before, after] = [rank, rank + 1].map(|rank| rank as f64 / a.len() as f64);
        let below = at as f64 / b.len() as f64;
        found = found.max((below - before).abs()).max((after - below).abs());
    }
    found
}

fn choices(values: &[f64], weights: &BTreeMap<i64, f64>, verdicts: &mut Verdicts) {
    let total: f64 = weights.values().sum();
    let expected: Vec<f64> = weights.values().map(|weight| weight / total * values.len() as f64).collect();
    let enough = expected.iter().all(|expected| *expected >= LEAST);
    verdicts.require(enough, || format!("{} draws are too few to count {} values", values.len(), weights.len()));
    let place: BTreeMap<i64, usize> = weights.keys().enumerate().map(|(at, value)| (*value, at)).collect();
    let mut observed = vec![0; weights.len()];
    for value in values {
        match place.get(&(*value as i64)).filter(|_| value.fract() == 0.0) {
            Some(at) => observed[*at] += 1,
            None => return verdicts.require(false, || format!("{value} is drawn, and should not be")),
        }
    }
    if weights.len() > 1 {
        verdicts.judge(chi_square(&observed, &expected), || {
            format!("{:?} are drawn {observed:?} times, not {expected:.1?}", weights.keys().collect::<Vec<_>>())
        });
    }
}

fn chance(values: &[f64], p: f64, verdicts: &mut Verdicts) {
    let set = values.iter().filter(|value| **value != 0.0).count();
    let n = values.len() as f64;
    let variance = n * p * (1.0 - p);
    let found = || format!("is true in {set} of {n} draws, not with probability {p}");
    if variance == 0.0 {
        return verdicts.require(set as f64 == n * p, found);
    }
    verdicts.judge(two_sided((set as f64 - n * p) / variance.sqrt()), found);
}

/// The share of set cells, that of each cell, and that cells are independent: neighbors, and in the number that is set.
fn cells(grids: &[&[f64]], p: f64, verdicts: &mut Verdicts) {
    let places = grids.first().map_or(0, |grid| grid.len());
    let (n, variance) = (grids.len() as f64, p * (1.0 - p));
    chance(&grids.concat(), p, verdicts);
    if variance == 0.0 {
        return;
    }
    let place = |place: usize| grids.iter().map(|grid| grid[place]).sum::<f64>();
    let term = |at: usize| (place(at) - n * p).powi(2) / (n * variance);
    verdicts.judge(chi_square_above((0..places).map(term).sum(), places as f64), || {
        format!("cells are set {:?} times, not {:.1}", (0..places).map(place).collect::<Vec<_>>(), n * p)
    });
    let squares: Vec<f64> = grids.iter().map(|grid| (grid.iter().sum::<f64>() - places as f64 * p).powi(2)).collect();
    mean_of(&squares, places as f64 * variance, "the variance of the number of set cells", verdicts);
    let (first, second): (Vec<f64>, Vec<f64>) =
        grids.iter().flat_map(|grid| grid.windows(2).map(|pair| (pair[0], pair[1]))).unzip();
    if let Some(probability) = uncorrelated(&first, &second) {
        verdicts.judge(probability, || "neighboring cells depend on each other".to_owned());
    }
}

/// Partners in batches: a list for each batch.
fn partners(batches: &[&[f64]], rule: &Distribution, verdicts: &mut Verdicts) {
    let n = batches.first().map_or(0, |batch| batch.len());
    let mut orders: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for batch in batches {
        *orders.entry(batch.iter().map(|partner| *partner as usize).collect()).or_default() += 1;
    }
    let fixed = |partner: &dyn Fn(usize) -> usize, verdicts: &mut Verdicts| {
        let known: Vec<usize> = (0..n).map(partner).collect();
        verdicts.require(orders.len() == 1 && orders.contains_key(&known), || {
            format!("partners are {:?}, not {known:?}", orders.keys().take(3).collect::<Vec<_>>())
        });
    };
    match rule {
        Distribution::Roll => return fixed(&|row| (row + n - 1) % n, verdicts),
        Distribution::Flip => return fixed(&|row| n - 1 - row, verdicts),
        Distribution::Dataset => {
            return fixed(&|row| if row < n / 2 { row + n.div_ceil(2) } else { row }, verdicts);
        }
        _ => {}
    }
    let cycle = matches!(rule, Distribution::Derange);
    let known: Vec<Vec<usize>> = permutations(n).into_iter().filter(|order| !cycle || is_cycle(order)).collect();
    let strange = orders.keys().find(|order| !known.contains(order));
    verdicts
        .require(strange.is_none(), || format!("{strange:?} is no {}", if cycle { "cycle" } else { "permutation" }));
    if strange.is_some() {
        return;
    }
    let (total, freedom) = (batches.len() as f64, (n - 1) as f64);
    let observed: Vec<usize> = known.iter().map(|order| orders.get(order).copied().unwrap_or(0)).collect();
    let expected = vec![total / known.len() as f64; known.len()];
    verdicts.require(expected[0] >= LEAST, || format!("{total} batches are too few"));
    verdicts.judge(chi_square(&observed, &expected), || {
        format!("orders are drawn {observed:?} times, not {:.1} each", expected[0])
    });
    if cycle {
        return;
    }
    let mut table = vec![vec![0f64; n]; n];
    for (order, times) in &orders {
        order.iter().enumerate().for_each(|(row, partner)| table[row][*partner] += *times as f64);
    }
    // Each row and column of the table has the sum `total`: of random permutations it has (n - 1)^2 degrees of freedom, of variance total / (n - 1) each.
    let deviations = table.iter().flatten().map(|times| (times - total / n as f64).powi(2)).sum::<f64>();
    verdicts.judge(chi_square_above(deviations * freedom / total, freedom * freedom), || {
        format!("samples by partners: {table:?}, not {:.1} each", total / n as f64)
    });
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    (0..n).fold(vec![vec![]], |shorter, next| {
        let inserted = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| [&order[..at], &[next], &order[at..]].concat())
        };
        shorter.iter().flat_map(inserted).collect()
    })
}

/// Whether one cycle goes through all.
fn is_cycle(order: &[usize]) -> bool {
    let walk = (1..order.len()).scan(0, |at, _| {
        *at = order[*at];
        Some(*at)
    });
    walk.into_iter().all(|at| at != 0)
}
