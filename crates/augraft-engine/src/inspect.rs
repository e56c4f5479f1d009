//! What a model looks like from outside: its input, its classes, its sites.

use std::collections::BTreeMap;

use augraft_onnx::{
    Channels, DataType, Dim, Ending, Model, Port, Site, Tensor, ending, idle_tensors, measuring, sites,
};
use augraft_operator::{Element, philox4x32};
use augraft_pipeline::{Answer, Gives, ImageLayout, ModelFacts, ModelPorts, SiteFacts};
use ndarray::{ArrayD, IxDyn};

use crate::cut_model::{image_input, in_layout, matrix};
use crate::error::EngineError;
use crate::runtime::{Runtime, Use};

/// Size of the image that stands in where neither the model nor the caller gives one, in pixels.
pub(crate) const OPEN_SIZE: [usize; 2] = [224, 224];

/// Sizes that models are commonly made for, tried where another does not fit.
const COMMON: [usize; 12] = [224, 640, 256, 320, 32, 48, 64, 128, 384, 416, 512, 299];

/// A model, measured for one image.
#[derive(Debug)]
pub struct Inspection {
    /// Name of the image input.
    pub input: String,
    /// Channels, height and width of its images; none where the model leaves them open.
    pub input_shape: Vec<Option<usize>>,
    /// The order of the axes of its images.
    pub layout: ImageLayout,
    /// Type of their elements.
    pub element: Element,
    /// Classes of the first output, 0 where that is no matrix N x K.
    pub classes: usize,
    /// What the first output is, and how that is known.
    pub answer: (Answer, String),
    /// Candidate tensors in model order.
    pub sites: Vec<Site>,
    /// Other tensors, and why no step acts there.
    pub others: Vec<(String, String)>,
    /// Shapes at batch 1 of all tensors with values.
    pub shapes: BTreeMap<String, Vec<usize>>,
}

/// Measures `model` at batch 1; `size` is the image's where the model leaves it open.
///
/// Shapes come from a model without weights. Where the last operator does not show what the answer is, the model runs once on one image of noise.
///
/// # Errors
/// When the model has no image input or the runtime cannot run it.
pub fn inspect(runtime: &dyn Runtime, model: &Model, size: Option<[usize; 2]>) -> Result<Inspection, EngineError> {
    inspect_as(runtime, model, size, &ModelPorts::default())
}

/// The same of a model whose layout and answer a file may name.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_as(
    runtime: &dyn Runtime,
    model: &Model,
    size: Option<[usize; 2]>,
    ports: &ModelPorts,
) -> Result<Inspection, EngineError> {
    let image = ImagePort::of(model, ports.layout)?;
    let is_open = image.sides[1].is_none() || image.sides[2].is_none();
    let shapes = match shapes(runtime, model, &image, size) {
        Ok(shapes) => shapes,
        // Another size does not bring an operator.
        Err(error) if is_open && runtime.lacks(model).is_empty() => {
            let [_, height, width] = image.sized(size);
            let error = error.on_images([height, width]);
            return Err(match other_size(runtime, model, &image, size) {
                Some(fitting) => error.fits(fitting),
                None => error,
            });
        }
        Err(error) => return Err(error),
    };
    let answers = model.outputs().first().and_then(|output| shapes.get(&output.name)).cloned().unwrap_or_default();
    let is_flat = answers.len() >= 2 && answers[0] == 1 && answers[2..].iter().all(|side| *side == 1);
    let classes = if is_flat { answers[1] } else { 0 };
    let answer = answer(runtime, model, &image, size, (classes, ports.output.gives))?;
    let mut sites = sites(model, &shapes);
    sites.retain(|site| site.shape.is_some());
    let others = idle_tensors(model).into_iter().map(|(name, why)| (name, why.to_owned())).collect();
    let layout = image.layout;
    let element = if image.dtype == DataType::U8 { Element::U8 } else { Element::F32 };
    let (input, input_shape) = (image.name, image.sides.to_vec());
    Ok(Inspection { input, input_shape, layout, element, classes, answer, sites, others, shapes })
}

