//! A model that is cut at sites: its parts run one after the other, and what stands between them can be changed.

use augraft_onnx::{DataType, Model, Stage, Tensor, baked_batch, cut};
use augraft_operator::Images;
use augraft_pipeline::{Answer, ImageLayout, MapLayout, ModelPlan};
use ndarray::{Array2, Array4, Ix2};

use crate::error::EngineError;
use crate::map::{of_map, to_map};
use crate::runtime::{Runtime, Session, Tensors, Use};

/// What happens at a site: its name and map in, its new map out.
pub type AtSite<'a> = dyn FnMut(&str, Array4<f32>) -> Result<Array4<f32>, EngineError> + 'a;

/// How the tensors of a model are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelForm {
    /// The order of the axes of its images.
    pub images: ImageLayout,
    /// What its first output is.
    pub answer: Answer,
    /// Where it is cut, and how the tensors there are maps.
    pub sites: Vec<(String, MapLayout)>,
}

impl ModelForm {
    /// The form that a plan has found.
    #[must_use]
    pub fn of(plan: &ModelPlan) -> Self {
        let sites = plan.sites.iter().map(|site| (site.tensor.clone(), site.layout)).collect();
        Self { images: plan.layout, answer: plan.answer.0, sites }
    }
}

/// A model in parts; place 0 is its images, place i its i-th site in the order of the model.
pub struct CutModel {
    /// Name and element type of the images.
    input: (String, DataType),
    outputs: Vec<String>,
    form: ModelForm,
    /// Its i-th part ends at the i-th site, and the last one behind all of them; a part that computes nothing has no session.
    parts: Vec<(Stage, Option<Box<dyn Session>>)>,
}

/// All that the rest of a model needs, for some samples, at one place.
#[derive(Debug, Clone)]
pub struct Boundary {
    place: usize,
    samples: usize,
    tensors: Tensors,
    /// Outputs of the model that are made already: a step at one of them comes after.
    outputs: Tensors,
}

impl Boundary {
    /// Where it is: 0 for the images, else the number of the site in the order of the model.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// Number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The samples at these rows.
    #[must_use]
    pub fn at_rows(&self, rows: &[usize]) -> Self {
        let has_rows = |tensor: &Tensor| tensor.shape().first() == Some(&self.samples);
        let chosen = |tensor: &Tensor| if has_rows(tensor) { tensor.at_rows(rows) } else { tensor.clone() };
        let all = |tensors: &Tensors| tensors.iter().map(|(name, tensor)| (name.clone(), chosen(tensor))).collect();
        Self { place: self.place, samples: rows.len(), tensors: all(&self.tensors), outputs: all(&self.outputs) }
    }

    /// Joins boundaries at one place; none when they do not fit.
    #[must_use]
    pub fn concat(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let joined = |of: fn(&Self) -> &Tensors| {
            let one = |name: &String| {
                Tensor::concat(&parts.iter().map(|part| of(part).get(name)).collect::<Option<Vec<_>>>()?)
            };
            of(first).keys().map(|name| Some((name.clone(), one(name)?))).collect::<Option<Tensors>>()
        };
        let (tensors, outputs) = (joined(|part| &part.tensors)?, joined(|part| &part.outputs)?);
        Some(Self { place: first.place, samples: parts.iter().map(|part| part.samples).sum(), tensors, outputs })
    }
}

impl CutModel {
    /// Cuts `model` at the sites of `form` and prepares every part.
    ///
    /// # Errors
    /// When the model cannot be cut there, its batch is baked in, it has several inputs, or the runtime refuses it.
    pub fn bind(runtime: &dyn Runtime, model: &Model, form: ModelForm) -> Result<Self, EngineError> {
        let purpose = if form.sites.is_empty() { Use::Network } else { Use::CutNetwork };
        Self::bind_for(runtime, model, form, purpose)
    }

