//! What the documentation says is true: derived files, examples, gallery, and the words of every operator.

use std::fs;
use std::path::{Path, PathBuf};

use augraft::data::{Dataset, Source};
use augraft::engine::{inspect_as, load_model, open, run_steps};
use augraft::onnx::Model;
use augraft::operator::{Registry, Scratch};
use augraft::pipeline::{DataSource, Facts, ModelSpec, Overrides, PipelineSpec, Plan, page, plan};
use augraft_testkit::batch;
use augraft_tests::{parse, run, workspace};
use serde_json::Value;

/// Steps that bring images into a form that more operators accept; the first that plans without a word is taken.
const PRELUDES: [&[&str]; 3] =
    [&[], &["- center_crop: { size: 64 }"], &["- center_crop: { size: 64 }", "- normalize: imagenet"]];

const MODELINE: &str = "# yaml-language-server: $schema=schema.json";

#[test]
fn files_that_are_derived_from_the_code_are_current() {
    let fresh = tempfile::tempdir().expect("a folder");
    let out = fresh.path().display().to_string();
    let _ = augraft_tests::succeed(env!("CARGO_BIN_EXE_augraft-under-test"), workspace(), &["generate", &out]);
    let fresh = augraft_tests::files(fresh.path());
    assert!(fresh.len() > 4, "the schema, the reference, completions, manual pages");
    let stale = |(path, text): (&String, &Vec<u8>)| fs::read(workspace().join(path)).ok().as_ref() != Some(text);
    let stale: Vec<_> = fresh.iter().filter(|(path, text)| stale((path, text))).map(|(path, _)| path).collect();
    let left = ["crates/augraft/completions", "crates/augraft/man"].into_iter().flat_map(entries);
    let left: Vec<_> = left.filter(|path| !fresh.contains_key(&path.to_string_lossy().replace('\\', "/"))).collect();
    assert!(
        stale.is_empty() && left.is_empty(),
        "run `cargo xtask generate`: not current {stale:?}, left over {left:?}"
    );
}

#[test]
fn completions_are_those_of_the_program_that_is_asked() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let program = env!("CARGO_BIN_EXE_augraft-under-test");
        let script = augraft_tests::succeed(program, workspace(), &["completions", shell]);
        assert!(script.contains("augraft-under-test") && script.contains("new-plugin"), "{shell}");
        assert!(!script.contains("generate"), "{shell}: offers what only the repository needs");
    }
}

