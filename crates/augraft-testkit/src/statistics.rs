//! Statistical self-tests: what an operator draws has the distributions that its fixture promises.

use std::collections::BTreeMap;

use augraft_onnx::Tensor;
use augraft_operator::{AnyOperator, Batch, Column, Element, Images, Kind, Scratch, Shape, StepKey};
use ndarray::Array4;
use serde::Deserialize;
use serde_json::Value;

use crate::boxes::{Coverage, Edges, MEASURES};
use crate::distributions::{Distribution, Promise};
use crate::fixtures::{batch, shape};
use crate::tails::{Verdicts, uncorrelated};

/// Samples of a batch: few, so that orders of partners can be counted.
const BATCH: usize = 5;

/// Columns of a box.
const EDGES: [&str; 4] = ["top", "left", "bottom", "right"];

/// What a fixture promises of one configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Declaration {
    /// The configuration.
    pub(crate) config: Value,
    /// Rows and columns of the tensor.
    size: [usize; 2],
    /// Channels of the tensor.
    channels: usize,
    /// Size of the images that it comes from.
    image_size: Option<[usize; 2]>,
    /// Samples that are drawn for, in batches of five.
    rows: usize,
    /// Who shares a draw.
    per: Per,
    /// What each column promises; columns that are not named are not looked at.
    pub(crate) columns: BTreeMap<String, Promise>,
    /// Columns of which no two depend on each other.
    independent: Vec<String>,
    /// What the rows of a box promise.
    height: Option<Promise>,
    /// What the columns of a box promise.
    width: Option<Promise>,
    /// What its share of the tensor promises.
    area: Option<Promise>,
    /// What its rows over its columns promise.
    aspect: Option<Promise>,
    /// How boxes cover the tensor.
    coverage: Option<Coverage>,
    /// What the elements promise that the operator changes in a tensor of zeros; with `chance`, how many are changed.
    changes: Option<Promise>,
}

/// Who shares a draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Per {
    #[default]
    Sample,
    Pair,
    Batch,
}

impl Default for Declaration {
    fn default() -> Self {
        Self {
            config: Value::Object(serde_json::Map::new()),
            size: [32, 32],
            channels: 3,
            image_size: None,
            rows: 20_000,
            per: Per::Sample,
            columns: BTreeMap::new(),
            independent: Vec::new(),
            height: None,
            width: None,
            area: None,
            aspect: None,
            coverage: None,
            changes: None,
        }
    }
}

/// The numbers of each column, a list for each row.
type Columns = BTreeMap<&'static str, Vec<Vec<f64>>>;

/// The draws of one step in one epoch, in batches.
struct Drawn {
    columns: Columns,
    /// Rows of a batch, more than samples where each has views.
    batch: usize,
}

impl Per {
    /// Whether a row of a batch has a draw of its own, and otherwise whose it has.
    fn shared(self, row: usize, batch: usize) -> usize {
        match self {
            Per::Sample => row,
            Per::Pair => row.min(batch - 1 - row),
            Per::Batch => 0,
        }
    }
}

impl Drawn {
    fn of(operator: &dyn AnyOperator, declared: &Declaration, shape: &Shape, id: &str, epoch: u32) -> Self {
        let key = StepKey::new(20, id);
        let mut drawn = Self { columns: Columns::new(), batch: BATCH };
        for start in (0..declared.rows as u64).step_by(BATCH) {
            let index: Vec<u64> = (start..start + BATCH as u64).collect();
            let (draws, _) = operator.draw_audited(&key, epoch, &index, shape);
            for (Column { name, kind, .. }, (_, tensor)) in operator.columns().iter().zip(&draws.columns) {
                let rows = rows(*kind, tensor);
                drawn.batch = rows.len();
                drawn.columns.entry(name).or_default().extend(rows);
            }
        }
        drawn
    }

