//! A pipeline as it is written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use augraft_operator::{ObjectRules, Registry, Rows, Shape};

use crate::device::{Device, EngineKind};
use crate::diagnostic::{Diagnostic, Report, Span};
use crate::document::Document;
use crate::ids::{clashes, ids};
use crate::objects::AnnotationSpec;
use crate::ports::ModelPorts;
use crate::problems::Problems;
use crate::reading::read_steps;
use crate::schema::{DataFields, FileFields, ModelFields, VERSION, outer_schema};
pub use crate::schema::{MaskClasses, OnDataError};
use crate::step::{SiteStepSpec, StepSpec, Written};
use crate::validate::check;

/// A pipeline file, read but not yet resolved.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    /// The file.
    pub file: PathBuf,
    /// The folder that relative paths in the file start from.
    pub folder: PathBuf,
    /// The parsed file with its places.
    pub document: Document,
    /// Seed of every draw.
    pub seed: u64,
    /// Epoch to run.
    pub epoch: u32,
    /// Where images come from.
    pub data: Option<DataSpec>,
    /// What becomes of annotated objects that the steps cut or shrink.
    pub objects: ObjectRules,
    /// Steps on the images, in order.
    pub steps: Vec<StepSpec>,
    /// A model that runs on the images after the steps.
    pub model: Option<ModelSpec>,
    /// Folder to write to, relative to the current folder.
    pub out: Option<PathBuf>,
    /// What the text alone shows to be probably not meant so.
    pub warnings: Vec<Diagnostic>,
}

/// Where images come from and how they are batched.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// The images.
    pub source: DataSource,
    /// File with one class name per line, which fixes the number and order of classes.
    pub classes: Option<PathBuf>,
    /// Samples per batch, at least 1.
    pub batch: usize,
    /// Whether the order of the samples is a permutation keyed by seed and epoch.
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out.
    pub drop_last: bool,
    /// Use only this many samples.
    pub limit: Option<usize>,
    /// What to do with an image that cannot be read.
    pub on_error: OnDataError,
    /// Masks beside the images.
    pub masks: Option<MaskSpec>,
    /// Objects in the images.
    pub annotations: Option<AnnotationSpec>,
}

/// Where the masks of the images lie.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskSpec {
    /// Folder with a PNG file for each image, at the image's path.
    pub folder: PathBuf,
    /// Their classes.
    pub classes: MaskClasses,
    /// Class id of pixels that belong to no class.
    pub ignore: Option<u8>,
}

/// Where images lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// One sub-folder per class.
    Folder(PathBuf),
    /// A folder of images without labels.
    Flat(PathBuf),
    /// Tar files by a glob.
    Shards(String),
}

/// A model and the steps inside of it.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// The ONNX file.
    pub file: PathBuf,
    /// Who runs it.
    pub engine: EngineKind,
    /// What it runs on.
    pub device: Device,
    /// What goes in beside the images, and what comes out.
    pub ports: ModelPorts,
    /// Short names for tensors.
    pub sites: BTreeMap<String, String>,
    /// Steps at tensors of the model.
    pub steps: Vec<SiteStepSpec>,
}

impl ModelSpec {
    /// The model in `file`, with everything else as `written`.
    pub(crate) fn of(file: PathBuf, written: Option<&Self>) -> Self {
        match written {
            Some(written) => Self { file, ..written.clone() },
            None => Self {
                file,
                engine: EngineKind::default(),
                device: Device::default(),
                ports: ModelPorts::default(),
                sites: BTreeMap::new(),
                steps: Vec::new(),
            },
        }
    }
}

