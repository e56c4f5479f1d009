//! From a pipeline file to a plan with its data.

use augraft_data::{
    Annotation, AnnotationSource, BatchPlan, Dataset, Error as DataError, MaskFolder, OnError, Source, load_batch,
};
use augraft_engine::{EngineError, inspect_as, load_model, load_operator, open};
use augraft_onnx::{Model, baked_batch};
use augraft_operator::{
    Batch, BatchDice, Dice, Images, Keypoint, Labels, Masks, Object, Objects, Registry, Rows, Shape,
};
use augraft_pipeline::{
    AnnotationFormat, AnnotationSpec, DataSource, DataSpec, Facts, ModelSpec, OnDataError, Overrides, PipelineSpec,
    Plan, Report, Step, plan, read_macro,
};

use std::path::{Path, PathBuf};

use super::arguments::PipelineArgs;
use crate::failure::Failure;

/// A plan and the data that it runs over.
pub(crate) struct Prepared {
    pub(crate) spec: PipelineSpec,
    pub(crate) plan: Plan,
    pub(crate) dataset: Option<Dataset>,
}

/// What stands in for data where a pipeline has none, and for the model that it names.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) input: Option<Shape>,
    pub(crate) classes: Option<usize>,
    pub(crate) model: Option<PathBuf>,
    /// The model where it is read already.
    pub(crate) loaded: Option<Model>,
}

/// Reads, resolves and checks a pipeline; prints its warnings.
pub(crate) fn prepare(args: &PipelineArgs, registry: &Registry, color: bool) -> Result<Prepared, Failure> {
    let spec = read(&args.pipeline, registry)?;
    if spec.json_at("/experiment").is_some() {
        let help = "use `augraft experiment FILE`, or take `experiment` out of the file";
        return Err(spec.problem("/experiment", "experiment", "this file is an experiment", Some(help)).into());
    }
    prepare_with(spec, args, color, Given::default())
}

/// Reads a pipeline file, with the operators that it names beside those of `registry`.
pub(crate) fn read(path: &Path, registry: &Registry) -> Result<PipelineSpec, Failure> {
    read_with(path, registry, &[]).map(|(spec, _)| spec)
}

/// The same with values in place of those of the file, and the registry with its operators.
pub(crate) fn read_with(
    path: &Path,
    registry: &Registry,
    values: &[(String, String)],
) -> Result<(PipelineSpec, Registry), Failure> {
    let text = PipelineSpec::read_text(path)?;
    let registry = with_files(registry, &PipelineSpec::operator_files(&text, path)?)?;
    Ok((PipelineSpec::parse_with(&text, path, &registry, values)?, registry))
}

/// The registry with the operators of these headers.
pub(crate) fn with_files(registry: &Registry, files: &[PathBuf]) -> Result<Registry, Failure> {
    let mut registry = registry.clone();
    for file in files {
        let refused = |issue: augraft_operator::Issue| {
            Failure::User(format!("{}: {}; {}", file.display(), issue.message, issue.help.unwrap_or_default()))
        };
        registry = match read_macro(file)? {
            Some(known) => registry.with_macro(known),
            None => registry.with(load_operator(file)?),
        }
        .map_err(refused)?;
    }
    Ok(registry)
}

/// The same for a pipeline that is read, with what stands in for its data.
pub(crate) fn prepare_with(
    spec: PipelineSpec,
    args: &PipelineArgs,
    color: bool,
    given: Given,
) -> Result<Prepared, Failure> {
    let dataset = match &spec.data {
        Some(data) => Some(open_dataset(&spec, data, "/data")?),
        None => None,
    };
    let facts = Facts {
        classes: dataset.as_ref().map_or(given.classes.unwrap_or(0), |dataset| dataset.classes().len()),
        samples: dataset.as_ref().map(Dataset::len),
        keypoints: dataset.as_ref().map_or(0, |dataset| dataset.keypoint_names().len()),
        sorted: spec.data.as_ref().zip(dataset.as_ref()).is_some_and(|(data, dataset)| {
            let batch = args.batch.map_or(data.batch, |batch| batch as usize);
            is_sorted(dataset, batch, args.limit.or(data.limit))
        }),
        input: given.input,
    };
    let loaded = given.loaded;
    let overrides = Overrides { model: given.model, ..args.overrides() };
    let plan = plan(&spec, &overrides, &facts, &mut |model: &ModelSpec, size| -> Result<_, EngineError> {
        let (engine, device) = (overrides.engine.unwrap_or(model.engine), overrides.device.unwrap_or(model.device));
        let runtime = open(engine, device, args.engine.onnxruntime.as_deref())?;
        let file = match &loaded {
            Some(loaded) => loaded.clone(),
            None => load_model(&model.file, &model.ports)?,
        };
        if let Some(reason) = baked_batch(&file) {
            return Err(EngineError::baked(&file, reason));
        }
        Ok(inspect_as(&*runtime, &file, size, &model.ports)?.facts())
    })?;
    if !plan.warnings.is_empty() {
        eprintln!("{}", plan.render_warnings(color));
    }
    Ok(Prepared { spec, plan, dataset })
}

