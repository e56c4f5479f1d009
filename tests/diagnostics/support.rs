//! A folder with photos in which the program is asked for something that it refuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use augraft::data::write_png;
use augraft::onnx::{Graph, Model};
use augraft_tests::{run, succeed, workspace};
use ndarray::Array3;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Runs the pipeline of a case.
pub(crate) const RUN: &[&str] = &["run", "p.yaml", "--out", "out/here"];

/// Steps that make small batches which a model takes.
pub(crate) const NORMALIZED: &str = "steps: [resize: { size: 8 }, normalize: imagenet]\n";

/// The folder of one case.
pub(crate) struct Case(TempDir);

impl Case {
    /// Two classes with two photos each.
    pub(crate) fn new() -> Self {
        let case = Self(TempDir::new().expect("a folder"));
        for (at, name) in ["cat/a", "cat/b", "dog/c", "dog/d"].iter().enumerate() {
            let image = Array3::from_shape_fn((10, 12, 3), |(y, x, c)| (y * 20 + x * 5 + c * 7 + at * 11) as u8);
            case.file(&format!("photos/{name}.png"), &[]);
            write_png(&case.path().join(format!("photos/{name}.png")), &image.view()).expect("a photo");
        }
        case
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and the folders above it.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
        self
    }

    /// Writes the pipeline `p.yaml` over the photos; `more` are its lines behind `data:`.
    pub(crate) fn pipeline(&self, more: &str) -> &Self {
        self.file("p.yaml", format!("augraft: 1\ndata: {{ folder: photos }}\n{more}").as_bytes())
    }

    /// Writes `net.onnx`, and a pipeline that ends with it; `more` are the lines behind `file:`.
    pub(crate) fn model(&self, net: Graph, more: &str) -> &Self {
        let model = Model::from_proto(net.into_proto("net", &[])).expect("a model");
        self.file("net.onnx", &model.to_bytes());
        self.pipeline(&format!("{NORMALIZED}model:\n  file: net.onnx\n{more}"))
    }

    /// What `augraft run` says when it refuses.
    pub(crate) fn run(&self) -> String {
        self.refused(RUN)
    }

    /// What the program says when it refuses, with one error.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        self.refused_with(1, || run(PROGRAM, self.path(), arguments))
    }

    /// The same with an environment variable.
    pub(crate) fn refused_where(&self, name: &str, value: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.path()).args(arguments).env(name, value);
        self.refused_with(1, || command.output().expect("the program starts"))
    }

    /// What the program says on its error output when it refuses with this many errors; it must leave the folder as it was.
    pub(crate) fn refused_with(&self, errors: usize, run: impl FnOnce() -> Output) -> String {
        let before = entries(self.path());
        let output = run();
        let said = self.redacted(&String::from_utf8(output.stderr).expect("text"));
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(said.lines().filter(|line| line.starts_with("error")).count(), errors, "{said}");
        assert!(!["panicked", "backtrace", "src/"].iter().any(|word| said.contains(word)), "{said}");
        assert_eq!(entries(self.path()), before, "{said}");
        said
    }

    /// What the program prints when all is well.
    pub(crate) fn accepted(&self, arguments: &[&str]) -> String {
        self.redacted(&succeed(PROGRAM, self.path(), arguments))
    }

    /// The record of the run.
    pub(crate) fn record(&self) -> Value {
        let text = fs::read_to_string(self.path().join("out/here/run.json")).expect("run.json");
        serde_json::from_str(&text).expect("JSON")
    }

    fn redacted(&self, text: &str) -> String {
        let root = workspace().canonicalize().expect("the workspace");
        let text = text.replace(&self.path().display().to_string(), "<case>");
        text.replace(&root.display().to_string(), "<workspace>")
    }
}

/// What a pipeline over the photos is refused with; `more` are its lines behind `data:`.
pub(crate) fn refused(more: &str) -> String {
    Case::new().pipeline(more).run()
}

/// Every file and folder below a folder.
fn entries(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(entries(&path));
        }
        found.insert(path.display().to_string());
    }
    found
}
