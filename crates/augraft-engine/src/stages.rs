//! The parts of a model that is cut at sites, ready to run.

use augraft_onnx::{Model, Stage, cut};

use crate::error::EngineError;
use crate::runtime::{Runtime, Session, Tensors, Use};

/// A cut model; its i-th part ends at the i-th site in model order, and the last one behind all of them.
pub(crate) struct Stages {
    /// The image input of the model.
    pub(crate) input: String,
    /// The first output of the model.
    pub(crate) output: String,
    parts: Vec<(Stage, Option<Box<dyn Session>>)>,
}

impl Stages {
    /// Cuts `model` at `sites` and prepares every part.
    pub(crate) fn bind(
        runtime: &dyn Runtime,
        model: &Model,
        sites: &[&str],
        purpose: Use,
    ) -> Result<Self, EngineError> {
        let [input, output] = ends(model)?;
        let part = |stage: Stage| {
            let session = if stage.is_empty() { None } else { Some(runtime.session(&stage.model, purpose)?) };
            Ok((stage, session))
        };
        let parts = cut(model, sites)?.into_iter().map(part).collect::<Result<_, EngineError>>()?;
        Ok(Self { input, output, parts })
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// The parts in model order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stage> {
        self.parts.iter().map(|(stage, _)| stage)
    }

    /// Runs a part on what was `given` and `made` before, and adds what it makes.
    pub(crate) fn run(&self, number: usize, given: &Tensors, made: &mut Tensors) -> Result<(), EngineError> {
        let (stage, session) = &self.parts[number];
        let Some(session) = session else { return Ok(()) };
        let find = |name: &String| made.get_key_value(name).or_else(|| given.get_key_value(name));
        let inputs: Vec<_> =
            stage.inputs.iter().filter_map(find).map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let outputs = session.run(&inputs)?;
        made.extend(stage.outputs.iter().cloned().zip(outputs));
        Ok(())
    }
}

/// The names of the image input and of the first output of a model that can be run batch by batch.
pub(crate) fn ends(model: &Model) -> Result<[String; 2], EngineError> {
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
    Ok([input.name.clone(), output.name])
}

/// How a model that is cut at these sites is run: parts must give the bytes of the whole; a model that is never cut need not.
pub(crate) fn purpose(sites: &[&str]) -> Use {
    if sites.is_empty() { Use::Network } else { Use::CutNetwork }
}
