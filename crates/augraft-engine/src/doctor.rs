//! What is wrong with a model, engine by engine.

use std::collections::BTreeMap;

use augraft_onnx::{Model, Tensor, cut, sites};

use augraft_pipeline::ImageLayout;

use crate::compare::largest_difference;
use crate::error::EngineError;
use crate::inspect::ImagePort;
use crate::runtime::{Runtime, Session, Use};

/// The tensors of a model, and where it can be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuts {
    /// Tensors that depend on the image.
    pub activations: usize,
    /// Those among them that everything goes through, in model order.
    pub clean: Vec<String>,
}

impl Cuts {
    /// Looks for the clean cuts of a model.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let all = sites(model, &BTreeMap::new());
        let clean = all.iter().filter(|site| site.dominates).map(|site| site.name.clone()).collect();
        Self { activations: all.len(), clean }
    }
}

/// How a model fares on one engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// Name of the engine.
    pub engine: &'static str,
    /// Largest difference of an output between two samples in one batch and each on its own, with the largest output; the reason where it does not run.
    pub batch: Result<[f32; 2], String>,
    /// Whether that is more than rounding, so that the answer to a sample depends on those beside it.
    pub disturbs: bool,
    /// Whether some element of the answers is not a number.
    pub is_nan: bool,
    /// Operators that the engine lacks; where it runs the model all the same, it takes them for others of that name.
    pub lacks: Vec<String>,
    /// Largest difference of an output between the model and its two parts, for each clean cut at which these run.
    pub drift: Vec<(String, f32)>,
    /// Clean cuts whose parts do not run, and why.
    pub broken: Vec<(String, String)>,
}

/// Runs a model whole, at batch 1 and 2, and cut at `clean`: at all of them at once, and where that drifts at each alone.
///
/// # Errors
/// When the model has no single f32 image input.
pub fn examine(
    runtime: &dyn Runtime,
    model: &Model,
    clean: &[String],
    images: (Option<ImageLayout>, Option<[usize; 2]>),
) -> Result<Examination, EngineError> {
    let (input, images) = some_images(model, 2, images)?;
    let mut examination = Examination {
        engine: runtime.name(),
        batch: Err(String::new()),
        disturbs: false,
        is_nan: false,
        lacks: runtime.lacks(model),
        drift: Vec::new(),
        broken: Vec::new(),
    };
    let whole = match whole(runtime, model, &input, &images) {
        Ok(whole) => whole,
        Err(error) => {
            examination.batch = Err(error.to_string());
            return Ok(examination);
        }
    };
    examination.batch = Ok([whole.batch, whole.largest]);
    examination.is_nan = whole.is_nan;
    examination.disturbs = !whole.is_nan && whole.batch > ROUNDING * whole.largest;
    let sites: Vec<&str> = clean.iter().map(String::as_str).collect();
    let parts = |sites: &[&str]| drift(runtime, model, sites, &input, &images, &whole.cut);
    drifts(&sites, &parts, &mut examination);
    Ok(examination)
}

/// Finds the drift at each of `sites`, which `parts` measures of a model that is cut at some of them at once.
///
/// Parts that give the bytes of the whole when it is cut at several sites have no drift at any of these, so that few models are cut where few sites drift.
fn drifts(sites: &[&str], parts: &dyn Fn(&[&str]) -> Result<f32, EngineError>, examination: &mut Examination) {
    match (sites, parts(sites)) {
        ([], _) => {}
        (_, Ok(0.0)) => examination.drift.extend(sites.iter().map(|site| ((*site).to_owned(), 0.0))),
        ([site], Ok(drift)) => examination.drift.push(((*site).to_owned(), drift)),
        ([site], Err(error)) => examination.broken.push(((*site).to_owned(), error.to_string())),
        _ => {
            let (first, second) = sites.split_at(sites.len() / 2);
            drifts(first, parts, examination);
            drifts(second, parts, examination);
        }
    }
}

