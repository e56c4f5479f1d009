//! A third opinion on ONNX files: the checker, the shape inference and the reference evaluator of the Python package `onnx`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use augraft_onnx::proto::TensorProto;
use augraft_onnx::{Model, Tensor};
use prost::Message;
use serde_json::{Value, json};

/// Written to a file for each run, so that a plugin elsewhere needs no file of this repository.
const EVALUATE: &str = include_str!("../python/evaluate.py");

/// A model and its inputs by name; what the outputs must equal is the caller's matter.
#[derive(Debug, Clone)]
pub struct Case {
    /// The model.
    pub model: Model,
    /// The inputs; without any, a model that has inputs is checked and not run.
    pub inputs: Vec<(String, Tensor)>,
}

/// A Python with the packages that `cargo xtask python` installs.
#[derive(Debug, Clone)]
pub struct Python {
    /// The folder of the packages.
    packages: PathBuf,
    interpreter: PathBuf,
}

/// Finds the packages: in the folder that `AUGRAFT_PYTHON` names, else in a folder `python` above the running program, which lies in `target`.
///
/// Without them, says on standard error that their tests are skipped.
///
/// # Panics
/// When they are not found though `AUGRAFT_REQUIRE` names `python`.
#[must_use]
pub fn python() -> Option<Python> {
    let named = std::env::var_os("AUGRAFT_PYTHON").map(PathBuf::from);
    let program = std::env::current_exe().unwrap_or_default();
    let found = match named {
        Some(folder) => Python::in_folder(&folder),
        None => program.ancestors().skip(1).find_map(|above| Python::in_folder(&above.join("python"))),
    };
    if found.is_none() {
        let missing =
            "the Python packages were not found; run `cargo xtask python`, or name their folder in AUGRAFT_PYTHON";
        assert!(!crate::is_required("python"), "{missing}");
        eprintln!("skipped Python: {missing}");
    }
    found
}

impl Python {
    /// The packages in `folder`, where `cargo xtask python` has recorded its interpreter.
    fn in_folder(folder: &Path) -> Option<Self> {
        let interpreter = PathBuf::from(fs::read_to_string(folder.join("PYTHON")).ok()?.trim());
        interpreter.is_file().then(|| Self { packages: folder.to_owned(), interpreter })
    }

    /// The folder of the packages.
    #[must_use]
    pub fn packages(&self) -> &Path {
        &self.packages
    }

    /// The interpreter that they are for.
    #[must_use]
    pub fn interpreter(&self) -> &Path {
        &self.interpreter
    }

    /// Checks every case's model and runs it in the reference evaluator of `onnx`.
    ///
    /// A model must pass the checker and strict shape inference, and every tensor of a run must have the type and shape
    /// that was inferred. There is one result per case, in order, with the outputs in the order of the model; a case that
    /// was not run has none.
    #[must_use]
    pub fn evaluate(&self, cases: &[Case]) -> Vec<Result<Vec<Tensor>, String>> {
        let failed = |problem: String| cases.iter().map(|_| Err(problem.clone())).collect();
        let folder = match tempfile::tempdir() {
            Ok(folder) => folder,
            Err(error) => return failed(format!("no folder for the cases: {error}")),
        };
        let script = folder.path().join("evaluate.py");
        let written = fs::write(&script, EVALUATE).and_then(|()| write_cases(folder.path(), cases));
        if let Err(error) = written {
            return failed(format!("cannot write the cases: {error}"));
        }
        if let Err(problem) = self.run(&script, &[&folder.path().to_string_lossy()]) {
            return failed(problem);
        }
        let results = cases.iter().enumerate();
        results.map(|(index, case)| read_result(&case_folder(folder.path(), index), case)).collect()
    }

    /// Runs a script with the packages and returns what it printed.
    ///
    /// # Errors
    /// When it does not start or fails; with what it said on standard error.
    pub fn run(&self, script: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.interpreter);
        // Bytecode would be left beside the scripts of the repository.
        command.arg("-B").arg(script).args(arguments).env("PYTHONPATH", &self.packages);
        let output =
            command.output().map_err(|error| format!("{} does not start: {error}", self.interpreter.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} failed ({}): {}", script.display(), output.status, said.trim()));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("{} printed something else than text", script.display()))
    }
}

fn case_folder(folder: &Path, index: usize) -> PathBuf {
    // Padded, because the script takes the folders in the order of their names.
    folder.join(format!("case-{index:06}"))
}