#[test]
fn every_operator_has_a_small_picture() {
    let registry = Registry::linked();
    let mut problems = Vec::new();
    for name in registry.iter().map(|entry| entry.name) {
        let path = format!("plugins/strips/{name}.png");
        let Ok(bytes) = fs::read(workspace().join(&path)) else {
            problems.push(format!("{path}: is missing"));
            continue;
        };
        if bytes.len() > 20 * 1024 {
            problems.push(format!("{path}: has {} bytes, more than 20 KiB", bytes.len()));
        }
        match image::load_from_memory(&bytes) {
            Ok(picture) if picture.height() == 96 && picture.width() >= 2 * 96 => {}
            Ok(picture) => problems.push(format!("{path}: is {} x {}", picture.width(), picture.height())),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    let kept = entries("plugins/strips");
    let operator = |path: &PathBuf| registry.get(&path.file_stem().unwrap_or_default().to_string_lossy()).is_some();
    problems
        .extend(kept.iter().filter(|path| !operator(path)).map(|path| format!("{}: of no operator", path.display())));
    assert!(problems.is_empty(), "run `cargo xtask generate`:\n{}", problems.join("\n"));
}

#[test]
fn a_plugin_gets_the_versions_of_the_workspace() {
    let (plugin, workspace) = (read("crates/augraft/templates/plugin/library.toml"), read("Cargo.toml"));
    for name in ["schemars", "serde"] {
        let line =
            |manifest: &str| manifest.lines().find(|line| line.starts_with(&format!("{name} = "))).map(str::to_owned);
        assert_eq!(line(&plugin), line(&workspace));
    }
}

#[test]
fn every_example_of_an_operator_runs_as_a_step() {
    let registry = Registry::linked();
    let mut problems = Vec::new();
    for entry in registry.iter() {
        let examples = blocks(&entry.description(), "yaml");
        if examples.is_empty() {
            problems.push(format!("{}: its doc comment has no example", entry.name));
        }
        for example in examples {
            problems.extend(example_problem(entry.name, Some(entry.name), &example, &registry));
        }
    }
    for name in ["one_of", "repeat", "schedule", "some_of"] {
        let page = page(&registry, name).expect("a combinator");
        let examples = blocks(&page, "yaml");
        assert!(!examples.is_empty(), "{name}: has no example");
        problems.extend(examples.iter().filter_map(|example| example_problem(name, None, example, &registry)));
    }
    assert_none(&problems);
}

#[test]
fn every_pipeline_of_the_readmes_plans() {
    let mut problems = Vec::new();
    let mut found = 0;
    for file in ["README.md", "crates/README.md", "plugins/README.md"] {
        for block in blocks(&read(file), "yaml").iter().filter(|block| block.contains("augraft: 1")) {
            found += 1;
            let parsed = parse(block, &workspace().join("pipelines/readme.yaml"));
            let planned = parsed.map_err(|report| report.render(false)).and_then(|spec| planned(&spec));
            problems.extend(planned.err().map(|problem| format!("{file}:\n{problem}")));
        }
    }
    assert_none(&problems);
    assert!(found > 0, "a README shows at least one whole pipeline");
    let quickstart = read("pipelines/quickstart.yaml");
    assert!(
        blocks(&read("README.md"), "yaml").contains(&quickstart),
        "README.md does not show the quickstart as it is"
    );
}

#[test]
fn the_operator_of_the_readme_is_the_example_that_compiles() {
    let shown = blocks(&read("README.md"), "rust");
    let example = read("crates/augraft/examples/own_operator.rs");
    assert_eq!(shown, [example], "README.md shows crates/augraft/examples/own_operator.rs as it is, and no other Rust");
}

#[test]
fn the_headers_of_the_readme_are_the_files() {
    let shown = blocks(&read("README.md"), "yaml");
    for header in ["vignette", "switched_mix"] {
        let file = format!("pipelines/operators/{header}.yaml");
        assert!(shown.contains(&read(&file)), "README.md does not show {file} as it is");
    }
}

#[test]
fn the_python_of_the_readme_gives_the_labels_of_the_run() {
    let Some(python) = augraft_testkit::python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out/quickstart");
    let run = ["run", "pipelines/quickstart.yaml", "--engine", "onnxruntime", "--out", &out.display().to_string()];
    let _ = augraft_tests::succeed(env!("CARGO_BIN_EXE_augraft-under-test"), workspace(), &run);
    let shown = blocks(&read("README.md"), "python");
    let [block] = &shown[..] else { panic!("one block of Python") };
    // The block is written for the root of the repository.
    let rooted = block.replace("\"pipelines\"", &format!("{:?}", workspace().join("pipelines")));
    let rooted = rooted.replace("\"out/quickstart\"", &format!("{out:?}"));
    let script = folder.path().join("readme.py");
    fs::write(&script, rooted).expect("a file");
    let said = python.run(&script, &[]).expect("it runs");
    let (labels, pixels) = said.trim().split_once('\n').expect("two lines");
    assert_eq!(labels, "labels equal: True");
    let difference: f32 = pixels.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    assert!(difference < 0.06, "three levels of a normalized channel: {said}");
}

#[test]
fn the_script_of_the_operator_that_is_a_file_writes_that_file() {
    let Some(python) = augraft_testkit::python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("vignette.py");
    fs::copy(workspace().join("pipelines/operators/vignette.py"), &script).expect("a copy");
    python.run(&script, &[]).expect("it runs");
    let [made, kept] = [folder.path().to_owned(), workspace().join("pipelines/operators")]
        .map(|folder| Model::load(&folder.join("vignette.onnx")).expect("a model"));
    assert_eq!(made, kept);
}

#[test]
fn every_pipeline_of_the_gallery_plans() {
    let mut problems = Vec::new();
    for file in gallery() {
        let name = file.display();
        let text = read(&file);
        let mut lines = text.lines();
        let purpose = lines.next().unwrap_or_default();
        if !purpose.starts_with("# ") || !purpose.ends_with('.') {
            problems.push(format!("{name}: the first line is no comment that says the purpose in a sentence"));
        }
        if lines.next() != Some(MODELINE) {
            problems.push(format!("{name}: the second line is not `{MODELINE}`"));
        }
        let spec = parse(&text, &workspace().join(&file)).map_err(|report| report.render(false));
        match spec.and_then(|spec| planned(&spec)) {
            Ok(plan) if plan.warnings.is_empty() => {}
            Ok(plan) => problems.push(plan.render_warnings(false)),
            Err(problem) => problems.push(problem),
        }
    }
    assert_none(&problems);
}

#[test]
fn every_pipeline_of_the_gallery_without_a_model_runs() {
    let mut ran = 0;
    for file in gallery() {
        let spec = parse(&read(&file), &workspace().join(&file)).expect("it parses");
        if spec.model.is_some() {
            continue;
        }
        ran += 1;
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        let arguments = ["run", &file.display().to_string(), "--out", &out.display().to_string()];
        let output = run(env!("CARGO_BIN_EXE_augraft-under-test"), workspace(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("warning"), "{}:\n{said}", file.display());
        let samples = fs::read_dir(out.join("images")).expect("images").count();
        assert!(samples > 0, "{} writes no image", file.display());
        for lines in ["labels.jsonl", "draws.jsonl"] {
            let text = fs::read_to_string(out.join(lines)).expect("lines");
            assert_eq!(text.lines().count(), samples, "{} of {}", lines, file.display());
        }
        for name in ["batches/000000.npz", "model.onnx", "preview.png", "run.json"] {
            assert!(out.join(name).is_file(), "{} writes no {name}", file.display());
        }
    }
    assert!(ran > 0, "the gallery has a pipeline without a model");
}

#[test]
fn every_operator_is_named_after_its_file() {
    let registry = Registry::linked();
    let mut problems = Vec::new();
    for entry in registry.iter() {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        if !entry.name.chars().all(plain) || !entry.name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            problems.push(format!("{}: the name is not snake_case", entry.name));
        }
        let file = format!("plugins/{}/src/{}.rs", entry.origin.trim_start_matches("augraft-"), entry.name);
        if !workspace().join(&file).is_file() {
            problems.push(format!("{}: there is no {file}", entry.name));
        }
    }
    let mut families = Vec::new();
    for family in entries("plugins") {
        let sources = workspace().join(&family).join("src");
        if !sources.is_dir() {
            continue;
        }
        let origin = format!("augraft-{}", family.file_name().unwrap_or_default().to_string_lossy());
        if !registry.iter().any(|entry| entry.origin == origin) {
            problems.push(format!("{}: contributes no operator", family.display()));
        }
        families.push(sources);
    }
    for source in families.iter().flat_map(entries) {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let registers = fs::read_to_string(&source).is_ok_and(|text| text.contains("\nregister_operator!("));
        if registers && registry.get(&stem).is_none() {
            problems.push(format!("{}: registers an operator of another name", source.display()));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_operator_and_every_field_is_described() {
    let mut problems = Vec::new();
    for entry in Registry::linked().iter() {
        let summary = entry.summary();
        if !summary.starts_with(char::is_uppercase) || !summary.ends_with('.') {
            problems.push(format!(
                "{}: the summary is no sentence with a capital letter and a period: {summary}",
                entry.name
            ));
        }
        undescribed(entry.name, entry.schema().as_value(), &mut problems);
    }
    assert_none(&problems);
}

#[test]
fn every_default_is_read_back_as_it_is_written() {
    let mut problems = Vec::new();
    for entry in Registry::linked().iter() {
        let written = entry.default_operator().config();
        match entry.parse(written.clone()) {
            Ok(operator) if operator.config() == written => {}
            Ok(operator) => problems.push(format!("{}: {written} becomes {}", entry.name, operator.config())),
            Err(error) => problems.push(format!("{}: {written} is refused: {error}", entry.name)),
        }
    }
    assert_none(&problems);
}

/// Plans an example, whose last step must be the operator `last`, runs it, and says what is wrong.
fn example_problem(name: &str, last: Option<&str>, example: &str, registry: &Registry) -> Option<String> {
    let mut problem = None;
    for prelude in PRELUDES {
        let steps = prelude.iter().copied().chain(example.lines());
        let text: String =
            std::iter::once("augraft: 1\nsteps:\n".to_owned()).chain(steps.map(|line| format!("  {line}\n"))).collect();
        let facts = Facts { classes: 10, samples: Some(8), ..Facts::default() };
        let planned = PipelineSpec::parse(&text, Path::new("example.yaml"), registry).and_then(|spec| {
            plan(&spec, &Overrides::default(), &facts, &mut |_, _| Err("there is no model".to_owned()))
        });
        let said = match planned {
            Ok(plan) if last.is_some() && plan.steps.last().map(|step| step.name) != last => {
                return Some(format!("{name}: the last step of its example is another operator"));
            }
            Ok(plan) if plan.warnings.is_empty() => {
                let mut samples = batch(&plan.input, 8);
                let ran = run_steps(&plan.steps, 0, &mut samples, None, &mut Scratch::default());
                let problem = ran.err().map(|error| error.to_string());
                return problem.or_else(|| samples.is_empty().then(|| "leaves no sample".to_owned()));
            }
            Ok(plan) => plan.render_warnings(false),
            Err(report) => report.render(false),
        };
        problem = Some(format!("{name}: {said}"));
    }
    problem
}

/// Plans a pipeline over its data and its model.
fn planned(spec: &PipelineSpec) -> Result<Plan, String> {
    let data = spec.data.as_ref().ok_or_else(|| format!("{}: has no data", spec.file.display()))?;
    let source = match &data.source {
        DataSource::Folder(path) => Source::Folder(path.clone()),
        DataSource::Flat(path) => Source::Flat(path.clone()),
        DataSource::Shards(pattern) => Source::Shards(pattern.clone()),
    };
    let data = Dataset::open_with_classes(&source, data.classes.as_deref()).map_err(|error| error.to_string())?;
    let facts = Facts { classes: data.classes().len(), samples: Some(data.len()), ..Facts::default() };
    let mut look = |model: &ModelSpec, size| {
        let runtime = open(model.engine, model.device, None).map_err(|error| error.to_string())?;
        let file = load_model(&model.file, &model.ports).map_err(|error| error.to_string())?;
        inspect_as(&*runtime, &file, size, &model.ports)
            .map(|inspection| inspection.facts())
            .map_err(|error| error.to_string())
    };
    plan(spec, &Overrides::default(), &facts, &mut look).map_err(|report| report.render(false))
}

/// Collects every field without a description, and every map that accepts unknown fields.
fn undescribed(path: &str, schema: &Value, problems: &mut Vec<String>) {
    if let Some(fields) = schema["properties"].as_object() {
        if schema["additionalProperties"] != Value::Bool(false) {
            problems.push(format!("{path}: accepts unknown fields; add #[serde(deny_unknown_fields)]"));
        }
        for (name, field) in fields {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                problems.push(format!("{path}: has no description"));
            }
            undescribed(&path, field, problems);
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for (at, inner) in schema[key].as_array().into_iter().flatten().enumerate() {
            undescribed(&format!("{path}/{at}"), inner, problems);
        }
    }
    if schema["items"].is_object() {
        undescribed(&format!("{path}[]"), &schema["items"], problems);
    }
}

/// The content of every fenced block of `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut open: Option<Option<String>> = None;
    for line in text.lines() {
        open = match open.take() {
            None if line == fence => Some(Some(String::new())),
            None if line.starts_with("```") => Some(None),
            None => None,
            Some(block) if line == "```" => {
                found.extend(block);
                None
            }
            Some(block) => Some(block.map(|block| format!("{block}{line}\n"))),
        };
    }
    found
}

/// The pipelines of the gallery, from the root of the workspace, sorted.
fn gallery() -> Vec<PathBuf> {
    let files = entries("pipelines").into_iter().filter(|file| file.extension().is_some_and(|end| end == "yaml"));
    let files: Vec<PathBuf> = files.collect();
    assert!(!files.is_empty(), "pipelines/ has no pipeline");
    files
}

/// What lies in `folder`, from the root of the workspace, sorted.
fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let names = fs::read_dir(workspace().join(&folder)).expect("a folder of the workspace");
    let mut paths: Vec<PathBuf> =
        names.map(|entry| folder.as_ref().join(entry.expect("an entry").file_name())).collect();
    paths.sort();
    paths
}

fn read(file: impl AsRef<Path>) -> String {
    let file = workspace().join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