    /// The same, run as `purpose` says.
    pub(crate) fn bind_for(
        runtime: &dyn Runtime,
        model: &Model,
        form: ModelForm,
        purpose: Use,
    ) -> Result<Self, EngineError> {
        let input = image_input(model)?;
        if let Some(reason) = baked_batch(model) {
            return Err(EngineError::baked(model, reason));
        }
        let outputs: Vec<String> = model.outputs().into_iter().map(|port| port.name).collect();
        if outputs.is_empty() {
            return Err(EngineError::Unfit("the model has no output".to_owned()));
        }
        let sites: Vec<&str> = form.sites.iter().map(|(tensor, _)| tensor.as_str()).collect();
        let part = |stage: Stage| {
            let session = if stage.is_empty() { None } else { Some(runtime.session(&stage.model, purpose)?) };
            Ok((stage, session))
        };
        let parts = cut(model, &sites)?.into_iter().map(part).collect::<Result<Vec<_>, EngineError>>()?;
        // In the order of the model, whatever the order of the form.
        let ordered = parts.iter().filter_map(|(stage, _)| stage.site.as_ref());
        let layout = |tensor: &String| form.sites.iter().find(|(name, _)| name == tensor).map(|(_, layout)| *layout);
        let sites = ordered.filter_map(|tensor| Some((tensor.clone(), layout(tensor)?))).collect();
        Ok(Self { input, outputs, form: ModelForm { sites, ..form }, parts })
    }

    /// The sites, in the order of the model, and how they are maps.
    #[must_use]
    pub fn sites(&self) -> &[(String, MapLayout)] {
        &self.form.sites
    }

