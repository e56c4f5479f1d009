//! From a pipeline file to a plan with its data.

use augraft_data::{BatchPlan, Dataset, OnError, Source, load_batch};
use augraft_engine::{inspect, open};
use augraft_onnx::Model;
use augraft_operator::{Batch, Images, Labels, Registry, Transfer};
use augraft_pipeline::{DataSource, DataSpec, Facts, ModelSpec, OnDataError, PipelineSpec, Plan, plan};

use super::PipelineArgs;
use crate::failure::Failure;

/// A plan and the data that it runs over.
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) dataset: Option<Dataset>,
}

/// What stands in for data where a pipeline has none.
pub(crate) struct Given {
    pub(crate) size: Option<(usize, usize)>,
    pub(crate) classes: Option<usize>,
}

/// Reads, resolves and checks a pipeline; prints its warnings.
pub(crate) fn prepare(
    args: &PipelineArgs,
    registry: &Registry,
    color: bool,
    given: Option<Given>,
) -> Result<Prepared, Failure> {
    let spec = PipelineSpec::read(&args.pipeline, registry)?;
    let given = given.unwrap_or(Given { size: None, classes: None });
    let dataset = match &spec.data {
        Some(data) => Some(open_dataset(data)?),
        None => None,
    };
    let facts = Facts {
        classes: dataset.as_ref().map_or(given.classes.unwrap_or(0), |dataset| dataset.classes().len()),
        samples: dataset.as_ref().map(Dataset::len),
        fixed_input: given.size,
    };
    let overrides = args.overrides();
    let plan = plan(&spec, &overrides, &facts, &mut |model: &ModelSpec| {
        let (engine, device) = (overrides.engine.unwrap_or(model.engine), overrides.device.unwrap_or(model.device));
        let runtime = open(engine, device, args.engine.onnxruntime.as_deref()).map_err(|error| error.to_string())?;
        let file = Model::load(&model.file).map_err(|error| error.to_string())?;
        inspect(&*runtime, &file).map(|inspection| inspection.facts()).map_err(|error| error.to_string())
    })?;
    if !plan.warnings.is_empty() {
        eprintln!("{}", plan.render_warnings(color));
    }
    Ok(Prepared { plan, dataset })
}

fn open_dataset(data: &DataSpec) -> Result<Dataset, Failure> {
    let source = match &data.source {
        DataSource::Folder(path) => Source::Folder(path.clone()),
        DataSource::Flat(path) => Source::Flat(path.clone()),
        DataSource::Shards(pattern) => Source::Shards(pattern.clone()),
    };
    Ok(Dataset::open_with_classes(&source, data.classes.as_deref())?)
}

impl Prepared {
    /// The data and the order of its batches.
    pub(crate) fn data(&self) -> Result<(&Dataset, &DataSpec, BatchPlan), Failure> {
        let (Some(dataset), Some(data)) = (&self.dataset, &self.plan.data) else {
            let message = "the pipeline has no data; add `data: { folder: DIR, batch: 64 }` (or flat:, shards:)";
            return Err(Failure::user(message));
        };
        let shuffle = data.shuffle.then_some((self.plan.seed, u64::from(self.plan.epoch)));
        Ok((dataset, data, BatchPlan { batch: data.batch, shuffle, drop_last: data.drop_last, limit: data.limit }))
    }
}

/// A batch as it enters the steps, and the samples that could not be read.
pub(crate) fn load(
    dataset: &Dataset,
    data: &DataSpec,
    indices: &[u64],
) -> Result<(Batch, Vec<augraft_data::Skipped>), Failure> {
    let on_error = match data.on_error {
        OnDataError::Fail => OnError::Fail,
        OnDataError::Skip => OnError::Skip,
    };
    let loaded = load_batch(dataset, indices, on_error)?;
    let batch = Batch {
        images: Images::Ragged(loaded.images),
        labels: Labels::one_hot(&loaded.labels, dataset.classes().len(), &loaded.index),
        index: loaded.index,
        transfer: vec![Transfer::IDENTITY; 3],
        image_size: None,
    };
    Ok((batch, loaded.skipped))
}
