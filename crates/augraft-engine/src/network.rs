//! A model that is cut at sites: its stages run one after the other, with host steps in between.

use augraft_onnx::{Model, Stage, Tensor, cut};
use augraft_pipeline::{SitePlan, Tokens};
use ndarray::{Array2, Array3, Array4, ArrayD, Ix2, Ix3, Ix4, s};

use crate::error::EngineError;
use crate::runtime::{Runtime, Session, Tensors, Use};

/// What happens at a site: its name and value in, its new value out.
pub type AtSite<'a> = dyn FnMut(&str, Array4<f32>) -> Result<Array4<f32>, EngineError> + 'a;

/// A classifier, whole and cut.
pub struct Network {
    input: String,
    output: String,
    whole: Box<dyn Session>,
    stages: Vec<(Stage, Option<Box<dyn Session>>)>,
    tokens: Vec<(String, Tokens)>,
}

impl Network {
    /// Cuts `model` at `sites` and prepares every stage.
    ///
    /// # Errors
    /// When the model cannot be cut there, its batch is baked in, or the runtime refuses it.
    pub fn bind(runtime: &dyn Runtime, model: &Model, sites: &[&str]) -> Result<Self, EngineError> {
        let purpose = if sites.is_empty() { Use::Network } else { Use::CutNetwork };
        Self::bind_for(runtime, model, sites, purpose)
    }

    /// The same, run as `purpose` says.
    pub(crate) fn bind_for(
        runtime: &dyn Runtime,
        model: &Model,
        sites: &[&str],
        purpose: Use,
    ) -> Result<Self, EngineError> {
        if let Some(reason) = augraft_onnx::baked_batch(model) {
            return Err(EngineError::BakedBatch(reason));
        }
        let [input] = &model.inputs()[..] else {
            let names: Vec<_> = model.inputs().into_iter().map(|port| port.name).collect();
            return Err(EngineError::Unfit(format!(
                "the model has {} inputs ({}); one image input is needed",
                names.len(),
                names.join(", ")
            )));
        };
        let Some(output) = model.outputs().into_iter().next() else {
            return Err(EngineError::Unfit("the model has no output".to_owned()));
        };
        let whole = runtime.session(model, purpose)?;
        let stage = |stage: Stage| {
            let session = if stage.is_empty() { None } else { Some(runtime.session(&stage.model, purpose)?) };
            Ok((stage, session))
        };
        let stages = if sites.is_empty() { Vec::new() } else { cut(model, sites)? };
        let stages = stages.into_iter().map(stage).collect::<Result<_, EngineError>>()?;
        Ok(Self { input: input.name.clone(), output: output.name, whole, stages, tokens: Vec::new() })
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
        let images = Tensor::F32(images.clone().into_dyn());
        let outputs = self.whole.run(&[(&self.input, &images)])?;
        outputs
            .into_iter()
            .next()
            .ok_or_else(|| EngineError::Unfit("the model gave no output".to_owned()))
            .and_then(matrix)
    }

    /// The same through the cut model; `at` is called with the name and the value of each site, in model order.
    ///
    /// # Errors
    /// When the runtime or `at` fails, or a site is no feature map N,C,H,W of f32.
    pub fn logits_through(&self, images: &Array4<f32>, at: &mut AtSite<'_>) -> Result<Array2<f32>, EngineError> {
        if self.stages.is_empty() {
            return self.logits(images);
        }
        let mut tensors = Tensors::from([(self.input.clone(), Tensor::F32(images.clone().into_dyn()))]);
        let mut logits = None;
        for (stage, session) in &self.stages {
            if let Some(session) = session {
                let inputs: Vec<_> = stage
                    .inputs
                    .iter()
                    .filter_map(|name| tensors.get_key_value(name))
                    .map(|(name, tensor)| (name.as_str(), tensor))
                    .collect();
                let outputs = session.run(&inputs)?;
                tensors.extend(stage.outputs.iter().cloned().zip(outputs));
            }
            if stage.results.contains(&self.output) {
                logits = tensors.get(&self.output).cloned();
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
            .ok_or_else(|| EngineError::Unfit(format!("no stage of the model gives `{}`", self.output)))
            .and_then(matrix)
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

pub(crate) fn matrix(output: Tensor) -> Result<Array2<f32>, EngineError> {
    let shape = output.shape().to_vec();
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
