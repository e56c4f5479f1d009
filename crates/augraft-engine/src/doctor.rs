//! What is wrong with a model, engine by engine.

use std::collections::BTreeMap;

use augraft_onnx::{DataType, Dim, Model, Tensor, cut, sites};
use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;

use crate::compare::largest_difference;
use crate::error::EngineError;
use crate::inspect::{OPEN_SIZE, bounded};
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
    /// Operators that the engine lacks; where it runs the model all the same, it takes them for others of that name.
    pub lacks: Vec<String>,
    /// Largest difference of an output between the model and its two parts, for each clean cut at which these run.
    pub drift: Vec<(String, f32)>,
    /// Clean cuts whose parts do not run, and why.
    pub broken: Vec<(String, String)>,
}

/// Runs a model whole, at batch 1 and 2, and cut in two at each of `clean`.
///
/// # Errors
/// When the model has no single f32 image input.
pub fn examine(runtime: &dyn Runtime, model: &Model, clean: &[String]) -> Result<Examination, EngineError> {
    let (input, images) = some_images(model, 2)?;
    let mut examination = Examination {
        engine: runtime.name(),
        batch: Err(String::new()),
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
    let drifts: Vec<_> =
        clean.par_iter().map(|site| (site, drift(runtime, model, site, &input, &images, &whole.cut))).collect();
    for (site, drift) in drifts {
        match drift {
            Ok(drift) => examination.drift.push((site.clone(), drift)),
            Err(error) => examination.broken.push((site.clone(), error.to_string())),
        }
    }
    Ok(examination)
}

/// Whether a model answers each of several samples with a row in every output; the reason where it does not.
///
/// # Errors
/// When the model has no single f32 image input, or the runtime cannot run it.
pub fn answers_each(runtime: &dyn Runtime, model: &Model) -> Result<Option<String>, EngineError> {
    let (input, images) = some_images(model, SEVERAL)?;
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
}

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
    let largest = both.as_f32().map_or(0.0, |values| values.iter().fold(0f32, |most, value| most.max(value.abs())));
    Ok(Whole { batch: largest_difference(&both, &alone), cut, largest })
}

/// Largest difference of the first output when the model runs in two parts.
fn drift(
    runtime: &dyn Runtime,
    model: &Model,
    site: &str,
    input: &str,
    images: &Tensor,
    whole: &Tensor,
) -> Result<f32, EngineError> {
    let mut tensors = BTreeMap::from([(input.to_owned(), images.clone())]);
    for stage in cut(model, &[site])? {
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

/// Name of the image input, and images of pseudo-random values around 0 for it.
fn some_images(model: &Model, count: usize) -> Result<(String, Tensor), EngineError> {
    let inputs = model.inputs();
    let [port] = &inputs[..] else {
        return Err(EngineError::Unfit(format!(
            "the model has {} inputs; one image input N,C,H,W is needed",
            inputs.len()
        )));
    };
    let sides = port.shape.iter().flatten().enumerate().map(|(axis, dim)| match (axis, dim) {
        (0, _) => count,
        (_, Dim::Fixed(side)) => usize::try_from(*side).unwrap_or(1),
        (1, _) => 3,
        _ => OPEN_SIZE[0],
    });
    let sides: Vec<usize> = sides.collect();
    if DataType::from_proto(port.dtype) != Some(DataType::F32) || sides.len() < 2 {
        return Err(EngineError::Unfit(format!("the input `{}` of the model is no batch of f32", port.name)));
    }
    bounded(&sides)?;
    let mut place = 0;
    let values = ArrayD::from_shape_simple_fn(IxDyn(&sides), || {
        place += 1;
        let [word, ..] = augraft_operator::philox4x32([place, 0, 0, 0], [1, 2]);
        (word >> 8) as f32 / 4_194_304.0 - 2.0
    });
    Ok((port.name.clone(), Tensor::F32(values)))
}

fn first(session: &dyn Session, input: &str, images: &Tensor) -> Result<Tensor, EngineError> {
    let output = session.run(&[(input, images)])?.into_iter().next();
    output.ok_or_else(|| EngineError::Unfit("the model gave no output".to_owned()))
}
