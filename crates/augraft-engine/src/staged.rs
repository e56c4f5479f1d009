//! A model that is cut at sites, whose parts run when they are asked for.

use augraft_onnx::{Model, Stage, Tensor, cut};
use ndarray::{Array2, Array4};

use crate::error::EngineError;
use crate::network::matrix;
use crate::runtime::{Runtime, Session, Tensors, Use};

/// A classifier that is cut at sites; place 0 is its input, place i its i-th site in model order.
pub struct StagedNetwork {
    input: String,
    output: String,
    sites: Vec<String>,
    stages: Vec<(Stage, Option<Box<dyn Session>>)>,
}

/// All that the rest of a model needs, for some samples, at one place of a [`StagedNetwork`].
#[derive(Debug, Clone)]
pub struct Boundary {
    place: usize,
    tensors: Tensors,
}

impl Boundary {
    /// Where it is: 0 for the input, else the number of the site in model order.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }

    /// The tensor at the place; other tensors may lead around it.
    #[must_use]
    pub fn value<'b>(&'b self, network: &StagedNetwork) -> Option<&'b Tensor> {
        self.tensors.get(network.name(self.place))
    }

    /// Puts another tensor at the place.
    #[must_use]
    pub fn with_value(mut self, network: &StagedNetwork, value: Tensor) -> Self {
        self.tensors.insert(network.name(self.place).to_owned(), value);
        self
    }

    /// The samples at these rows.
    #[must_use]
    pub fn at_rows(&self, rows: &[usize]) -> Self {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.at_rows(rows))).collect();
        Self { place: self.place, tensors }
    }

    /// Joins boundaries at one place; none when they do not fit.
    #[must_use]
    pub fn concat(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let joined = |name: &String| {
            Tensor::concat(&parts.iter().map(|part| part.tensors.get(name)).collect::<Option<Vec<_>>>()?)
        };
        let tensors = first.tensors.keys().map(|name| Some((name.clone(), joined(name)?))).collect::<Option<_>>()?;
        Some(Self { place: first.place, tensors })
    }
}

impl StagedNetwork {
    /// Cuts `model` at `sites` and prepares every part.
    ///
    /// # Errors
    /// When the model cannot be cut there, its batch is baked in, it has several inputs, or the runtime refuses it.
    pub fn bind(runtime: &dyn Runtime, model: &Model, sites: &[&str]) -> Result<Self, EngineError> {
        if let Some(reason) = augraft_onnx::baked_batch(model) {
            return Err(EngineError::BakedBatch(reason));
        }
        let inputs = model.inputs();
        let ([input], Some(output)) = (&inputs[..], model.outputs().into_iter().next()) else {
            return Err(EngineError::Unfit("the model needs one image input and an output".to_owned()));
        };
        // Parts must give the bytes of the whole; a model that is never cut need not.
        let purpose = if sites.is_empty() { Use::Network } else { Use::CutNetwork };
        let stage = |stage: Stage| {
            let session = if stage.is_empty() { None } else { Some(runtime.session(&stage.model, purpose)?) };
            Ok((stage, session))
        };
        let stages = cut(model, sites)?.into_iter().map(stage).collect::<Result<Vec<_>, EngineError>>()?;
        let sites = stages.iter().filter_map(|(stage, _)| stage.site.clone()).collect();
        Ok(Self { input: input.name.clone(), output: output.name, sites, stages })
    }

    /// The sites in model order.
    #[must_use]
    pub fn sites(&self) -> &[String] {
        &self.sites
    }

    /// The tensor at a place.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        place.checked_sub(1).and_then(|site| self.sites.get(site)).unwrap_or(&self.input)
    }

    /// Normalized images N,C,H,W at place 0.
    #[must_use]
    pub fn start(&self, images: Array4<f32>) -> Boundary {
        Boundary { place: 0, tensors: Tensors::from([(self.input.clone(), Tensor::F32(images.into_dyn()))]) }
    }

    /// Runs on to a later place.
    ///
    /// # Errors
    /// When the runtime fails, or what leads around a site is not one row for each sample.
    pub fn advance(&self, from: &Boundary, place: usize) -> Result<Boundary, EngineError> {
        let rows = |tensor: &Tensor| tensor.shape().first().copied();
        let samples = from.tensors.values().next().and_then(rows);
        let place = place.max(from.place);
        let mut made = Tensors::new();
        for number in from.place..place {
            self.run(number, &from.tensors, &mut made)?;
        }
        let needed = |name: &str| {
            name == self.name(place)
                || self.stages[place..].iter().any(|(later, _)| later.inputs.iter().any(|input| input == name))
        };
        let kept = from.tensors.iter().filter(|(name, _)| needed(name) && !made.contains_key(*name));
        let mut tensors: Tensors = kept.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        tensors.extend(made.into_iter().filter(|(name, _)| needed(name)));
        if let Some((name, tensor)) = tensors.iter().find(|(_, tensor)| rows(tensor) != samples) {
            return Err(EngineError::Unfit(format!(
                "`{name}`, which leads around `{}`, has the shape {:?}, not one row for each sample; choose another site",
                self.name(place),
                tensor.shape()
            )));
        }
        Ok(Boundary { place, tensors })
    }

    /// Runs to the end: logits N x K.
    ///
    /// # Errors
    /// When the runtime fails or the output is no matrix.
    pub fn finish(&self, from: &Boundary) -> Result<Array2<f32>, EngineError> {
        let mut made = Tensors::new();
        for number in from.place..self.stages.len() {
            self.run(number, &from.tensors, &mut made)?;
        }
        let output = made.remove(&self.output).or_else(|| from.tensors.get(&self.output).cloned());
        output
            .ok_or_else(|| EngineError::Unfit(format!("no part behind the sites gives `{}`", self.output)))
            .and_then(matrix)
    }

    fn run(&self, number: usize, given: &Tensors, made: &mut Tensors) -> Result<(), EngineError> {
        let (stage, session) = &self.stages[number];
        let Some(session) = session else { return Ok(()) };
        let find = |name: &String| made.get_key_value(name).or_else(|| given.get_key_value(name));
        let inputs: Vec<_> =
            stage.inputs.iter().filter_map(find).map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let outputs = session.run(&inputs)?;
        made.extend(stage.outputs.iter().cloned().zip(outputs));
        Ok(())
    }
}
