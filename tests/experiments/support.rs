//! A small classifier and a folder of small images, on which every experiment takes a moment.

use std::fs::{self, File};
use std::path::Path;

use augraft::data::write_png;
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, Value, int_attribute, ints_attribute};
use augraft::operator::philox4x32;
use augraft_tests::{read, succeed, workspace};
use ndarray::{Array3, ArrayD, IxDyn};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Classes of the images and the model.
pub(crate) const CLASSES: usize = 3;
/// Images of each class.
const IMAGES: usize = 4;
/// Height and width of images and of the model's input.
pub(crate) const SIDE: usize = 16;

/// Names of the model's tensors, as the experiments of the repository call them.
pub(crate) const SITES: &str = "{shallow: relu.0, middle: relu.1, deep: relu.2, last: relu.3, penultimate: pooled.0}";

/// Numbers around 0 that look random; a function of `key`.
fn noise(key: u32, count: usize) -> Vec<f32> {
    let number = |at: usize| {
        let [word, ..] = philox4x32([at as u32, 0, 0, 0], [key, 7]);
        (word >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(number).collect()
}

fn weights<'g>(graph: &'g Graph, key: u32, shape: &[usize]) -> Value<'g> {
    let fan_in: usize = shape[1..].iter().product();
    let scale = (6.0 / fan_in as f32).sqrt();
    let values = noise(key, shape.iter().product()).into_iter().map(|value| value * scale).collect();
    graph.constant(Tensor::F32(ArrayD::from_shape_vec(IxDyn(shape), values).expect("a shape")))
}

pub(crate) fn named<'g>(
    graph: &'g Graph,
    name: &str,
    op: &'static str,
    inputs: &[Value<'g>],
    attributes: Vec<augraft::onnx::proto::AttributeProto>,
) -> Value<'g> {
    let value = graph.declare(name, DataType::F32);
    graph.define(value, op, inputs, attributes);
    graph.value(value.id())
}

/// Four convolutions (`relu.0` to `relu.3`: 6 x 8 x 8, 8 x 8 x 8, 10 x 4 x 4, 12 x 4 x 4), global average pooling (`pooled.0`) and a linear head.
pub(crate) fn classifier() -> Model {
    classifier_of(|_, map| named(map.graph(), "pooled", "GlobalAveragePool", &[map], vec![]).unary("Flatten"))
}

/// The same convolutions and linear head, with `pool` between them: it makes a map N x 12 x 4 x 4 a vector.
pub(crate) fn classifier_of(pool: impl for<'g> Fn(&'g Graph, Value<'g>) -> Value<'g>) -> Model {
    let graph = Graph::new(17);
    let sides = [Side::Named("N"), Side::Fixed(3), Side::Fixed(SIDE), Side::Fixed(SIDE)];
    let mut map = graph.input("images", DataType::F32, &sides);
    for (key, [from, to, stride]) in [[3, 6, 2], [6, 8, 1], [8, 10, 2], [10, 12, 1]].into_iter().enumerate() {
        let kernel = weights(&graph, key as u32, &[to, from, 3, 3]);
        let attributes = vec![
            ints_attribute("kernel_shape", &[3, 3]),
            ints_attribute("pads", &[1, 1, 1, 1]),
            ints_attribute("strides", &[stride as i64, stride as i64]),
        ];
        map = named(&graph, "relu", "Relu", &[graph.node("Conv", &[map, kernel], attributes, DataType::F32)], vec![]);
    }
    let pooled = pool(&graph, map);
    let head = weights(&graph, 9, &[CLASSES, 12]);
    let logits = graph.node("Gemm", &[pooled, head], vec![int_attribute("transB", 1)], DataType::F32);
    graph.output(logits, "logits", &[Side::Named("N"), Side::Fixed(CLASSES)]);
    Model::from_proto(graph.into_proto("classifier", &[])).expect("a model")
}

/// A folder with images, their boxes and the classifier.
pub(crate) struct Case(TempDir);

