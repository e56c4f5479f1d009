//! The embedded engine.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic;
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

use augraft_onnx::{Model, Tensor};
use bytes::Bytes;
use prost::Message;
use rayon::prelude::*;
use tract_onnx::prelude as tract;
use tract_onnx::prelude::{Framework, InferenceModelExt, IntoRunnable, IntoTValue};

use crate::error::EngineError;
use crate::runtime::{Runtime, Session, Use};

/// tract, on the CPU.
#[derive(Debug, Clone, Copy)]
pub struct Tract;

/// A model for tract, compiled for every set of input shapes that it meets.
struct TractSession {
    model: Model,
    inputs: Vec<String>,
    purpose: Use,
    plans: Mutex<BTreeMap<Vec<Vec<usize>>, Plan>>,
    patience: Duration,
}

/// How long the optimizer may take for one set of shapes.
const PATIENCE: Duration = Duration::from_secs(30);

type Plan = Arc<tract::TypedSimplePlan>;

impl Runtime for Tract {
    fn name(&self) -> &'static str {
        "tract"
    }

    fn session(&self, model: &Model, purpose: Use) -> Result<Box<dyn Session>, EngineError> {
        let inputs = model.inputs().into_iter().map(|port| port.name).collect();
        // Weights of a model are shared, not copied.
        let (model, plans) = (model.clone(), Mutex::default());
        Ok(Box::new(TractSession { model, inputs, purpose, plans, patience: PATIENCE }))
    }

    fn lacks(&self, model: &Model) -> Vec<String> {
        let known = tract_onnx::onnx().op_register;
        let lacks = |(domain, op): &(String, String)| {
            !matches!(domain.as_str(), "" | "ai.onnx") || (op != "Constant" && !known.0.contains_key(op))
        };
        let name = |(domain, op): (String, String)| if domain.is_empty() { op } else { format!("{domain}:{op}") };
        model.operators().into_iter().filter(lacks).map(name).collect()
    }
}

impl Session for TractSession {
    fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, EngineError> {
        let find = |name: &String| {
            let found = inputs.iter().find(|(input, _)| input == name).map(|(_, tensor)| *tensor);
            found.ok_or_else(|| EngineError::runtime("tract", format!("the input `{name}` is missing")))
        };
        let inputs = self.inputs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        match self.purpose {
            Use::Graph | Use::OptimizedGraph => self.run_whole(&inputs),
            Use::Network | Use::CutNetwork => self.run_samples(&inputs),
        }
    }
}

impl TractSession {
    fn run_whole(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, EngineError> {
        let plan = self.plan(inputs)?;
        let values =
            inputs.iter().map(|tensor| to_tract(tensor).map(IntoTValue::into_tvalue)).collect::<Result<_, _>>();
        // An index out of range, which other engines report, is a panic there.
        let outputs = quietly(|| values.and_then(|values| plan.run(values)))
            .unwrap_or_else(|| Err(tract::TractError::msg("it panicked; an index may lie out of range")))
            .map_err(|error| EngineError::runtime("tract", chain(&error)))?;
        outputs
            .iter()
            .map(|value| from_tract(value))
            .collect::<Result<_, _>>()
            .map_err(|error| EngineError::runtime("tract", chain(&error)))
    }

    /// Runs every sample on its own at batch 1, on all threads: fastest in tract, and independent of the batch.
    fn run_samples(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, EngineError> {
        // The first input is that of the samples: images, or a site.
        let samples = inputs.first().and_then(|tensor| tensor.shape().first().copied()).unwrap_or(1);
        let batched = |tensor: &Tensor| tensor.shape().first() == Some(&samples);
        let sample = |row: usize| {
            let rows: Vec<_> = inputs
                .iter()
                .map(|tensor| if batched(tensor) { tensor.rows(row..row + 1) } else { (*tensor).clone() })
                .collect();
            self.run_whole(&rows.iter().collect::<Vec<_>>())
        };
        // One sample first: it compiles the plan that the others share.
        let first = sample(0)?;
        let rest = (1..samples).into_par_iter().map(sample).collect::<Result<Vec<_>, _>>()?;
        let join = |at: usize| {
            let is_row = first[at].shape().first() == Some(&1);
            let is_list = first[at].as_f32().is_some() && !first[at].shape().is_empty();
            if !is_row && !is_list {
                return Some(first[at].clone());
            }
            Tensor::concat(&std::iter::once(&first).chain(&rest).map(|outputs| &outputs[at]).collect::<Vec<_>>())
        };
        let joined: Option<Vec<_>> = (0..first.len()).map(join).collect();
        joined.ok_or_else(|| EngineError::runtime("tract", "the outputs of the samples have different shapes"))
    }

    fn plan(&self, inputs: &[&Tensor]) -> Result<Plan, EngineError> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&shapes) {
            return Ok(plan.clone());
        }
        let compiled = quietly(|| self.compile(inputs));
        let compiled = compiled.unwrap_or_else(|| Err(tract::TractError::msg("it panicked while it read the model")));
        let plan = compiled.map_err(|error| self.refused(&error))?;
        plans.insert(shapes, plan.clone());
        Ok(plan)
    }