    /// The rows of a column that are drawn for themselves.
    fn own<'a>(&'a self, column: &str, per: Per) -> Vec<&'a [f64]> {
        let rows = self.columns[column].iter().enumerate();
        let own = rows.filter(|(at, _)| per.shared(at % self.batch, self.batch) == at % self.batch);
        own.map(|(_, row)| row.as_slice()).collect()
    }

    /// One number for each row that is drawn for itself.
    fn series(&self, column: &str, per: Per) -> Vec<f64> {
        self.own(column, per).iter().map(|row| row.iter().sum()).collect()
    }

    /// The boxes of each row that is drawn for itself; none where a column is missing.
    fn boxes(&self, per: Per) -> Option<Vec<Vec<Edges>>> {
        let present = EDGES.iter().all(|edge| self.columns.contains_key(edge));
        let edges = present.then(|| EDGES.map(|edge| self.own(edge, per)))?;
        let row = |at: usize| {
            let items = edges[0][at].len();
            (0..items).map(|item| edges.each_ref().map(|edge| edge[at][item])).collect()
        };
        Some((0..edges[0].len()).map(row).collect())
    }
}

/// The numbers of each row of a column.
fn rows(kind: Kind, column: &Tensor) -> Vec<Vec<f64>> {
    let n = column.shape().first().copied().unwrap_or(0);
    let values: Vec<f64> = match column {
        Tensor::Bool(values) => values.iter().map(|value| f64::from(u8::from(*value))).collect(),
        Tensor::I64(values) => values.iter().map(|value| *value as f64).collect(),
        Tensor::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
        other => unreachable!("{kind:?} is drawn as {:?}", other.dtype()),
    };
    values.chunks((values.len() / n.max(1)).max(1)).map(<[f64]>::to_vec).collect()
}

/// The verdicts on one configuration.
pub(crate) fn verdicts(operator: &dyn AnyOperator, declared: &Declaration) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let elements = [Element::F32, Element::U8];
    let shapes = elements
        .map(|element| Shape { image_size: declared.image_size, ..shape(element, declared.channels, declared.size) });
    let Some(shape) = shapes.iter().find(|shape| operator.check(shape).is_ok()) else {
        verdicts.require(false, || format!("refuses {:?}", declared.size));
        return verdicts;
    };
    let drawn = |id, epoch| Drawn::of(operator, declared, shape, id, epoch);
    let first = drawn("one step", 0);
    if !declared.columns.is_empty() {
        // Other samples are other rows of the first.
        let others = [drawn("another step", 0), drawn("one step", 1)];
        for (name, promise) in &declared.columns {
            match operator.columns().iter().find(|column| column.name == name) {
                Some(found) => verdicts
                    .extend(name, column((found.name, found.kind), promise, declared.per, &first, others.each_ref())),
                None => verdicts.require(false, || format!("draws no column `{name}`")),
            }
        }
    }
    for (at, name) in declared.independent.iter().enumerate() {
        for other in &declared.independent[..at] {
            let [own, other_series] = [name, other].map(|name| first.series(name, declared.per));
            let probability = uncorrelated(&own, &other_series);
            verdicts.judge(probability.unwrap_or(0.0), || format!("{other} and {name} depend on each other"));
        }
    }
    boxes(declared, &first, &mut verdicts);
    if let Some(promise) = &declared.changes {
        verdicts.extend("changes", changes(operator, shape, promise));
    }
    verdicts
}