/// Channels, height and width of the images that a model takes; none where they are open, or where it takes no images.
#[must_use]
pub fn image_sides(model: &Model, layout: Option<ImageLayout>) -> [Option<usize>; 3] {
    ImagePort::of(model, layout).map_or([None; 3], |port| port.sides)
}

/// The image input of a model.
#[derive(Clone)]
pub(crate) struct ImagePort {
    pub(crate) name: String,
    pub(crate) dtype: DataType,
    pub(crate) layout: ImageLayout,
    /// Channels, height and width.
    sides: [Option<usize>; 3],
}

impl ImagePort {
    /// The one input of a model; `layout` is the order of its axes where that was said.
    pub(crate) fn of(model: &Model, layout: Option<ImageLayout>) -> Result<Self, EngineError> {
        let (name, dtype) = image_input(model)?;
        let port = model.inputs().into_iter().next();
        let Some(declared) = port.as_ref().and_then(sides) else {
            let port = port.map(|port| port.name).unwrap_or_default();
            return Err(EngineError::Unfit(format!(
                "the input `{port}` of the model is no image batch N,C,H,W or N,H,W,C"
            )));
        };
        let shown = match Channels::of_images(&declared) {
            Some(Channels::Last) => ImageLayout::Nhwc,
            Some(Channels::First) | None => ImageLayout::Nchw,
        };
        let (layout, [_, a, b, c]) = (layout.unwrap_or(shown), declared);
        let sides = if layout == ImageLayout::Nhwc { [c, a, b] } else { [a, b, c] };
        Ok(Self { name, dtype, layout, sides })
    }

    /// Channels, height and width of the images that stand in.
    pub(crate) fn sized(&self, size: Option<[usize; 2]>) -> [usize; 3] {
        let [height, width] = size.unwrap_or(OPEN_SIZE);
        let [c, h, w] = self.sides;
        [c.unwrap_or(3), h.unwrap_or(height), w.unwrap_or(width)]
    }

    /// So many images of pseudo-random values, around 0 where they are floats.
    pub(crate) fn noise(&self, count: usize, size: Option<[usize; 2]>) -> Result<Tensor, EngineError> {
        let [channels, height, width] = self.sized(size);
        let sides = [count, channels, height, width];
        bounded(&sides)?;
        let mut place = 0;
        let mut word = || {
            place += 1;
            let [word, ..] = philox4x32([place, 0, 0, 0], [1, 2]);
            word >> 8
        };
        let tensor = match self.dtype {
            DataType::U8 => Some(Tensor::U8(ArrayD::from_shape_simple_fn(IxDyn(&sides), || (word() >> 16) as u8))),
            dtype => {
                let values = ArrayD::from_shape_simple_fn(IxDyn(&sides), || word() as f32 / 4_194_304.0 - 2.0);
                Tensor::of_f32(values, dtype)
            }
        };
        let tensor = tensor.ok_or_else(|| EngineError::Unfit(format!("`{}` is no batch of images", self.name)))?;
        Ok(in_layout(tensor, self.layout))
    }
}

fn sides(port: &Port) -> Option<[Option<usize>; 4]> {
    let side = |dim: &Dim| match dim {
        Dim::Fixed(side) => usize::try_from(*side).ok(),
        Dim::Symbol(_) | Dim::Unknown => None,
    };
    <[Option<usize>; 4]>::try_from(port.shape.as_ref()?.iter().map(side).collect::<Vec<_>>()).ok()
}