impl PipelineSpec {
    /// Input steps whose partners come from the whole data set: the second half of each batch holds them.
    pub fn donors(&self) -> impl Iterator<Item = &StepSpec> + '_ {
        self.steps.iter().filter(|step| step.operator.rows() == Rows::Donors)
    }

    /// Whether the steps bring images of any size to one size.
    #[must_use]
    pub fn makes_one_size(&self) -> bool {
        let mut shape = Shape::ragged(1);
        self.steps.iter().any(|step| {
            shape = step.operator.check(&shape).unwrap_or_else(|_| shape.clone());
            shape.size().is_some()
        })
    }

    /// Reads a pipeline file.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(path: &Path, registry: &Registry) -> Result<Self, Report> {
        Self::parse(&Self::read_text(path)?, path, registry)
    }

    /// Reads the text of a pipeline file.
    ///
    /// # Errors
    /// When there is no such file, or it is not text.
    pub fn read_text(path: &Path) -> Result<String, Report> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| unreadable(&name, path, &error))?;
        String::from_utf8(bytes).map_err(|error| not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to()))
    }

    /// The headers of operators that the text of a pipeline file names, which must be in the registry before the file is parsed.
    ///
    /// # Errors
    /// When the text is no YAML, or a header does not exist.
    pub fn operator_files(text: &str, file: &Path) -> Result<Vec<PathBuf>, Report> {
        let document = Document::parse(&file.display().to_string(), text)?;
        let json = document.to_json();
        let names = json.get("operators").and_then(serde_json::Value::as_array).into_iter().flatten();
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut problems = Problems::new(&document);
        let mut files = Vec::new();
        for (at, name) in names.enumerate() {
            // What is no text is reported when the file is parsed.
            let Some(name) = name.as_str() else { continue };
            let path = folder.join(name);
            if path.is_file() {
                files.push(path);
                continue;
            }
            let help = Some("name the YAML header of the operator, relative to this file".to_owned());
            problems.error(
                &format!("/operators/{at}"),
                "unreadable",
                format!("there is no file `{}`", path.display()),
                help,
            );
        }
        if problems.has_errors() { Err(Report::from(problems)) } else { Ok(files) }
    }

    /// A problem of the value at `pointer`, such as `/data/folder`, that only shows outside of the file.
    #[must_use]
    pub fn problem(&self, pointer: &str, code: &'static str, message: impl Into<String>, help: Option<&str>) -> Report {
        let mut problems = Problems::new(&self.document);
        problems.error(pointer, code, message, help.map(str::to_owned));
        Report::from(problems)
    }

    /// Parses the text of a pipeline file; relative paths in it start from the folder of `file`.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse(text: &str, file: &Path, registry: &Registry) -> Result<Self, Report> {
        Self::parse_with(text, file, registry, &[])
    }

    /// The same with values in place of those in the text, each as its path (`data.limit`) and YAML; relative paths among them also start from the
    /// folder of `file`.
    ///
    /// # Errors
    /// All problems of the text and the values.
    pub fn parse_with(
        text: &str,
        file: &Path,
        registry: &Registry,
        values: &[(String, String)],
    ) -> Result<Self, Report> {
        let mut document = Document::parse(&file.display().to_string(), text)?;
        for (path, value) in values {
            document.set(path, value)?;
        }
        let mut problems = Problems::new(&document);
        let json = document.to_json();
        check_outer(&json, &mut problems);
        let mut written = Vec::new();
        read_steps(registry, "/steps", false, &mut written, &mut problems);
        let in_model = written.len();
        read_steps(registry, "/model/steps", true, &mut written, &mut problems);
        let ids = named(&written, &mut problems);
        if problems.has_errors() {
            return Err(Report::from(problems));
        }
        let fields: FileFields = match serde_json::from_value(json) {
            Ok(fields) => fields,
            Err(error) => {
                problems.error("", "wrong-value", error.to_string(), None);
                return Err(Report::from(problems));
            }
        };
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        let data = fields.data.and_then(|data| data_spec(data, &folder, "/data", &mut problems));
        let warnings = problems.finish()?;
        let (input, model) = written.split_at(in_model);
        let (input_ids, model_ids) = ids.split_at(in_model);
        let steps = input.iter().zip(input_ids).filter_map(|(step, id)| step_spec(step, id, &ids)).collect();
        let model_steps = model.iter().zip(model_ids).filter_map(|(step, id)| site_step_spec(step, id, &ids)).collect();
        Ok(Self {
            file: file.to_owned(),
            data,
            objects: fields.objects,
            model: fields.model.map(|model| model_spec(model, model_steps, &folder)),
            folder,
            seed: fields.seed,
            epoch: fields.epoch,
            steps,
            out: fields.out.map(PathBuf::from),
            warnings,
            document,
        })
    }
}