    /// Why tract does not compile the model: operators that it lacks, where there are some.
    fn refused(&self, error: &tract::TractError) -> EngineError {
        match &Tract.lacks(&self.model)[..] {
            [] => EngineError::runtime("tract", chain(error)),
            lacks => EngineError::runtime(
                "tract",
                format!("it lacks the operators {}; use the engine `onnxruntime`", lacks.join(", ")),
            ),
        }
    }

    fn compile(&self, inputs: &[&Tensor]) -> tract::TractResult<Plan> {
        let onnx = tract_onnx::onnx().with_ignore_value_info(true);
        // Decoded in place: reading a stream would copy the weights twice more.
        let proto = tract_onnx::pb::ModelProto::decode(Bytes::from(self.model.to_bytes()))?;
        let mut model = onnx.model_for_proto_model(&proto)?;
        drop(proto);
        for (at, tensor) in inputs.iter().enumerate() {
            let shape: tract::TVec<usize> = tensor.shape().iter().copied().collect();
            model.set_input_fact(at, tract::InferenceFact::dt_shape(datum_type(tensor), shape))?;
        }
        let outputs = model.output_outlets()?.len();
        for at in 0..outputs {
            model.set_output_fact(at, tract::InferenceFact::default())?;
        }
        match self.purpose {
            Use::Graph => model.into_typed()?.into_runnable(),
            Use::Network | Use::CutNetwork | Use::OptimizedGraph => {
                // What the optimizer cannot take runs as it is.
                let Some(Ok(optimized)) = optimized(&model, self.patience) else {
                    return model.into_typed()?.into_runnable();
                };
                // The optimizer sometimes leaves a placeholder where it folded constants, which fails when it is run.
                let order = optimized.eval_order()?;
                let is_whole = order.iter().all(|node| optimized.node(*node).op.name() != "Dummy");
                if is_whole { optimized.into_runnable() } else { model.into_typed()?.into_runnable() }
            }
        }
    }
}

thread_local! {
    /// Whether a panic of this thread is reported by who catches it.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `run` gives; none when it panics, and then nothing is printed.
fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                before(info);
            }
        }));
    });
    let outer = IS_QUIET.replace(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(run)).ok();
    IS_QUIET.set(outer);
    result
}

/// The optimized model; none, with a word, where that takes longer than `patience`.
///
/// The thread that is left behind ends with the program: tract cannot be told to stop.
#[expect(clippy::print_stderr, reason = "a session has no other way to say that it is slow")]
fn optimized(model: &tract::InferenceModel, patience: Duration) -> Option<tract::TractResult<tract::TypedModel>> {
    let (model, (sender, receiver)) = (model.clone(), mpsc::channel());
    std::thread::spawn(move || quietly(|| drop(sender.send(model.into_optimized()))));
    match receiver.recv_timeout(patience) {
        Ok(optimized) => Some(optimized),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            eprintln!(
                "warning: tract has not optimized the model in {} s; it goes on without, and more slowly",
                patience.as_secs()
            );
            None
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => Some(Err(tract::TractError::msg("the optimizer panicked"))),
    }
}

