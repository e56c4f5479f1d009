//! A model that is cut at sites: its stages run one after the other, with host steps in between.

use augraft_onnx::{Model, Tensor};
use augraft_pipeline::{SitePlan, Tokens};
use ndarray::{Array2, Array3, Array4, ArrayD, Ix2, Ix3, Ix4, s};

use crate::error::EngineError;
use crate::runtime::{Runtime, Session, Tensors, Use};
use crate::stages::{Stages, ends, purpose};

/// What happens at a site: its name and value in, its new value out.
pub type AtSite<'a> = dyn FnMut(&str, Array4<f32>) -> Result<Array4<f32>, EngineError> + 'a;

/// A classifier, whole and cut.
pub struct Network {
    input: String,
    whole: Box<dyn Session>,
    /// None without sites.
    stages: Option<Stages>,
    tokens: Vec<(String, Tokens)>,
}

impl Network {
    /// Cuts `model` at `sites` and prepares every stage.
    ///
    /// # Errors
    /// When the model cannot be cut there, its batch is baked in, or the runtime refuses it.
    pub fn bind(runtime: &dyn Runtime, model: &Model, sites: &[&str]) -> Result<Self, EngineError> {
        Self::bind_for(runtime, model, sites, purpose(sites))
    }

    /// The same, run as `purpose` says.
    pub(crate) fn bind_for(
        runtime: &dyn Runtime,
        model: &Model,
        sites: &[&str],
        purpose: Use,
    ) -> Result<Self, EngineError> {
        let [input, _] = ends(model)?;
        let whole = runtime.session(model, purpose)?;
        let stages = if sites.is_empty() { None } else { Some(Stages::bind(runtime, model, sites, purpose)?) };
        Ok(Self { input, whole, stages, tokens: Vec::new() })
    }

    /// Takes the tensors N,T,D of these sites as maps.
    pub(crate) fn with_tokens(self, sites: &[SitePlan]) -> Self {
        let tokens = sites.iter().filter_map(|site| Some((site.tensor.clone(), site.tokens?))).collect();
        Self { tokens, ..self }
    }

    /// The first output, N x K, for normalized images N,C,H,W.
    ///
    /// # Errors
    /// When the runtime fails or the output is no matrix.
    pub fn logits(&self, images: &Array4<f32>) -> Result<Array2<f32>, EngineError> {
        let (rows, images) = (images.dim().0, Tensor::F32(images.clone().into_dyn()));
        let outputs = self.whole.run(&[(&self.input, &images)])?;
        outputs
            .into_iter()
            .next()
            .ok_or_else(|| EngineError::Unfit("the model gave no output".to_owned()))
            .and_then(|output| matrix(output, rows))
    }

    /// The same through the cut model; `at` is called with the name and the value of each site, in model order.
    ///
    /// # Errors
    /// When the runtime or `at` fails, or a site is no feature map N,C,H,W of f32.
    pub fn logits_through(&self, images: &Array4<f32>, at: &mut AtSite<'_>) -> Result<Array2<f32>, EngineError> {
        let Some(stages) = &self.stages else { return self.logits(images) };
        let mut tensors = Tensors::from([(self.input.clone(), Tensor::F32(images.clone().into_dyn()))]);
        let mut logits = None;
        for (number, stage) in stages.iter().enumerate() {
            stages.run(number, &Tensors::new(), &mut tensors)?;
            if stage.results.contains(&stages.output) {
                logits = tensors.get(&stages.output).cloned();
            }
            let Some(site) = &stage.site else { continue };
            let unfit = || EngineError::Unfit(format!("`{site}` is no feature map N,C,H,W of f32"));
            let Some(Tensor::F32(value)) = tensors.remove(site) else { return Err(unfit()) };
            let tokens = self.tokens.iter().find(|(name, _)| name == site).map(|(_, tokens)| *tokens);
            let after = match tokens {
                None => at(site, feature_map(value).ok_or_else(unfit)?)?.into_dyn(),
                Some(tokens) => {
                    let mut rows = value.into_dimensionality::<Ix3>().map_err(|_| unfit())?;
                    let map = token_map(&rows, tokens).ok_or_else(unfit)?;
                    put_tokens(&mut rows, &at(site, map)?, tokens);
                    rows.into_dyn()
                }
            };
            tensors.insert(site.clone(), Tensor::F32(after));
        }
        logits
            .ok_or_else(|| EngineError::Unfit(format!("no stage of the model gives `{}`", stages.output)))
            .and_then(|output| matrix(output, images.dim().0))
    }
}

/// The map N,D,H,W in the rows of a tensor N,T,D; none when it has another number of rows.
#[must_use]
pub fn token_map(rows: &Array3<f32>, tokens: Tokens) -> Option<Array4<f32>> {
    let [height, width] = tokens.grid.map(|side| side.get() as usize);
    let class = tokens.class.get() as usize;
    let (n, count, channels) = rows.dim();
    let cells = (count == class + height * width).then(|| rows.slice(s![.., class.., ..]))?;
    let map = cells.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
    map.into_shape_with_order([n, channels, height, width]).ok()
}

/// Puts a map back into the rows behind the class tokens.
pub fn put_tokens(rows: &mut Array3<f32>, map: &Array4<f32>, tokens: Tokens) {
    let width = tokens.grid[1].get() as usize;
    let class = tokens.class.get() as usize;
    for ((n, channel, y, x), value) in map.indexed_iter() {
        rows[[n, class + y * width + x, channel]] = *value;
    }
}

fn feature_map(map: ArrayD<f32>) -> Option<Array4<f32>> {
    map.into_dimensionality::<Ix4>().ok().map(|map| map.as_standard_layout().into_owned())
}

/// What a model answers to so many samples, as a matrix N x K.
pub(crate) fn matrix(output: Tensor, samples: usize) -> Result<Array2<f32>, EngineError> {
    let shape = output.shape().to_vec();
    if shape.first().is_some_and(|rows| *rows != samples) {
        return Err(EngineError::Unfit(format!(
            "the model answers {samples} samples with an output of the shape {shape:?}, not one row for each: something in it keeps one batch size; see `augraft doctor` on the model"
        )));
    }
    let Tensor::F32(logits) = output else {
        return Err(EngineError::Unfit("the model's output is not f32".to_owned()));
    };
    // Some classifiers end with a convolution, and give N x K x 1 x 1.
    let flat = if shape.len() > 2 && shape[2..].iter().all(|side| *side == 1) { &shape[..2] } else { &shape[..] };
    logits
        .into_shape_with_order(ndarray::IxDyn(flat))
        .and_then(ndarray::ArrayBase::into_dimensionality::<Ix2>)
        .map_err(|_| EngineError::Unfit(format!("the model's output has the shape {shape:?}; logits N x K are needed")))
}