/// Writes what the script reads; equal models are written once.
fn write_cases(folder: &Path, cases: &[Case]) -> io::Result<()> {
    let mut models: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        let bytes = case.model.to_bytes();
        let name = if let Some(name) = models.get(&bytes) {
            name.clone()
        } else {
            let name = format!("model-{:06}.onnx", models.len());
            fs::write(folder.join(&name), &bytes)?;
            models.insert(bytes, name.clone());
            name
        };
        let at = case_folder(folder, index);
        fs::create_dir(&at)?;
        let mut inputs = Vec::new();
        for (place, (input, tensor)) in case.inputs.iter().enumerate() {
            let file = format!("input-{place}.pb");
            fs::write(at.join(&file), tensor.to_proto(input).encode_to_vec())?;
            inputs.push(json!({ "name": input, "file": file }));
        }
        let mut description = json!({ "model": format!("../{name}") });
        if is_run(case) {
            description["inputs"] = inputs.into();
        }
        fs::write(at.join("case.json"), description.to_string())?;
    }
    Ok(())
}

/// Whether a case asks for outputs, not only for a check.
fn is_run(case: &Case) -> bool {
    !case.inputs.is_empty() || case.model.inputs().is_empty()
}

fn read_result(folder: &Path, case: &Case) -> Result<Vec<Tensor>, String> {
    let read = |name: &str| fs::read(folder.join(name)).map_err(|error| format!("{name} of the case: {error}"));
    let result: Value =
        serde_json::from_slice(&read("result.json")?).map_err(|error| format!("result.json of the case: {error}"))?;
    if result["ok"] != Value::Bool(true) {
        let word = |key: &str| result[key].as_str().unwrap_or_default();
        return Err(format!("{}: {}", word("stage"), word("message")));
    }
    if !is_run(case) {
        return Ok(Vec::new());
    }
    let outputs = (0..case.model.outputs().len()).map(|place| {
        let name = format!("output-{place}.pb");
        let proto = TensorProto::decode(read(&name)?.as_slice()).map_err(|error| format!("{name}: {error}"))?;
        Tensor::from_proto(&proto).ok_or_else(|| format!("{name} has an element type that is not known here"))
    });
    outputs.collect()
}

#[cfg(test)]
mod tests {
    use augraft_onnx::{DataType, Graph, Side};

    use super::*;

    /// `y = x + x` for `[N, 2]`, declared as `[N, declared]`.
    fn doubled(declared: usize) -> Model {
        let graph = Graph::new(18);
        let x = graph.input("x", DataType::F32, &[Side::Named("N"), Side::Fixed(2)]);
        graph.output(x + x, "y", &[Side::Named("N"), Side::Fixed(declared)]);
        Model::from_proto(graph.into_proto("doubled", &[])).unwrap()
    }

    fn input(rows: usize) -> Vec<(String, Tensor)> {
        let values = ndarray::Array2::from_shape_fn([rows, 2], |(row, column)| (2 * row + column) as f32);
        vec![("x".to_owned(), values.into_dyn().into())]
    }

    #[test]
    fn every_case_has_its_own_result() {
        let Some(python) = python() else { return };
        let cases = [
            Case { model: doubled(2), inputs: input(1) },
            Case { model: doubled(3), inputs: input(1) },
            Case { model: doubled(2), inputs: vec![("z".to_owned(), Tensor::scalar(1f32))] },
            Case { model: doubled(2), inputs: input(3) },
            Case { model: doubled(2), inputs: Vec::new() },
        ];
        let results = python.evaluate(&cases);
        let expected = |rows: usize| {
            let values = ndarray::Array2::from_shape_fn([rows, 2], |(row, column)| (4 * row + 2 * column) as f32);
            Ok(vec![values.into_dyn().into()])
        };
        assert_eq!(results[0], expected(1));
        assert!(results[1].as_ref().is_err_and(|problem| problem.starts_with("checker: ")), "{:?}", results[1]);
        assert!(results[2].as_ref().is_err_and(|problem| problem.starts_with("reference: ")), "{:?}", results[2]);
        assert_eq!(results[3], expected(3));
        assert_eq!(results[4], Ok(Vec::new()));
    }

    #[test]
    fn equal_models_are_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let case = |inputs| Case { model: doubled(2), inputs };
        write_cases(folder.path(), &[case(input(1)), case(input(2)), Case { model: doubled(3), inputs: input(1) }])
            .unwrap();
        let models = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".onnx"));
        assert_eq!(models.count(), 2);
    }

    #[test]
    fn a_script_that_fails_says_why() {
        let Some(python) = python() else { return };
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("fails.py");
        fs::write(&script, "import sys\nprint(sys.argv[1])\nsys.exit('no' if sys.argv[1] == 'b' else 0)\n").unwrap();
        assert_eq!(python.run(&script, &["a"]).map(|printed| printed.trim().to_owned()), Ok("a".to_owned()));
        assert!(python.run(&script, &["b"]).unwrap_err().ends_with(": no"));
    }
}
