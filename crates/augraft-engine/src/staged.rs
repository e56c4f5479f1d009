//! A model that is cut at sites, whose parts run when they are asked for.

use augraft_onnx::{Model, Tensor};
use ndarray::{Array2, Array4};

use crate::error::EngineError;
use crate::network::matrix;
use crate::runtime::{Runtime, Tensors};
use crate::stages::{Stages, purpose};

/// A classifier that is cut at sites; place 0 is its input, place i its i-th site in model order.
pub struct StagedNetwork {
    sites: Vec<String>,
    stages: Stages,
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
        let stages = Stages::bind(runtime, model, sites, purpose(sites))?;
        let sites = stages.iter().filter_map(|stage| stage.site.clone()).collect();
        Ok(Self { sites, stages })
    }

    /// The sites in model order.
    #[must_use]
    pub fn sites(&self) -> &[String] {
        &self.sites
    }

    /// The tensor at a place.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        place.checked_sub(1).and_then(|site| self.sites.get(site)).unwrap_or(&self.stages.input)
    }

    /// Normalized images N,C,H,W at place 0.
    #[must_use]
    pub fn start(&self, images: Array4<f32>) -> Boundary {
        Boundary { place: 0, tensors: Tensors::from([(self.stages.input.clone(), Tensor::F32(images.into_dyn()))]) }
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
            self.stages.run(number, &from.tensors, &mut made)?;
        }
        let needed = |name: &str| {
            name == self.name(place)
                || self.stages.iter().skip(place).any(|later| later.inputs.iter().any(|input| input == name))
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
        let samples = from.value(self).and_then(|value| value.shape().first().copied()).unwrap_or(0);
        let mut made = Tensors::new();
        for number in from.place..self.stages.len() {
            self.stages.run(number, &from.tensors, &mut made)?;
        }
        let output = made.remove(&self.stages.output).or_else(|| from.tensors.get(&self.stages.output).cloned());
        output
            .ok_or_else(|| EngineError::Unfit(format!("no part behind the sites gives `{}`", self.stages.output)))
            .and_then(|output| matrix(output, samples))
    }
}