/// What failed and why; the rules in between are tract's own matter.
fn chain(error: &tract::TractError) -> String {
    let (what, why) = (error.to_string(), error.root_cause().to_string());
    if what == why { what } else { format!("{what}: {why}") }
}

macro_rules! tensor_types {
    ($($variant:ident: $native:ty),*) => {
        fn datum_type(tensor: &Tensor) -> tract::DatumType {
            match tensor { $(Tensor::$variant(_) => <$native as tract::Datum>::datum_type()),* }
        }

        fn to_tract(tensor: &Tensor) -> tract::TractResult<tract::Tensor> {
            match tensor {
                $(Tensor::$variant(array) => match array.as_slice() {
                    Some(values) => tract::Tensor::from_shape(array.shape(), values),
                    None => tract::Tensor::from_shape(array.shape(), &array.iter().copied().collect::<Vec<$native>>()),
                }),*
            }
        }

        fn from_tract(value: &tract::Tensor) -> tract::TractResult<Tensor> {
            $(if value.datum_type() == <$native as tract::Datum>::datum_type() {
                let view = value.to_plain_array_view::<$native>()?;
                let values = view.iter().copied().collect::<Vec<_>>();
                return Ok(Tensor::$variant(ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(view.shape()), values)?));
            })*
            let dims = value.cast_to::<i64>()?;
            let view = dims.to_plain_array_view::<i64>()?;
            let values = view.iter().copied().collect::<Vec<_>>();
            Ok(Tensor::I64(ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(view.shape()), values)?))
        }
    };
}
tensor_types!(Bool: bool, U8: u8, I8: i8, I32: i32, I64: i64, U64: u64, F16: half::f16, F32: f32, F64: f64);

#[cfg(test)]
mod tests {
    use augraft_onnx::{DataType, Graph, Side};

    use super::*;

    #[test]
    fn an_index_out_of_range_is_an_error() {
        let graph = Graph::new(18);
        let shape = [Side::Named("N"), Side::Fixed(3)];
        let row = graph.input("row", DataType::F32, &shape);
        let at = graph.input("at", DataType::I64, &[Side::Fixed(1)]);
        graph.output(row.gather(at, 1), "found", &[Side::Named("N"), Side::Fixed(1)]);
        let model = Model::from_proto(graph.into_proto("net", &[])).expect("a model");
        let row = Tensor::F32(ndarray::arr2(&[[1f32, 2.0, 3.0]]).into_dyn());
        let session = Tract.session(&model, Use::Graph).expect("a session");
        let run = |at: i64| session.run(&[("row", &row), ("at", &Tensor::vector(vec![at]))]);
        assert!(run(2).is_ok());
        assert!(run(3).expect_err("beyond").to_string().contains("panicked"));
        assert!(run(1).is_ok(), "the session goes on");
    }

    #[test]
    fn a_model_that_takes_too_long_to_optimize_runs_as_it_is() {
        let graph = Graph::new(18);
        let shape = [Side::Named("N"), Side::Fixed(3)];
        let row = graph.input("row", DataType::F32, &shape);
        graph.output((row * row).unary("Sqrt"), "root", &shape);
        let model = Model::from_proto(graph.into_proto("net", &[])).expect("a model");
        let row = Tensor::F32(ndarray::arr2(&[[1f32, 2.0, 3.0]]).into_dyn());
        for patience in [Duration::ZERO, PATIENCE] {
            let (model, inputs) = (model.clone(), vec!["row".to_owned()]);
            let session =
                TractSession { model, inputs, purpose: Use::OptimizedGraph, plans: Mutex::default(), patience };
            assert_eq!(session.run(&[("row", &row)]).expect("a run"), std::slice::from_ref(&row), "{patience:?}");
        }
    }
}
