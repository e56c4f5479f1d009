//! Whether boxes lie where, and are as large as, a fixture promises.

use augraft_operator::PhiloxRng;
use augraft_operator::rand_distr::{Distribution as _, StandardUniform};
use serde::Deserialize;
use serde_json::json;

use crate::distributions::Promise;
use crate::tails::{Verdicts, mean_is};

/// Cells of a coverage map along a side.
const MAP: usize = 8;

/// A box `[top, left, bottom, right]`.
pub(crate) type Edges = [f64; 4];

/// How boxes cover the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Coverage {
    /// Places that mirror each other are covered equally often.
    Symmetric,
    /// All places are covered equally often.
    Uniform,
    /// A box lies inside, at each place that has room for its size equally often.
    Inside,
}

/// A quantity of a box.
pub(crate) type Measure = (&'static str, fn(Edges, [f64; 2]) -> f64);

/// Rows, columns, share of the tensor, rows over columns.
pub(crate) const MEASURES: [Measure; 4] = [
    ("height", |[top, _, bottom, _], _| bottom - top),
    ("width", |[_, left, _, right], _| right - left),
    ("area", |[top, left, bottom, right], [height, width]| (bottom - top) * (right - left) / (height * width)),
    ("aspect", |[top, left, bottom, right], _| (bottom - top) / (right - left)),
];

impl Coverage {
    /// Checks boxes on a tensor of this size, a list for each draw.
    pub(crate) fn check(self, draws: &[Vec<Edges>], size: [f64; 2], verdicts: &mut Verdicts) {
        match self {
            Coverage::Inside => inside(&draws.concat(), size, verdicts),
            Coverage::Symmetric => {
                let mirror = |(row, column): (usize, usize)| [(MAP - 1 - row, column), (row, MAP - 1 - column)];
                let maps = maps(draws, size);
                for axis in 0..2 {
                    let half = move |(row, column): &(usize, usize)| [*row, *column][axis] < MAP / 2;
                    let pairs = places().filter(half).map(|place| (place, mirror(place)[axis]));
                    let differ = |((row, column), other): ((usize, usize), (usize, usize)), map: &Map| {
                        map[row][column] - map[other.0][other.1]
                    };
                    none_differs(&maps, pairs, differ, "its mirror", verdicts);
                }
            }
            Coverage::Uniform => {
                let maps = maps(draws, size);
                let differ = |((row, column), _): ((usize, usize), ()), map: &Map| {
                    map[row][column] - map.as_flattened().iter().sum::<f64>() / (MAP * MAP) as f64
                };
                none_differs(&maps, places().map(|place| (place, ())), differ, "the mean", verdicts);
            }
        }
    }
}

/// Covered shares of coarse cells.
type Map = [[f64; MAP]; MAP];

fn places() -> impl Iterator<Item = (usize, usize)> {
    (0..MAP * MAP).map(|place| (place / MAP, place % MAP))
}

fn maps(draws: &[Vec<Edges>], [height, width]: [f64; 2]) -> Vec<Map> {
    let along = |from: f64, to: f64, side: f64| -> [f64; MAP] {
        let cell = side / MAP as f64;
        core::array::from_fn(|at| {
            let start = at as f64 * cell;
            ((to.min(start + cell) - from.max(start)) / cell).max(0.0)
        })
    };
    let map = |boxes: &Vec<Edges>| {
        let mut map = Map::default();
        for [top, left, bottom, right] in boxes {
            let (rows, columns) = (along(*top, *bottom, height), along(*left, *right, width));
            map.iter_mut().zip(rows).for_each(|(line, row)| {
                line.iter_mut().zip(columns).for_each(|(share, column)| *share += row * column);
            });
        }
        map
    };
    draws.iter().map(map).collect()
}

/// Judges the largest of many mean differences, each of which may be the largest.
fn none_differs<P: Copy>(
    maps: &[Map],
    places: impl Iterator<Item = ((usize, usize), P)>,
    differ: impl Fn(((usize, usize), P), &Map) -> f64,
    other: &str,
    verdicts: &mut Verdicts,
) {
    let found = places.map(|place| {
        let differences: Vec<f64> = maps.iter().map(|map| differ(place, map)).collect();
        let mean = differences.iter().sum::<f64>() / maps.len() as f64;
        (mean_is(&differences, 0.0), mean, place.0)
    });
    let found: Vec<_> = found.collect();
    let worst = found.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((probability, mean, (row, column))) = worst {
        verdicts.judge((probability * found.len() as f64).min(1.0), || {
            format!("cell {row}, {column} of {MAP} x {MAP} is covered {mean:.4} more than {other}")
        });
    }
}

/// The place of a box among those that have room for it is uniform: made real by a uniform number, it can be tested over all sizes together.
fn inside(boxes: &[Edges], size: [f64; 2], verdicts: &mut Verdicts) {
    let unit: Promise = serde_json::from_value(json!({ "uniform": [0, 1] })).expect("a promise");
    for (axis, side) in size.into_iter().enumerate() {
        let within = |edges: &&Edges| 0.0 <= edges[axis] && edges[axis] <= edges[axis + 2] && edges[axis + 2] <= side;
        let outside = boxes.iter().find(|edges| !within(edges));
        verdicts.require(outside.is_none(), || format!("the box {outside:?} is not inside {size:?}"));
        let numbers = StandardUniform.sample_iter(PhiloxRng::new(axis as u64));
        let place =
            |(edges, number): (&Edges, f64)| (edges[axis] + number) / (side - edges[axis + 2] + edges[axis] + 1.0);
        let places: Vec<f64> = boxes.iter().zip(numbers).map(place).collect();
        unit.check(&[&places], verdicts);
    }
}