/// Whether a model answers each of several samples with a row in every output; the reason where it does not.
///
/// # Errors
/// When the model has no single f32 image input, or the runtime cannot run it.
pub fn answers_each(
    runtime: &dyn Runtime,
    model: &Model,
    images: (Option<ImageLayout>, Option<[usize; 2]>),
) -> Result<Option<String>, EngineError> {
    let (input, images) = some_images(model, SEVERAL, images)?;
    let outputs = runtime.session(model, Use::Graph)?.run(&[(&input, &images)])?;
    let wrong = outputs.iter().zip(model.outputs()).find(|(output, _)| output.shape().first() != Some(&SEVERAL));
    Ok(wrong.map(|(output, port)| {
        format!(
            "{} answers {SEVERAL} samples with `{}` of the shape {:?}, not one row for each",
            runtime.name(),
            port.name,
            output.shape()
        )
    }))
}

/// Samples that no batch size is made for by chance.
const SEVERAL: usize = 3;

/// The first output of the whole model.
struct Whole {
    cut: Tensor,
    batch: f32,
    largest: f32,
    is_nan: bool,
}

/// Largest difference of an answer by the order of additions alone, relative to the largest one.
const ROUNDING: f32 = 1e-3;

fn whole(runtime: &dyn Runtime, model: &Model, input: &str, images: &Tensor) -> Result<Whole, EngineError> {
    let batched = runtime.session(model, Use::Graph)?;
    let both = first(&*batched, input, images)?;
    let alone = [0, 1].map(|row| first(&*batched, input, &images.rows(row..row + 1)));
    let [one, two] = alone;
    let alone = Tensor::concat(&[&one?, &two?]).filter(|alone| alone.shape() == both.shape());
    let alone = alone.ok_or_else(|| {
        EngineError::Unfit(format!(
            "two samples give an output of the shape {:?}, which is not one row for each",
            both.shape()
        ))
    })?;
    let cut = first(&*runtime.session(model, Use::CutNetwork)?, input, images)?;
    let values = both.to_f32().unwrap_or_default();
    let largest = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    let is_nan = values.iter().any(|value| value.is_nan());
    Ok(Whole { batch: largest_difference(&both, &alone), cut, largest, is_nan })
}

/// Largest difference of the first output when the model runs in parts.
fn drift(
    runtime: &dyn Runtime,
    model: &Model,
    sites: &[&str],
    input: &str,
    images: &Tensor,
    whole: &Tensor,
) -> Result<f32, EngineError> {
    let mut tensors = BTreeMap::from([(input.to_owned(), images.clone())]);
    for stage in cut(model, sites)? {
        if stage.is_empty() {
            continue;
        }
        let session = runtime.session(&stage.model, Use::CutNetwork)?;
        let given = stage.inputs.iter().filter_map(|name| tensors.get_key_value(name));
        let given: Vec<(&str, &Tensor)> = given.map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let made = session.run(&given)?;
        tensors.extend(stage.outputs.iter().cloned().zip(made));
    }
    let output = model.outputs().into_iter().next().and_then(|port| tensors.remove(&port.name));
    output
        .map(|output| largest_difference(&output, whole))
        .ok_or_else(|| EngineError::Unfit("no part gives the output".to_owned()))
}

/// Name of the image input, and images of pseudo-random values for it.
fn some_images(
    model: &Model,
    count: usize,
    (layout, size): (Option<ImageLayout>, Option<[usize; 2]>),
) -> Result<(String, Tensor), EngineError> {
    let port = ImagePort::of(model, layout)?;
    let images = port.noise(count, size)?;
    Ok((port.name, images))
}

fn first(session: &dyn Session, input: &str, images: &Tensor) -> Result<Tensor, EngineError> {
    let output = session.run(&[(input, images)])?.into_iter().next();
    output.ok_or_else(|| EngineError::Unfit("the model gave no output".to_owned()))
}