/// Whether most batches in the order of the data set hold samples of one class.
fn is_sorted(dataset: &Dataset, batch: usize, limit: Option<usize>) -> bool {
    if batch < 2 || !dataset.has_labels() {
        return false;
    }
    let samples = limit.unwrap_or(usize::MAX).min(dataset.len());
    let starts: Vec<usize> = (0..samples).step_by(batch).filter(|start| start + 1 < samples).collect();
    let pure = |start: &&usize| {
        let first = dataset.labels(**start);
        (**start..(**start + batch).min(samples)).all(|sample| dataset.labels(sample) == first)
    };
    2 * starts.iter().filter(pure).count() > starts.len()
}

/// Opens the files of the data source that is written at `pointer`.
pub(crate) fn open_dataset(spec: &PipelineSpec, data: &DataSpec, pointer: &str) -> Result<Dataset, Report> {
    let (source, field) = match &data.source {
        DataSource::Folder(path) => (Source::Folder(path.clone()), "folder"),
        DataSource::Flat(path) => (Source::Flat(path.clone()), "flat"),
        DataSource::Shards(pattern) => (Source::Shards(pattern.clone()), "shards"),
    };
    let opened = Dataset::open_with_classes(&source, data.classes.as_deref());
    let opened = opened.and_then(|dataset| match &data.masks {
        Some(masks) => dataset.with_masks(MaskFolder {
            folder: masks.folder.clone(),
            classes: masks.classes.count(),
            ignore: masks.ignore,
        }),
        None => Ok(dataset),
    });
    let dataset = opened.map_err(|error| {
        let field = match &error {
            DataError::ClassList { .. } | DataError::Missing { what: "class list", .. } => "classes",
            DataError::Mask { .. } | DataError::Missing { what: "folder of masks", .. } => "masks/folder",
            _ => field,
        };
        spec.problem(&format!("{pointer}/{field}"), "bad-data", error.to_string(), None)
    })?;
    let Some(annotations) = &data.annotations else { return Ok(dataset) };
    annotated(spec, dataset, annotations, &format!("{pointer}/annotations"))
}

/// The data set with the objects that are written at `pointer`.
fn annotated(
    spec: &PipelineSpec,
    dataset: Dataset,
    annotations: &AnnotationSpec,
    pointer: &str,
) -> Result<Dataset, Report> {
    let (source, format) = source_of(annotations);
    let opened = dataset.with_annotations(&source, annotations.classes.as_deref());
    let dataset = opened.map_err(|error| {
        let field = match &error {
            DataError::ClassList { .. } | DataError::Missing { what: "class list", .. } => "classes",
            _ => format,
        };
        // A COCO file can be written without a map around it.
        let place = Some(format!("{pointer}/{field}")).filter(|place| spec.json_at(place).is_some());
        spec.problem(place.as_deref().unwrap_or(pointer), "bad-data", error.to_string(), None)
    })?;
    let joints = dataset.keypoint_names().len();
    match annotations.flip_pairs.iter().flatten().find(|keypoint| **keypoint >= joints) {
        None => Ok(dataset),
        Some(keypoint) => {
            let message = format!("there is no keypoint {keypoint}: the objects have {joints}, counted from 0");
            Err(spec.problem(&format!("{pointer}/flip_pairs"), "out-of-range", message, None))
        }
    }
}

/// Where objects are written, and the field that says so.
fn source_of(annotations: &AnnotationSpec) -> (AnnotationSource, &'static str) {
    match &annotations.source {
        AnnotationFormat::Coco(file) => (AnnotationSource::Coco(file.clone()), "coco"),
        AnnotationFormat::Yolo { folder, keypoints } => {
            (AnnotationSource::Yolo { folder: folder.clone(), keypoints: *keypoints }, "yolo")
        }
        AnnotationFormat::Voc(folder) => (AnnotationSource::Voc(folder.clone()), "voc"),
    }
}

