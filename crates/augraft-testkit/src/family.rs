//! All tests of a plugin, from its fixture folder.

use std::fmt::Write;
use std::path::Path;

use augraft_engine::Use;
use augraft_onnx::Tensor;
use augraft_operator::{AnyOperator, Batch, Column, Draws, Element, Entry, Parity, Registry, Scratch, Shape, StepKey};
use augraft_pipeline::Document;
use rayon::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::configurations::random_configurations;
use crate::draws::{compare_draws, record_draws};
use crate::fixtures::{batch, shape};
use crate::statistics::Declaration;
use crate::tails::Verdicts;
use crate::{Backend, backends, conformance, conformance_of_case};

/// Seeds of the draws in the graph.
const SEEDS: [u64; 3] = [0, 7, i64::MAX as u64];

/// The tests of a plugin's operators, in one line: `augraft_testkit::operator_tests!(my_plugin);` in a file of its `tests` folder.
///
/// They read `fixtures/NAME/cases.yaml`: `cases` (configurations that take other paths than the defaults), and under `draws` the `size`, `channels`
/// and `cases` of what is compared in the graph over many rows. `statistics` says how each column is distributed. They keep
/// `fixtures/NAME/golden.snap`.
#[macro_export]
macro_rules! operator_tests {
    ($plugin:ident) => {
        use $plugin as _;

        #[test]
        fn operators_keep_their_promises() {
            $crate::assert_promises(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"));
        }

        #[test]
        fn draws_in_the_graph_equal_native_draws() {
            $crate::assert_draws(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"));
        }

        #[test]
        fn operators_draw_and_compute_what_they_did() {
            $crate::assert_golden(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"));
        }

        #[test]
        fn draws_have_the_distributions_that_they_promise() {
            $crate::assert_statistics(env!("CARGO_PKG_NAME"), env!("CARGO_MANIFEST_DIR"));
        }
    };
}

/// What the fixture of an operator says.
struct Fixture {
    entry: &'static Entry,
    cases: Vec<Value>,
    drawn: Vec<Value>,
    statistics: Vec<Value>,
    size: [usize; 2],
    channels: usize,
}

/// The operators of a package, with their fixtures.
fn fixtures(package: &str, folder: &str) -> Vec<Fixture> {
    let registry = Registry::linked();
    let own: Vec<&'static Entry> = registry.iter().filter(|entry| entry.origin == package).collect();
    assert!(!own.is_empty(), "no operator of {package} is linked");
    own.into_iter().map(|entry| fixture(entry, Path::new(folder))).collect()
}

fn fixture(entry: &'static Entry, folder: &Path) -> Fixture {
    let path = folder.join("fixtures").join(entry.name).join("cases.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document = Document::parse(&path.display().to_string(), &text).unwrap_or_else(|report| panic!("{report}"));
    let json = document.to_json();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let draws = &json["draws"];
    let number = |value: &Value| value.as_u64().map(|number| number as usize);
    let size = |at: usize, open: usize| number(&draws["size"][at]).unwrap_or(open);
    let defaults = || vec![entry.default_operator().config()];
    Fixture {
        entry,
        cases: list(&json["cases"]),
        drawn: draws["cases"].as_array().map_or_else(defaults, Clone::clone),
        statistics: list(&json["statistics"]),
        size: [size(0, 37), size(1, 50)],
        channels: number(&draws["channels"]).unwrap_or(2),
    }
}

impl Fixture {
    fn configured(&self, config: &Value) -> Box<dyn AnyOperator> {
        let name = self.entry.name;
        self.entry.parse(config.clone()).unwrap_or_else(|error| panic!("{name} {config}: {error}"))
    }

    /// The defaults, then the cases of the fixture.
    fn operators(&self) -> Vec<Box<dyn AnyOperator>> {
        let cases = self.cases.iter().map(|config| self.configured(config));
        std::iter::once(self.entry.default_operator()).chain(cases).collect()
    }
}

/// Runs [`conformance`] on every operator of a package: defaults, the cases of its fixture, and one drawn configuration.
///
/// # Panics
/// With every broken promise.
pub fn assert_promises(package: &str, folder: &str) {
    let backends = backends();
    let fixtures = fixtures(package, folder);
    let configured = |fixture: &Fixture| {
        let drawn = random_configurations(fixture.entry, 1, 11);
        assert_eq!(drawn.len(), 1, "{}: no drawn configuration fits", fixture.entry.name);
        let cases = fixture.cases.iter().map(|config| fixture.configured(config));
        cases.chain(drawn).collect::<Vec<_>>()
    };
    let defaults = fixtures.par_iter().map(|fixture| conformance(&*fixture.entry.default_operator(), &backends));
    let cases: Vec<Box<dyn AnyOperator>> = fixtures.iter().flat_map(configured).collect();
    let cases = cases.par_iter().map(|operator| conformance_of_case(&**operator, &backends));
    let broken: Vec<String> = defaults.chain(cases).flatten_iter().collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Compares the draws in the graph with native ones, over many rows and three seeds, on every backend.
///
/// `AUGRAFT_DRAW_ROWS` is the number of rows on every backend; without it there are 10,000 where nothing is optimized, and 1,000 elsewhere.
///
/// # Panics
/// When a draw differs.
pub fn assert_draws(package: &str, folder: &str) {
    let asked: Option<usize> =
        std::env::var("AUGRAFT_DRAW_ROWS").ok().map(|rows| rows.parse().expect("AUGRAFT_DRAW_ROWS is a number"));
    let rows = |backend: &Backend| asked.unwrap_or(if backend.purpose == Use::Graph { 10_000 } else { 1_000 });
    let backends = backends();
    let drawing: Vec<(Fixture, usize)> = fixtures(package, folder)
        .into_iter()
        .filter(|fixture| !matches!(fixture.entry.parity, Parity::NativeOnly(_)))
        .filter(|fixture| !fixture.entry.default_operator().columns().is_empty())
        .flat_map(|fixture| (0..backends.len()).map(move |at| (Fixture { ..fixture.copied() }, at)))
        .collect();
    let compared: usize = drawing
        .par_iter()
        .map(|(fixture, at)| {
            let compare = |config: &Value| {
                let operator = fixture.configured(config);
                let elements = [Element::F32, Element::U8];
                let shapes = elements.map(|element| shape(element, fixture.channels, fixture.size));
                let shape = shapes.iter().find(|shape| operator.check(shape).is_ok());
                let name = fixture.entry.name;
                let shape = shape.unwrap_or_else(|| panic!("{name} {config}: refuses {:?}", fixture.size));
                let file = record_draws(&*operator, name, shape).expect("a file");
                let backend = &backends[*at];
                let compared = compare_draws(&*operator, shape, &file, backend, rows(backend), &SEEDS);
                compared.unwrap_or_else(|problem| panic!("{name} {config}: {problem}")).rows
            };
            fixture.drawn.iter().map(compare).sum::<usize>()
        })
        .sum();
    eprintln!("{compared} rows on {} backends: 0 draws differ", backends.len());
}

impl Fixture {
    fn copied(&self) -> Self {
        let (cases, drawn, statistics) = (self.cases.clone(), self.drawn.clone(), self.statistics.clone());
        Self { entry: self.entry, cases, drawn, statistics, size: self.size, channels: self.channels }
    }
}

/// Compares what the operators of a package draw and compute with the snapshots of its fixtures.
///
/// # Panics
/// When something differs; `INSTA_UPDATE=always` writes the new snapshot.
pub fn assert_golden(package: &str, folder: &str) {
    for fixture in fixtures(package, folder) {
        let mut text = String::new();
        for operator in fixture.operators() {
            describe(&*operator, &mut text);
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(Path::new(folder).join("fixtures").join(fixture.entry.name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(format!("what {} draws and computes", fixture.entry.name));
        settings.bind(|| insta::assert_snapshot!("golden", text));
    }
}

/// Checks that what the operators of a package draw has the distributions that the `statistics` of their fixtures promise, each column at least once.
///
/// Each check has a false-alarm rate of 1e-7, and seeds are fixed: all of them together would fail for two in ten thousand other seeds.
/// `plugins/README.md` says what can be promised. Draws of samples, of steps and of epochs must not correlate either.
///
/// # Panics
/// With every broken promise, and every column without one.
pub fn assert_statistics(package: &str, folder: &str) {
    let fixtures = fixtures(package, folder);
    let declared: Vec<(&Fixture, Declaration)> = fixtures.iter().flat_map(Fixture::declarations).collect();
    let mut verdicts = Verdicts::default();
    for fixture in &fixtures {
        let name = fixture.entry.name;
        let own = || declared.iter().filter(|(other, _)| other.entry.name == name);
        for Column { name: column, .. } in fixture.entry.default_operator().columns() {
            let promised = own().any(|(_, declared)| declared.columns.contains_key(*column));
            verdicts.require(promised, || format!("{name}: no `statistics` of its fixture name the column `{column}`"));
        }
    }
    let found: Vec<(String, Verdicts)> = declared
        .par_iter()
        .map(|(fixture, declared)| {
            let operator = fixture.configured(&declared.config);
            (format!("{} {}", fixture.entry.name, declared.config), crate::statistics::verdicts(&*operator, declared))
        })
        .collect();
    for (step, found) in found {
        verdicts.extend(&step, found);
    }
    eprintln!("{} checks of {} operators", verdicts.checks, fixtures.len());
    assert!(verdicts.broken.is_empty(), "{}", verdicts.broken.join("\n"));
}

impl Fixture {
    fn declarations(&self) -> impl Iterator<Item = (&Self, Declaration)> {
        self.statistics.iter().map(move |json| {
            let name = self.entry.name;
            let declared = serde_json::from_value(json.clone());
            (self, declared.unwrap_or_else(|error| panic!("{name}: statistics: {json}: {error}")))
        })
    }
}

/// Draws, statistics and a hash over a few samples of every kind of batch that the operator takes.
fn describe(operator: &dyn AnyOperator, text: &mut String) {
    let feature = Shape { image_size: Some([96, 64]), ..shape(Element::F32, 5, [12, 8]) };
    let shapes = [Shape::ragged(3), shape(Element::U8, 3, [32, 32]), shape(Element::F32, 3, [32, 32]), feature];
    let _ = writeln!(text, "{} {}", operator.name(), operator.config());
    let accepted = shapes.iter().filter(|shape| operator.check(shape).is_ok());
    let mut shown = String::new();
    for shape in accepted {
        let mut batch = batch(shape, 4);
        let draws = operator.draw(&StepKey::new(3, operator.name()), 1, &batch);
        operator.apply(&draws, &mut batch, &mut Scratch::default()).expect("its own draws");
        let drawn = drawn(&draws);
        if drawn != shown {
            text.push_str(&drawn);
            shown = drawn;
        }
        let _ = writeln!(text, "  {} -> {}", shape.describe(), computed(&batch));
        let _ = writeln!(text, "    labels {:?}", batch.labels.sources());
    }
}

fn drawn(draws: &Draws) -> String {
    let mut text = String::new();
    for (name, column) in &draws.columns {
        let _ = match column {
            Tensor::Bool(values) if values.ndim() == 1 => writeln!(text, "  {name} {:?}", values.as_slice()),
            Tensor::Bool(values) => {
                let set = values.outer_iter().map(|row| row.iter().filter(|value| **value).count());
                writeln!(text, "  {name} {:?} of {:?}", set.collect::<Vec<_>>(), &values.shape()[1..])
            }
            Tensor::I64(values) => writeln!(text, "  {name} {values:?}", values = values.iter().collect::<Vec<_>>()),
            Tensor::F32(values) if values.ndim() > 1 => {
                let sums = values.outer_iter().map(|row| row.iter().map(|value| f64::from(*value)).sum::<f64>());
                writeln!(text, "  {name} sums {:.6?} of {:?}", sums.collect::<Vec<_>>(), &values.shape()[1..])
            }
            Tensor::F32(values) => writeln!(text, "  {name} {:?}", values.iter().collect::<Vec<_>>()),
            other => writeln!(text, "  {name} {other:?}"),
        };
    }
    text
}

fn computed(batch: &Batch) -> String {
    let shape = batch.shape().describe();
    let values: Vec<f32> = match &batch.images {
        augraft_operator::Images::Ragged(images) => {
            images.iter().flat_map(|image| image.iter().map(|value| f32::from(*value))).collect()
        }
        augraft_operator::Images::U8(images) => images.iter().map(|value| f32::from(*value)).collect(),
        augraft_operator::Images::F32(images) => images.iter().copied().collect(),
    };
    let mut hash = Sha256::new();
    for value in &values {
        hash.update(value.to_le_bytes());
    }
    let digest = hash.finalize().iter().take(8).fold(0u64, |digest, byte| digest << 8 | u64::from(*byte));
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64;
    format!("{shape}, mean {mean:.6}, {digest:016x}")
}