/// The shapes of all tensors with values, at batch 1.
fn shapes(
    runtime: &dyn Runtime,
    model: &Model,
    image: &ImagePort,
    size: Option<[usize; 2]>,
) -> Result<BTreeMap<String, Vec<usize>>, EngineError> {
    let measuring = measuring(model)?;
    let images = image.noise(1, size)?;
    let made = runtime.session(&measuring.model, Use::Graph)?.run(&[(&image.name, &images)])?;
    let sides = |tensor: Tensor| match tensor {
        Tensor::I64(sides) => sides.iter().map(|side| usize::try_from(*side).ok()).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let named = measuring.names.into_iter().zip(made);
    Ok(named.filter_map(|(name, tensor)| Some((name, sides(tensor)?))).collect())
}

/// A size of images that a model runs on, where it does not run on another.
fn other_size(runtime: &dyn Runtime, model: &Model, image: &ImagePort, size: Option<[usize; 2]>) -> Option<[usize; 2]> {
    let tried = image.sized(size);
    let candidates = COMMON.iter().map(|side| [*side; 2]);
    let wide = [48, 32, 64].into_iter().map(|height| [height, 320]);
    let fits =
        |size: &[usize; 2]| image.sized(Some(*size)) != tried && shapes(runtime, model, image, Some(*size)).is_ok();
    candidates.chain(wide).find(fits)
}

/// What the first output is, and how that is known.
fn answer(
    runtime: &dyn Runtime,
    model: &Model,
    image: &ImagePort,
    size: Option<[usize; 2]>,
    (classes, gives): (usize, Gives),
) -> Result<(Answer, String), EngineError> {
    let told = "as `model.output` says".to_owned();
    match gives {
        Gives::Logits => return Ok((Answer::Logits, told)),
        Gives::Probabilities => return Ok((Answer::Probabilities, told)),
        Gives::Auto => {}
    }
    let last = |op: &str| format!("its last operator is {op}");
    Ok(match ending(model) {
        Ending::Softmax => (Answer::Probabilities, last("Softmax")),
        Ending::LogSoftmax => (Answer::LogProbabilities, last("LogSoftmax")),
        Ending::Linear(op) => (Answer::Logits, last(&op)),
        Ending::Other(op) if classes < 2 => (Answer::Logits, last(&op)),
        Ending::Other(op) => {
            let images = image.noise(1, size)?;
            let made = runtime.session(model, Use::Network)?.run(&[(&image.name, &images)])?;
            let row = made.into_iter().next().map(|output| matrix(output, 1)).transpose()?;
            if row.is_some_and(|row| is_distribution(row.iter().copied())) {
                (Answer::Probabilities, format!("the answer to an image of noise sums to 1, behind {op}"))
            } else {
                (Answer::Logits, format!("the answer to an image of noise does not sum to 1, behind {op}"))
            }
        }
    })
}

/// Whether values are shares that sum to 1, as far as half precision holds that.
fn is_distribution(values: impl Iterator<Item = f32>) -> bool {
    let mut sum = 0.0;
    for value in values {
        if !(-1e-6..=1.0 + 1e-3).contains(&value) {
            return false;
        }
        sum += f64::from(value);
    }
    (sum - 1.0).abs() < 1e-3
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

/// The element type of a site where no step acts on it, as ONNX calls it, in lower case.
fn other_element(site: &Site) -> Option<String> {
    let dtype = DataType::from_proto(site.element?);
    if matches!(dtype, Some(DataType::F32 | DataType::F16)) {
        return None;
    }
    let known = augraft_onnx::proto::tensor_proto::DataType::try_from(site.element?).ok();
    Some(known.map_or("of an unknown type".to_owned(), |known| known.as_str_name().to_lowercase()))
}

impl Inspection {
    /// What a plan needs to know.
    #[must_use]
    pub fn facts(&self) -> ModelFacts {
        let site = |site: &Site| SiteFacts {
            name: site.name.clone(),
            shape: site.shape.clone().unwrap_or_default(),
            dominates: site.dominates,
            channels_last: site.channels.map(|channels| channels == Channels::Last),
            element: other_element(site),
        };
        ModelFacts {
            input: self.input.clone(),
            input_shape: self.input_shape.clone(),
            layout: self.layout,
            element: self.element,
            classes: self.classes,
            answer: self.answer.clone(),
            sites: self.sites.iter().map(site).collect(),
            others: self.others.clone(),
        }
    }
}