fn column((name, kind): (&str, Kind), promise: &Promise, per: Per, first: &Drawn, others: [&Drawn; 2]) -> Verdicts {
    use Distribution::{Cells, Dataset, Derange, Derived, Flip, Permute, Roll};
    let mut verdicts = Verdicts::default();
    let rows = &first.columns[name];
    let combined: Vec<Vec<f64>>;
    let (mut draws, mut per) = (first.own(name, per), per);
    match promise.distribution {
        Derived(_) => {
            promise.check(&[], &mut verdicts);
            return verdicts;
        }
        Roll | Flip | Dataset | Permute | Derange => {
            combined = rows.chunks(first.batch).map(<[Vec<f64>]>::concat).collect();
            draws = combined.iter().map(Vec::as_slice).collect();
            // The partners of one batch depend on each other.
            per = Per::Batch;
        }
        _ => {
            let unlike = rows.chunks(first.batch).flat_map(|batch| {
                (0..batch.len()).filter(|row| batch[*row] != batch[per.shared(*row, batch.len())]).collect::<Vec<_>>()
            });
            let unlike = unlike.count();
            verdicts.require(unlike == 0, || format!("{unlike} rows differ from the draw that they share"));
            if kind == Kind::Grid && !matches!(promise.distribution, Cells(_)) {
                let share = |grid: &&[f64]| vec![grid.iter().sum::<f64>() / grid.len() as f64];
                combined = draws.iter().map(share).collect();
                draws = combined.iter().map(Vec::as_slice).collect();
            }
        }
    }
    promise.check(&draws, &mut verdicts);
    let series = first.series(name, per);
    let pairs = [
        ("samples", uncorrelated(&series, &series[1.min(series.len())..])),
        ("steps", uncorrelated(&series, &others[0].series(name, per))),
        ("epochs", uncorrelated(&series, &others[1].series(name, per))),
    ];
    for (what, probability) in pairs {
        if let Some(probability) = probability {
            verdicts.judge(probability, || format!("the draws of {what} depend on each other"));
        }
    }
    verdicts
}

fn boxes(declared: &Declaration, drawn: &Drawn, verdicts: &mut Verdicts) {
    let promises = [&declared.height, &declared.width, &declared.area, &declared.aspect];
    if declared.coverage.is_none() && promises.iter().all(|promise| promise.is_none()) {
        return;
    }
    let Some(boxes) = drawn.boxes(declared.per) else {
        return verdicts.require(false, || format!("draws no boxes, which have the columns {EDGES:?}"));
    };
    let size = declared.size.map(|side| side as f64);
    for ((name, measure), promise) in MEASURES.iter().zip(promises) {
        let Some(promise) = promise else { continue };
        let of_draw = |boxes: &Vec<Edges>| boxes.iter().map(|edges| measure(*edges, size)).collect::<Vec<f64>>();
        let measured: Vec<Vec<f64>> = boxes.iter().map(of_draw).collect();
        let mut own = Verdicts::default();
        promise.check(&measured.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut own);
        verdicts.extend(name, own);
    }
    if let Some(coverage) = declared.coverage {
        let mut own = Verdicts::default();
        coverage.check(&boxes, size, &mut own);
        verdicts.extend("coverage", own);
    }
}

/// The elements that an operator changes in images of zeros, such as the noise that it adds.
fn changes(operator: &dyn AnyOperator, shape: &Shape, promise: &Promise) -> Verdicts {
    let mut zeros: Batch = batch(shape, BATCH);
    let [height, width] = shape.size().unwrap_or([1, 1]);
    zeros.images = Images::F32(Array4::zeros([BATCH, shape.channels, height, width]));
    let draws = operator.draw(&StepKey::new(20, "one step"), 0, &zeros);
    let mut verdicts = Verdicts::default();
    let applied = operator.apply(&draws, &mut zeros, &mut Scratch::default());
    let Images::F32(images) = &zeros.images else { return verdicts };
    let whether = matches!(promise.distribution, Distribution::Chance(_));
    let changed: Vec<f64> =
        images.iter().filter(|value| whether || **value != 0.0).map(|value| f64::from(*value)).collect();
    verdicts.require(applied.is_ok() && !changed.is_empty(), || "nothing is changed".to_owned());
    if !changed.is_empty() {
        promise.check(&[&changed], &mut verdicts);
        let probability = uncorrelated(&changed, &changed[1..]);
        verdicts.judge(probability.unwrap_or(0.0), || "elements depend on each other".to_owned());
    }
    verdicts
}

#[cfg(test)]
mod tests;