impl Prepared {
    /// The data and the order of its batches, at least one.
    pub(crate) fn data(&self) -> Result<(&Dataset, &DataSpec, BatchPlan), Failure> {
        let (Some(dataset), Some(data)) = (&self.dataset, &self.plan.data) else {
            let file = self.plan.file.display();
            let advice = "add `data: { folder: DIR, batch: 64 }` (or flat:, shards:)";
            return Err(Failure::User(format!("{file} has no data; {advice}")));
        };
        let shuffle = data.shuffle.then_some((self.plan.seed, u64::from(self.plan.epoch)));
        let order = BatchPlan { batch: data.batch, shuffle, drop_last: data.drop_last, limit: data.limit };
        if order.is_empty(dataset.len()) {
            let message = format!(
                "there is no full batch: `drop_last` leaves out the rest of {} samples, and `batch` is {}",
                data.limit.map_or(dataset.len(), |limit| limit.min(dataset.len())),
                data.batch
            );
            let help = "lower `batch`, or leave `drop_last` out";
            return Err(self.spec.problem("/data/drop_last", "no-batch", message, Some(help)).into());
        }
        Ok((dataset, data, order))
    }

    /// The failure of an engine; where the model cannot be cut, at the step that asks for it.
    pub(crate) fn refused(&self, error: EngineError) -> Failure {
        let (EngineError::Model(augraft_onnx::Error::Cut { site, .. }), Some(model)) = (&error, &self.spec.model)
        else {
            return error.into();
        };
        let named = |at: &str| model.sites.get(at).map_or(at, String::as_str) == site;
        let Some(step) = model.steps.iter().position(|step| named(&step.at)) else { return error.into() };
        self.spec.problem(&format!("/model/steps/{step}/at"), "uncuttable-site", error.to_string(), None).into()
    }
}

/// A batch as it enters the steps, and the samples that could not be read.
pub(crate) fn load(
    plan: &Plan,
    dataset: &Dataset,
    data: &DataSpec,
    indices: &[u64],
) -> Result<(Batch, Vec<augraft_data::Skipped>), Failure> {
    let donors = plan.steps.iter().find(|step| step.operator.rows() == Rows::Donors);
    let donors = donors.map(|step| donors_of(step, plan.epoch, indices, dataset.len() as u64));
    let wanted: Vec<u64> = indices.iter().copied().chain(donors.iter().flatten().copied()).collect();
    let on_error = match data.on_error {
        OnDataError::Fail => OnError::Fail,
        OnDataError::Skip => OnError::Skip,
    };
    let loaded = load_batch(dataset, &wanted, on_error)?;
    let sizes: Vec<[usize; 2]> = loaded.images.iter().map(|image| [image.dim().0, image.dim().1]).collect();
    let objects = loaded.annotations.map(|annotations| Objects {
        samples: annotations
            .into_iter()
            .zip(loaded.index.iter().zip(sizes))
            .map(|(found, (index, size))| found.into_iter().map(|one| object(one, *index, size)).collect())
            .collect(),
        flip_pairs: plan.objects.iter().flat_map(|objects| objects.flip_pairs.clone()).collect(),
    });
    let masks = data.masks.as_ref().zip(loaded.masks);
    let masks = masks.map(|(spec, masks)| Masks { images: Images::Ragged(masks), classes: spec.classes.count() });
    let labels = Labels::multi_hot(&loaded.labels, dataset.classes().len(), &loaded.index);
    let mut batch = Batch { masks, objects, ..Batch::new(Images::Ragged(loaded.images), labels, loaded.index) };
    if donors.is_some() && !loaded.skipped.is_empty() {
        let unread = |index: &u64| loaded.skipped.iter().any(|skipped| skipped.index == *index);
        let whole = |at: &usize| !unread(&wanted[*at]) && !unread(&wanted[at + indices.len()]);
        let pairs: Vec<usize> = (0..indices.len()).filter(whole).collect();
        let row = |at: usize| wanted[..at].iter().filter(|index| !unread(index)).count();
        let donors = pairs.iter().map(|at| row(at + indices.len()));
        batch.select(&pairs.iter().map(|at| row(*at)).chain(donors).collect::<Vec<_>>());
    }
    Ok((batch, loaded.skipped))
}

/// An annotated object of the sample `index`, whose image has this height and width.
fn object(annotation: Annotation, index: u64, size: [usize; 2]) -> Object {
    let bounds = annotation.bounds.map(f64::from);
    let mut object = Object::new(annotation.class, (index, annotation.id), bounds, size);
    (object.crowd, object.difficult) = (annotation.crowd, annotation.difficult);
    let keypoint = |[x, y, visibility]: [f32; 3]| Keypoint { at: [x, y].map(f64::from), visibility: visibility as u8 };
    object.keypoints = annotation.keypoints.into_iter().map(keypoint).collect();
    object
}

/// A sample of the data set for each of `indices`, which the step mixes it with.
fn donors_of(step: &Step, epoch: u32, indices: &[u64], samples: u64) -> Vec<u64> {
    let key = step.key.beside("donor");
    let dice = BatchDice::new(&key, epoch, indices);
    (0..indices.len()).map(|row| (dice.sample(row).uniform(0) * samples as f64) as u64).collect()
}
