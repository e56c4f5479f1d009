//! What a model looks like from outside: its input, its classes, its sites.

use std::collections::BTreeMap;

use augraft_onnx::{DataType, Dim, Model, Site, Tensor, sites, with_outputs};
use augraft_pipeline::{ModelFacts, SiteFacts};
use ndarray::{ArrayD, IxDyn};

use crate::error::EngineError;
use crate::runtime::{Runtime, Use};

/// Size of the image that stands in where neither the model nor the caller gives one, in pixels.
pub(crate) const OPEN_SIZE: [usize; 2] = [224, 224];

/// A model, measured by running it once on one gray image.
#[derive(Debug)]
pub struct Inspection {
    /// Name of the image input.
    pub input: String,
    /// Its sides N,C,H,W; none where the model leaves them open.
    pub input_shape: Vec<Option<usize>>,
    /// Classes of the first output.
    pub classes: usize,
    /// Candidate tensors in model order.
    pub sites: Vec<Site>,
    /// Tensors of element types that no step acts on, and the type.
    pub others: Vec<(String, String)>,
}

/// Runs `model` once with all its tensors as outputs, at batch 1; `size` is the image's where the model leaves it open.
///
/// # Errors
/// When the model has no image input or the runtime cannot run it.
pub fn inspect(runtime: &dyn Runtime, model: &Model, size: Option<[usize; 2]>) -> Result<Inspection, EngineError> {
    let inputs = model.inputs();
    let [port] = &inputs[..] else {
        return Err(EngineError::Unfit(format!(
            "the model has {} inputs; one image input N,C,H,W is needed",
            inputs.len()
        )));
    };
    let input_shape: Vec<Option<usize>> = port
        .shape
        .iter()
        .flatten()
        .map(|dim| match dim {
            Dim::Fixed(side) => usize::try_from(*side).ok(),
            Dim::Symbol(_) | Dim::Unknown => None,
        })
        .collect();
    if input_shape.len() != 4 || DataType::from_proto(port.dtype) != Some(DataType::F32) {
        return Err(EngineError::Unfit(format!(
            "the input `{}` of the model is no f32 image batch N,C,H,W",
            port.name
        )));
    }
    let [height, width] = size.unwrap_or(OPEN_SIZE);
    let sides = [1, input_shape[1].unwrap_or(3), input_shape[2].unwrap_or(height), input_shape[3].unwrap_or(width)];
    let (candidates, others): (Vec<Site>, Vec<Site>) =
        sites(model, &BTreeMap::new()).into_iter().partition(|site| site.element.is_none_or(is_held));
    let others = others.into_iter().map(|site| (site.name, type_name(site.element)));
    let candidates: Vec<String> = candidates.into_iter().map(|site| site.name).collect();
    bounded(&sides)?;
    let promoted = with_outputs(model, &candidates)?;
    let session = runtime.session(&promoted, Use::Network)?;
    let outputs = session.run(&[(&port.name, &Tensor::F32(ArrayD::zeros(IxDyn(&sides))))]);
    let is_open = input_shape[2].is_none() || input_shape[3].is_none();
    let outputs = outputs.map_err(|error| if is_open { error.on_images([sides[2], sides[3]]) } else { error })?;
    let names = promoted.outputs().into_iter().map(|port| port.name);
    let shapes: BTreeMap<String, Vec<usize>> =
        names.zip(outputs.iter().map(|tensor| tensor.shape().to_vec())).collect();
    let logits = model.outputs().first().and_then(|output| shapes.get(&output.name)).cloned().unwrap_or_default();
    let is_flat = logits.len() >= 2 && logits[2..].iter().all(|side| *side == 1);
    let classes = if is_flat { logits[1] } else { 0 };
    let mut sites = sites(model, &shapes);
    sites.retain(|site| site.shape.is_some());
    Ok(Inspection { input: port.name.clone(), input_shape, classes, sites, others: others.collect() })
}

/// Refuses images that no memory holds, before they are made.
pub(crate) fn bounded(sides: &[usize]) -> Result<(), EngineError> {
    const MOST: usize = 1 << 28;
    let elements = sides.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
    if elements.is_some_and(|elements| elements <= MOST) {
        return Ok(());
    }
    Err(EngineError::Unfit(format!(
        "the model takes images of {sides:?}, more than {MOST} values; is its input right?"
    )))
}

fn is_held(element: i32) -> bool {
    DataType::from_proto(element).is_some()
}

/// An element type as ONNX calls it, in lower case.
fn type_name(element: Option<i32>) -> String {
    let known = element.and_then(|element| augraft_onnx::proto::tensor_proto::DataType::try_from(element).ok());
    known.map_or("unknown".to_owned(), |known| known.as_str_name().to_lowercase())
}

impl Inspection {
    /// What a plan needs to know.
    #[must_use]
    pub fn facts(&self) -> ModelFacts {
        let site = |site: &Site| SiteFacts {
            name: site.name.clone(),
            shape: site.shape.clone().unwrap_or_default(),
            dominates: site.dominates,
        };
        ModelFacts {
            input: self.input.clone(),
            input_shape: self.input_shape.clone(),
            classes: self.classes,
            sites: self.sites.iter().map(site).collect(),
            others: self.others.clone(),
        }
    }
}
