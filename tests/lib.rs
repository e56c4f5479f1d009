//! What the whole-program tests share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use augraft::engine::{inspect, load_operator, open};
use augraft::onnx::Model;
use augraft::operator::{AnyOperator, Entry, Issue, Registry};
use augraft::pipeline::{Facts, Overrides, PipelineSpec, Plan, Report, plan, read_macro};
use augraft_testkit::random_configurations;
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadableElement};
use serde_json::Value;

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The folder of large data that some tests use; says that `test` is skipped without it.
#[must_use]
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AUGRAFT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped {test}: AUGRAFT_SHARED is not set");
    }
    folder
}

/// Runs the program `binary` with `arguments` in `folder`.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(binary: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary).current_dir(folder).args(arguments).output().expect("the program starts")
}

/// Runs the program and returns what it printed.
///
/// # Panics
/// When it fails; with what it said.
#[must_use]
pub fn succeed(binary: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = run(binary, folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The photos of the repository and the names of their classes, as `data:` of a pipeline; `more` is added to it.
#[must_use]
pub fn photos(more: &str) -> String {
    let at = workspace().join("pipelines");
    let [folder, classes] = ["data/photos", "models/classes.txt"].map(|name| at.join(name).display().to_string());
    format!("data: {{ folder: \"{folder}\", classes: \"{classes}\", {more} }}\n")
}

/// The text of a file, with the path in the message when it cannot be read.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The records of a file of JSON lines.
///
/// # Panics
/// When it cannot be read or a line is no JSON.
#[must_use]
pub fn json_lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Every file below a folder with its bytes, by relative path.
///
/// # Panics
/// When something cannot be read.
#[must_use]
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).expect("a file"));
        }
    }
    found
}

/// One array of an npz file.
///
/// # Panics
/// When the file or the array cannot be read.
#[must_use]
pub fn npz<T: ReadableElement>(path: &Path, name: &str) -> ArrayD<T> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = NpzReader::new(file).expect("an npz file");
    archive.by_name(name).unwrap_or_else(|error| panic!("{} of {}: {error}", name, path.display()))
}

/// The pipeline `text` as if it were in `file`, with the operators that it names.
///
/// # Errors
/// All problems of the text.
pub fn parse(text: &str, file: &Path) -> Result<PipelineSpec, Report> {
    let mut registry = Registry::linked();
    for header in PipelineSpec::operator_files(text, file)? {
        registry = match read_macro(&header)? {
            Some(known) => registry.with_macro(known),
            None => registry.with(load_operator(&header)?),
        }
        .expect("a new name");
    }
    PipelineSpec::parse(text, file, &registry)
}

/// The plan of a pipeline; its model, when it has one, is inspected by the engine that it names.
///
/// # Panics
/// With the report when the pipeline has problems.
#[must_use]
pub fn plan_of(text: &str, facts: &Facts) -> Plan {
    let spec = parse(text, &workspace().join("pipelines/test.yaml")).unwrap_or_else(|report| panic!("{report}"));
    let planned = plan(&spec, &Overrides::default(), facts, &mut |model, size| {
        let inspected = open(model.engine, model.device, None)
            .and_then(|runtime| inspect(&*runtime, &Model::load(&model.file)?, size))
            .map(|inspection| inspection.facts());
        inspected.map_err(|error| Issue::new("", error.to_string()))
    });
    planned.unwrap_or_else(|report| panic!("{report}"))
}

/// Configurations that are drawn for each operator.
const RANDOM: usize = 1;

/// Every linked operator and the one that is an ONNX file: by default, in configurations that take other paths, and in drawn ones.
///
/// # Panics
/// When a configuration is not valid.
#[must_use]
pub fn operators() -> Vec<Box<dyn AnyOperator>> {
    let configured = [
        ("cutmix", r#"{"mode":"elem","frame":"project","alpha":0.2,"p":0.7}"#),
        ("cutmix", r#"{"mode":"elem","alpha":2,"partner":"roll"}"#),
        ("cutmix", r#"{"mode":"batch","p":0.5,"partner":"flip"}"#),
        ("mixup", r#"{"mode":"elem","alpha":0.2,"partner":"flip"}"#),
        ("cutout", r#"{"length":5,"count":3,"p":0.5,"fill":7}"#),
        ("random_erasing", r#"{"p":1,"scale":[0.3,0.9],"ratio":[0.1,10]}"#),
        ("dropblock", r#"{"p":0.4,"block_size":3,"per_channel":false}"#),
        ("dropblock", r#"{"p":0.2,"block_size":1}"#),
        ("random_crop", r#"{"size":[20,9],"padding":4}"#),
        ("center_crop", r#"{"size":[5,40]}"#),
        ("resize", r#"{"size":[9,50]}"#),
        ("resized_crop", r#"{"size":[16,24],"scale":[0.01,1.0],"ratio":[0.2,5]}"#),
        ("normalize", r#""half""#),
        ("horizontal_flip", r#"{"p":1}"#),
        ("vertical_flip", r#"{"p":1}"#),
    ];
    let registry = registry();
    let configured = configured.iter().map(|(name, config)| {
        let entry = registry.get(name).expect("a linked operator");
        entry.parse(serde_json::from_str(config).expect("JSON")).expect("a valid configuration")
    });
    let drawn = registry.iter().flat_map(|entry| {
        let drawn = random_configurations(entry, RANDOM, 11);
        assert_eq!(drawn.len(), RANDOM, "{}: no drawn configuration fits", entry.name);
        drawn
    });
    registry.iter().map(Entry::default_operator).chain(configured).chain(drawn).collect()
}

/// The operators that are linked, and the one that is an ONNX file.
fn registry() -> Registry {
    let vignette = load_operator(&workspace().join("pipelines/operators/vignette.yaml"));
    Registry::linked().with(vignette.unwrap_or_else(|report| panic!("{report}"))).expect("a new name")
}