impl Case {
    pub(crate) fn new() -> Self {
        let case = Self(TempDir::new().expect("a folder"));
        let mut boxes = Map::new();
        for class in 0..CLASSES {
            let name = ["apple", "bird", "cup"][class];
            fs::create_dir_all(case.path().join("photos").join(name)).expect("a folder");
            for number in 0..IMAGES {
                let values = noise((100 * class + number) as u32, 3 * SIDE * SIDE);
                let pixel = |(y, x, c): (usize, usize, usize)| {
                    let wave = ((y * (class + 1) + x * (number + 2)) as f32 * 0.4 + c as f32).sin();
                    (128.0 + 60.0 * wave + 50.0 * values[(y * SIDE + x) * 3 + c]) as u8
                };
                let image = Array3::from_shape_fn((SIDE, SIDE, 3), pixel);
                write_png(&case.path().join(format!("photos/{name}/{number}.png")), &image.view()).expect("an image");
                boxes.insert(format!("{name}/{number}.png"), json!([2, 3, 12 + number, 11 + class]));
            }
        }
        fs::write(case.path().join("classifier.onnx"), classifier().to_bytes()).expect("a model");
        fs::write(case.path().join("boxes.json"), Json::Object(boxes).to_string()).expect("boxes");
        case
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The values that put this folder into an experiment of the repository.
    pub(crate) fn values(&self, batch: usize) -> Vec<String> {
        let at = self.path().display();
        [
            format!("data={{folder: \"{at}/photos\", batch: {batch}}}"),
            format!("steps=[{{resize: {{size: {SIDE}}}}}, {{normalize: half}}]"),
            format!("model.file=\"{at}/classifier.onnx\""),
            format!("model.sites={SITES}"),
        ]
        .into_iter()
        .flat_map(|value| ["--set".to_owned(), value])
        .collect()
    }

    /// The arguments that run an experiment of the repository here.
    pub(crate) fn arguments(&self, name: &str, batch: usize, out: &str) -> Vec<String> {
        let file = workspace().join("pipelines/experiments").join(format!("{name}.yaml"));
        let mut arguments =
            vec!["experiment".to_owned(), file.display().to_string(), "--out".to_owned(), out.to_owned()];
        arguments.extend(self.values(batch));
        let more: &[String] = match name {
            "cam_wsol" => &[format!("experiment.saliency.boxes=\"{}/boxes.json\"", self.path().display())],
            "ood" => &[
                format!("experiment.sets[2].data={{folder: \"{}/photos\"}}", self.path().display()),
                format!(
                    "experiment.sets[2].steps=[{{resize: {{size: 4}}}}, {{resize: {{size: {SIDE}}}}}, {{normalize: half}}]"
                ),
            ],
            _ => &[],
        };
        arguments.extend(more.iter().flat_map(|value| ["--set".to_owned(), value.clone()]));
        arguments
    }

    /// Runs an experiment of the repository, with more arguments; returns what it printed.
    pub(crate) fn run(&self, name: &str, batch: usize, out: &str, more: &[&str]) -> String {
        let arguments = self.arguments(name, batch, out);
        let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        succeed(PROGRAM, self.path(), &all)
    }

    /// The rows of a run, by column.
    pub(crate) fn rows(&self, out: &str) -> Map<String, Json> {
        rows(&self.path().join(out).join("rows.parquet"))
    }

    /// The summary of a run: a map from column to text for every row.
    pub(crate) fn summary(&self, out: &str) -> Vec<Map<String, Json>> {
        let text = read(&self.path().join(out).join("summary.csv"));
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let columns = lines.next().expect("a header");
        let entry = |line: Vec<String>| columns.iter().cloned().zip(line.into_iter().map(Json::from)).collect();
        lines.map(entry).collect()
    }
}

/// A parquet file by column; null where a value is missing.
pub(crate) fn rows(path: &Path) -> Map<String, Json> {
    let reader = SerializedFileReader::new(File::open(path).expect("a file")).expect("a parquet file");
    let mut columns: Vec<(String, Vec<Json>)> = Vec::new();
    for row in reader.get_row_iter(None).expect("rows") {
        for (at, (name, field)) in row.expect("a row").get_column_iter().enumerate() {
            if columns.len() <= at {
                columns.push((name.clone(), Vec::new()));
            }
            columns[at].1.push(match field {
                Field::Str(text) => json!(text),
                Field::Long(value) => json!(value),
                Field::Float(value) => json!(value),
                Field::Double(value) => json!(value),
                Field::Null => Json::Null,
                other => panic!("{name}: {other:?}"),
            });
        }
    }
    columns.into_iter().map(|(name, values)| (name, Json::Array(values))).collect()
}

/// A column of numbers.
pub(crate) fn numbers(rows: &Map<String, Json>, name: &str) -> Vec<f64> {
    let column = rows[name].as_array().expect("a column");
    column.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}