    /// The tensor at a place.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        place.checked_sub(1).and_then(|site| self.form.sites.get(site)).map_or(&self.input.0, |(tensor, _)| tensor)
    }

    fn layout(&self, place: usize) -> MapLayout {
        match place.checked_sub(1).and_then(|site| self.form.sites.get(site)) {
            Some((_, layout)) => *layout,
            None if self.form.images == ImageLayout::Nhwc => MapLayout::Nhwc,
            None => MapLayout::Nchw,
        }
    }

    /// Images at place 0, in the order of axes and the element type that the model takes.
    ///
    /// # Errors
    /// When their elements are of another kind: floats where the model takes bytes, or the other way round.
    pub fn start(&self, images: &Images) -> Result<Boundary, EngineError> {
        let (name, dtype) = &self.input;
        let tensor = match (images, dtype) {
            (Images::F32(images), DataType::F32 | DataType::F16) => Tensor::of_f32(images.clone().into_dyn(), *dtype),
            (Images::U8(images), DataType::U8) => Some(Tensor::U8(images.clone().into_dyn())),
            (Images::U8(_) | Images::Ragged(_), DataType::F32 | DataType::F16) => {
                return Err(EngineError::Unfit("the model needs f32 images; add `normalize` to the steps".to_owned()));
            }
            _ => None,
        };
        let unfit = || {
            EngineError::Unfit(
                format!("the model takes {dtype:?} images, and the steps end with others").to_lowercase(),
            )
        };
        let tensor = in_layout(tensor.ok_or_else(unfit)?, self.form.images);
        let samples = tensor.shape().first().copied().unwrap_or(0);
        let tensors = Tensors::from([(name.clone(), tensor)]);
        Ok(Boundary { place: 0, samples, tensors, outputs: Tensors::new() })
    }

    /// The tensor at the place of a boundary; others may lead around it.
    #[must_use]
    pub fn value<'b>(&self, at: &'b Boundary) -> Option<&'b Tensor> {
        at.tensors.get(self.name(at.place))
    }

    /// The tensor at the place of a boundary as a map N,C,H,W.
    ///
    /// # Errors
    /// When it is none of floats.
    pub fn map(&self, at: &Boundary) -> Result<Array4<f32>, EngineError> {
        self.value(at).and_then(|value| to_map(value, self.layout(at.place))).ok_or_else(|| self.unfit(at.place))
    }

    /// Puts a map at the place of a boundary.
    ///
    /// # Errors
    /// When it does not fit the tensor there.
    pub fn with_map(&self, mut at: Boundary, map: Array4<f32>) -> Result<Boundary, EngineError> {
        let value = self.value(&at).and_then(|before| of_map(map, before, self.layout(at.place)));
        let value = value.ok_or_else(|| self.unfit(at.place))?;
        at.tensors.insert(self.name(at.place).to_owned(), value);
        Ok(at)
    }

    fn unfit(&self, place: usize) -> EngineError {
        let (name, layout) = (self.name(place), self.layout(place).describe());
        EngineError::Unfit(format!("`{name}` is no feature map {layout} of floats as it was planned"))
    }

    /// Runs on to a later place.
    ///
    /// # Errors
    /// When the runtime fails, or what leads around a site is not one row for each sample.
    pub fn advance(&self, from: &Boundary, place: usize) -> Result<Boundary, EngineError> {
        let place = place.max(from.place);
        let (made, outputs) = self.run(from, place)?;
        let needed = |name: &str| {
            let mut later = self.parts.iter().skip(place).flat_map(|(stage, _)| &stage.inputs);
            name == self.name(place) || later.any(|input| input == name)
        };
        let kept = from.tensors.iter().filter(|(name, _)| needed(name) && !made.contains_key(*name));
        let mut tensors: Tensors = kept.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        tensors.extend(made.into_iter().filter(|(name, _)| needed(name)));
        let fits = |tensor: &Tensor| tensor.shape().first() == Some(&from.samples);
        if let Some((name, tensor)) = tensors.iter().find(|(_, tensor)| !fits(tensor)) {
            return Err(EngineError::Unfit(format!(
                "`{name}`, which leads around `{}`, has the shape {:?}, not one row for each sample; choose another site",
                self.name(place),
                tensor.shape()
            )));
        }
        Ok(Boundary { place, samples: from.samples, tensors, outputs })
    }

    /// Runs through all sites behind a place; `at` is called with the name and the map of each, and what it gives goes on.
    ///
    /// # Errors
    /// When the runtime or `at` fails, or a site is no map as it was planned.
    pub fn through(&self, from: Boundary, at: &mut AtSite<'_>) -> Result<Boundary, EngineError> {
        let mut here = from;
        for place in here.place + 1..=self.form.sites.len() {
            here = self.advance(&here, place)?;
            let map = at(self.name(place), self.map(&here)?)?;
            here = self.with_map(here, map)?;
        }
        Ok(here)
    }

    /// Runs to the end: logits N x K, or what stands in for them.
    ///
    /// # Errors
    /// When the runtime fails or the answer is no matrix.
    pub fn finish(&self, from: &Boundary) -> Result<Array2<f32>, EngineError> {
        let answer = self.outputs(from)?.swap_remove(0).1;
        Ok(as_logits(matrix(answer, from.samples)?, self.form.answer))
    }

    /// Runs to the end: every output by name, in the order of the model.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn outputs(&self, from: &Boundary) -> Result<Vec<(String, Tensor)>, EngineError> {
        let (_, mut outputs) = self.run(from, self.parts.len())?;
        let taken = |name: &String| {
            let tensor = outputs.remove(name);
            let missing = || EngineError::Unfit(format!("no part behind the sites gives `{name}`"));
            Ok((name.clone(), tensor.ok_or_else(missing)?))
        };
        self.outputs.iter().map(taken).collect()
    }

    /// What the parts before `place` make, and the outputs of the model so far.
    fn run(&self, from: &Boundary, place: usize) -> Result<(Tensors, Tensors), EngineError> {
        let (mut made, mut results) = (Tensors::new(), from.outputs.clone());
        for (stage, session) in &self.parts[from.place..place] {
            let find = |name: &String| made.get_key_value(name).or_else(|| from.tensors.get_key_value(name));
            let outputs = match session {
                None => Vec::new(),
                Some(session) => {
                    let inputs = stage.inputs.iter().filter_map(find);
                    let inputs: Vec<_> = inputs.map(|(name, tensor)| (name.as_str(), tensor)).collect();
                    session.run(&inputs)?
                }
            };
            made.extend(stage.outputs.iter().cloned().zip(outputs));
            let value = |name: &String| made.get(name).or_else(|| from.tensors.get(name)).cloned();
            results.extend(stage.results.iter().filter_map(|name| Some((name.clone(), value(name)?))));
        }
        Ok((made, results))
    }
}

