//! What the whole-program tests share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use augraft::engine::{inspect_as, load_model, load_operator, open};
use augraft::operator::{AnyOperator, Entry, Issue, Registry};
use augraft::pipeline::{Document, Facts, Overrides, PipelineSpec, Plan, Report, plan, read_macro};
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
        assert!(!augraft_testkit::is_required("shared"), "{test} is required, and AUGRAFT_SHARED is not set");
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
            .and_then(|runtime| inspect_as(&*runtime, &load_model(&model.file, &model.ports)?, size, &model.ports))
            .map(|inspection| inspection.facts());
        inspected.map_err(|error| Issue::new("", error.to_string()))
    });
    planned.unwrap_or_else(|report| panic!("{report}"))
}

/// Every linked operator and the one that is an ONNX file, with its defaults and the cases of its fixture.
///
/// # Panics
/// When a configuration is not valid.
#[must_use]
pub fn operators() -> Vec<Box<dyn AnyOperator>> {
    let registry = registry();
    let configured = registry.iter().flat_map(|entry| {
        let cases = fixture_cases(entry).into_iter();
        cases.map(|case| entry.parse(case).unwrap_or_else(|error| panic!("{}: {error}", entry.name)))
    });
    registry.iter().map(Entry::default_operator).chain(configured).collect()
}

/// The cases of the fixture of a linked operator.
fn fixture_cases(entry: &Entry) -> Vec<Value> {
    let Some(family) = entry.origin.strip_prefix("augraft-") else { return Vec::new() };
    let path = workspace().join("plugins").join(family).join("fixtures").join(entry.name).join("cases.yaml");
    let document =
        Document::parse(&path.display().to_string(), &read(&path)).unwrap_or_else(|report| panic!("{report}"));
    document.to_json()["cases"].as_array().cloned().unwrap_or_default()
}

/// The operators that are linked, and the one that is an ONNX file.
fn registry() -> Registry {
    let vignette = load_operator(&workspace().join("pipelines/operators/vignette.yaml"));
    Registry::linked().with(vignette.unwrap_or_else(|report| panic!("{report}"))).expect("a new name")
}