fn check_outer(json: &serde_json::Value, problems: &mut Problems<'_>) {
    if json.is_null() {
        problems.error(
            "",
            "empty-file",
            "the file is empty",
            Some(format!("a pipeline has at least `augraft: {VERSION}` and `steps:`")),
        );
        return;
    }
    let mut found = check(&outer_schema(), json, "the pipeline");
    for problem in &mut found {
        if problem.pointer == "/augraft" {
            problem.code = "unsupported-version";
            problem.message =
                format!("this augraft reads version {VERSION} of the format, but the file says {}", json["augraft"]);
            problem.help = Some("use the version of augraft that the file was written for, or a newer one".to_owned());
        }
    }
    problems.extend("", found);
}

/// The ids of all steps; reports those that would share their draws.
pub(crate) fn named(all: &[Written], problems: &mut Problems<'_>) -> Vec<String> {
    let written: Vec<(&str, Option<&str>)> = all.iter().map(|step| (&*step.label, step.id.as_deref())).collect();
    let ids = ids(&written);
    for (first, second) in clashes(&ids) {
        let line = problems.document.locate(&all[first].path).line;
        let message = format!("two steps are called `{}`, so they would draw the same", ids[second]);
        let id = all[second].path.rsplit_once('/').map_or(String::new(), |(step, _)| format!("{step}/id"));
        let place = if all[second].id.is_some() { id } else { all[second].path.clone() };
        problems.error(
            &place,
            "duplicate-id",
            message,
            Some(format!("the other is in line {line}; give one of them another `id`")),
        );
    }
    ids
}

pub(crate) fn step_spec(written: &Written, id: &str, ids: &[String]) -> Option<StepSpec> {
    let (gates, strengths) = written.gates(ids);
    let (operator, path) = (written.operator.clone()?, written.path.clone());
    Some(StepSpec { id: id.to_owned(), operator, path, gates, strengths })
}

fn site_step_spec(written: &Written, id: &str, ids: &[String]) -> Option<SiteStepSpec> {
    let (at, at_path) = written.at.clone()?;
    Some(SiteStepSpec { at, at_path, layout: written.layout, step: step_spec(written, id, ids)? })
}

/// The data source whose fields stand at `pointer`; reports what no schema knows.
pub(crate) fn data_spec(
    fields: DataFields,
    folder: &Path,
    pointer: &str,
    problems: &mut Problems<'_>,
) -> Option<DataSpec> {
    let source = match (fields.folder, fields.flat, fields.shards) {
        (Some(path), _, _) => DataSource::Folder(folder.join(path)),
        (_, Some(path), _) => DataSource::Flat(folder.join(path)),
        (_, _, pattern) => DataSource::Shards(folder.join(pattern?).display().to_string()),
    };
    Some(DataSpec {
        source,
        classes: fields.classes.map(|path| folder.join(path)),
        batch: fields.batch,
        shuffle: fields.shuffle,
        drop_last: fields.drop_last,
        limit: fields.limit,
        on_error: fields.on_error,
        masks: fields.masks.map(|masks| MaskSpec {
            folder: folder.join(masks.folder),
            classes: masks.classes,
            ignore: masks.ignore,
        }),
        annotations: match fields.annotations {
            Some(annotations) => Some(annotations.spec(folder, &format!("{pointer}/annotations"), problems)?),
            None => None,
        },
    })
}

fn model_spec(fields: ModelFields, steps: Vec<SiteStepSpec>, folder: &Path) -> ModelSpec {
    ModelSpec {
        file: folder.join(fields.file),
        engine: fields.engine,
        device: fields.device,
        ports: ModelPorts { layout: fields.layout, inputs: fields.inputs, output: fields.output },
        sites: fields.sites,
        steps,
    }
}

fn unreadable(name: &str, path: &Path, error: &io::Error) -> Report {
    let (message, help) = match error.kind() {
        io::ErrorKind::NotFound => ("there is no such pipeline file".to_owned(), "check the path"),
        _ if path.is_dir() => ("this is a folder, not a pipeline file".to_owned(), "name the YAML file in it"),
        _ => (format!("the pipeline file cannot be read: {error}"), "check its permissions"),
    };
    Report::new("", vec![Diagnostic::error("unreadable", name, Span::default(), message).help(help)])
}

fn not_utf8(file: &str, bytes: &[u8], valid: usize) -> Report {
    let text = String::from_utf8_lossy(bytes);
    let span = Span::of(&text, valid..valid + char::REPLACEMENT_CHARACTER.len_utf8());
    let error = Diagnostic::error("not-utf8", file, span, "the file is not UTF-8 text").label("this byte");
    Report::new(&text, vec![error.help("save the file as UTF-8")])
}
