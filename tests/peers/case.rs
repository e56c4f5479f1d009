//! The vector files: what other libraries gave.

use std::fs;

use augraft::onnx::Tensor;
use augraft::operator::{AnyOperator, Batch, Column, Draws, Images, Kind, Labels};
use augraft_tests::{read, workspace};
use ndarray::{Array2, Array4};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Parameters that say where something fixed lies, and are not drawn.
const NOT_DRAWN: &[(&str, &str)] = &[("center_crop", "top"), ("center_crop", "left")];

/// The cases of one peer.
#[derive(Debug, Deserialize)]
pub(crate) struct Vectors {
    pub(crate) peer: String,
    pub(crate) cases: Vec<Case>,
}

/// See the README beside this file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) operator: String,
    pub(crate) what: String,
    pub(crate) config: Value,
    #[serde(default)]
    pub(crate) before: Map<String, Value>,
    #[serde(default)]
    pub(crate) parameters: Map<String, Value>,
    #[serde(default)]
    pub(crate) drawn: Map<String, Value>,
    pub(crate) input: Input,
    pub(crate) labels: Option<Given>,
    #[serde(default)]
    pub(crate) output_shape: Vec<usize>,
    #[serde(default)]
    pub(crate) output: Vec<f32>,
    #[serde(default)]
    pub(crate) output_within: f64,
    pub(crate) labels_out: Option<Vec<f32>>,
    #[serde(default)]
    pub(crate) labels_within: f64,
    pub(crate) labels_ours: Option<Vec<f32>>,
    pub(crate) defect: Option<String>,
    #[serde(default)]
    pub(crate) differs: Vec<String>,
    pub(crate) raises: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(crate) shape: [usize; 4],
    dtype: String,
    rule: Rule,
}

/// How the values of an input follow from their place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    n: usize,
    c: usize,
    y: usize,
    x: usize,
    xy: usize,
    plus: usize,
    modulo: usize,
    divide: Option<f32>,
}

/// Labels before the step: a class for each sample, or shares of all classes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    classes: usize,
    index: Option<Vec<usize>>,
    rows: Option<Vec<f32>>,
}

/// Every vector file.
pub(crate) fn all() -> Vec<Vectors> {
    let folder = workspace().join("tests/peers/vectors");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| serde_json::from_str(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        .collect()
}

impl Case {
    /// The input.
    pub(crate) fn batch(&self) -> Batch {
        let index: Vec<u64> = (0..self.input.shape[0] as u64).collect();
        Batch::new(self.input.images(), self.labels.as_ref().unwrap_or(&Given::NONE).labels(&index), index)
    }

    /// The given columns, and what changes nothing for the rest.
    pub(crate) fn draws(&self, operator: &dyn AnyOperator) -> Result<Draws, String> {
        let known = operator.columns();
        for name in self.parameters.keys() {
            let column = known.iter().any(|column| column.name == name);
            if !column && !NOT_DRAWN.contains(&(&self.operator, name)) {
                return Err(format!("{name} is no column"));
            }
        }
        let column = |column: &Column| Ok((column.name.to_owned(), self.column(column.name, column.kind)?));
        Ok(Draws { columns: known.iter().map(column).collect::<Result<_, String>>()? })
    }

    fn column(&self, name: &str, kind: Kind) -> Result<Tensor, String> {
        let absent = match (name, kind) {
            ("apply", _) => json!(true),
            ("lam", _) => json!(1.0),
            (_, Kind::Bool) => json!(false),
            (_, Kind::Int | Kind::Real) => json!(0),
            (_, Kind::Ints | Kind::Grid | Kind::Reals) => json!([]),
        };
        let absent = || vec![absent; self.input.shape[0]].into();
        let given = self.parameters.get(name).cloned().unwrap_or_else(absent);
        Ok(match kind {
            Kind::Bool => Tensor::vector(values::<bool>(name, given)?),
            Kind::Int => Tensor::vector(values::<i64>(name, given)?),
            Kind::Real => Tensor::vector(values::<f32>(name, given)?),
            Kind::Ints => {
                let rows: Vec<Vec<i64>> = values(name, given)?;
                let items = rows.first().map_or(0, Vec::len);
                let flat = rows.concat();
                let column = Array2::from_shape_vec([rows.len(), items], flat).map_err(|error| error.to_string())?;
                Tensor::I64(column.into_dyn())
            }
            Kind::Grid | Kind::Reals => return Err("no peer draws a grid".to_owned()),
        })
    }
}

fn values<T: DeserializeOwned>(name: &str, given: Value) -> Result<Vec<T>, String> {
    serde_json::from_value(given).map_err(|error| format!("{name}: {error}"))
}

impl Input {
    fn images(&self) -> Images {
        let rule = &self.rule;
        let level = |(n, c, y, x): (usize, usize, usize, usize)| {
            let sum = rule.n * n + rule.c * c + rule.y * y + rule.x * x + rule.xy * x * y + rule.plus;
            (sum % rule.modulo) as u8
        };
        match (&*self.dtype, rule.divide) {
            ("u8", None) => Images::U8(Array4::from_shape_fn(self.shape, level)),
            ("f32", Some(by)) => Images::F32(Array4::from_shape_fn(self.shape, |at| f32::from(level(at)) / by)),
            (dtype, divide) => panic!("{dtype} divided by {divide:?}"),
        }
    }
}

impl Given {
    const NONE: Self = Self { classes: 0, index: None, rows: None };

    fn labels(&self, index: &[u64]) -> Labels {
        if let Some(classes) = &self.index {
            let classes: Vec<_> = classes.iter().copied().map(Some).collect();
            return Labels::one_hot(&classes, self.classes, index);
        }
        let rows = self.rows.clone().unwrap_or_default();
        let rows = Array2::from_shape_vec([index.len(), self.classes], rows).expect("a share for each class");
        Labels::new(&rows, index.iter().map(|index| vec![(*index, 1.0)]).collect())
    }
}

/// Sides and elements of a dense batch.
pub(crate) fn flat(images: &Images) -> (Vec<usize>, Vec<f32>) {
    match images {
        Images::U8(images) => (images.shape().to_vec(), images.iter().map(|value| f32::from(*value)).collect()),
        Images::F32(images) => (images.shape().to_vec(), images.iter().copied().collect()),
        Images::Ragged(_) => panic!("the images have different sizes"),
    }
}

/// The largest difference of two lists; infinite when they have different lengths or something is not a number.
pub(crate) fn distance(ours: &[f32], theirs: &[f32]) -> f64 {
    let away = ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let same = ours.len() == theirs.len();
    away.fold(if same { 0.0 } else { f64::INFINITY }, |most, away| if away <= most { most } else { away.max(most) })
}