/// The name and element type of the one image input of a model.
pub(crate) fn image_input(model: &Model) -> Result<(String, DataType), EngineError> {
    let ports = model.inputs();
    let [port] = &ports[..] else {
        let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        return Err(EngineError::Unfit(format!(
            "the model has {} inputs ({}); one image input is needed: give the others a value, as in `model.inputs: {{ {}: 0 }}`",
            names.len(),
            names.join(", "),
            names.last().copied().unwrap_or("mask")
        )));
    };
    match DataType::from_proto(port.dtype) {
        Some(dtype @ (DataType::F32 | DataType::F16 | DataType::U8)) => Ok((port.name.clone(), dtype)),
        _ => Err(EngineError::Unfit(format!("the input `{}` of the model is no batch of floats or bytes", port.name))),
    }
}

/// A batch N,C,H,W with its axes in this order.
pub(crate) fn in_layout(images: Tensor, layout: ImageLayout) -> Tensor {
    fn last<T: Clone>(array: ndarray::ArrayD<T>) -> ndarray::ArrayD<T> {
        if array.ndim() != 4 {
            return array;
        }
        array.permuted_axes(ndarray::IxDyn(&[0, 2, 3, 1])).as_standard_layout().into_owned()
    }
    if layout == ImageLayout::Nchw {
        return images;
    }
    match images {
        Tensor::F32(images) => Tensor::F32(last(images)),
        Tensor::F16(images) => Tensor::F16(last(images)),
        Tensor::U8(images) => Tensor::U8(last(images)),
        images => images,
    }
}

/// Logits, or logarithms that have the same softmax.
///
/// A probability that was rounded to 0 counts as the smallest normal number, so that a loss stays finite.
fn as_logits(answer: Array2<f32>, kind: Answer) -> Array2<f32> {
    match kind {
        Answer::Logits | Answer::LogProbabilities => answer,
        Answer::Probabilities => answer.mapv_into(|share| share.max(f32::MIN_POSITIVE).ln()),
    }
}

/// What a model answers to so many samples, as a matrix N x K.
pub(crate) fn matrix(output: Tensor, samples: usize) -> Result<Array2<f32>, EngineError> {
    let shape = output.shape().to_vec();
    if shape.first().is_some_and(|rows| *rows != samples) {
        return Err(EngineError::Unfit(format!(
            "the model answers {samples} samples with an output of the shape {shape:?}, not one row for each: something in it keeps one batch size; see `augraft doctor` on the model"
        )));
    }
    let Some(logits) = output.to_f32() else {
        return Err(EngineError::Unfit("the model's output is not f32".to_owned()));
    };
    // Some classifiers end with a convolution, and give N x K x 1 x 1.
    let flat = if shape.len() > 2 && shape[2..].iter().all(|side| *side == 1) { &shape[..2] } else { &shape[..] };
    logits
        .into_shape_with_order(ndarray::IxDyn(flat))
        .and_then(ndarray::ArrayBase::into_dimensionality::<Ix2>)
        .map_err(|_| {
            EngineError::Unfit(format!(
                "the model's output has the shape {shape:?}; logits N x K are needed: name the output that has them with `model.output`"
            ))
        })
}
