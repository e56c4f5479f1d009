//! How long a graph takes on a device, without the copies to it and back.

use std::time::{Duration, Instant};

use augraft_onnx::{Model, Tensor};
use augraft_pipeline::Device;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

use crate::error::EngineError;
use crate::onnxruntime::{NAME, OnnxRuntime, to_ort};
use crate::runtime::Use;

/// Runs before the measured ones: the first allocate, and choose kernels.
const WARM_UP: usize = 2;

/// A model and its inputs, to be timed.
#[derive(Debug, Clone)]
pub struct Timed<'a> {
    /// The model.
    pub model: &'a Model,
    /// Its inputs; those that the model does not have are left out.
    pub inputs: Vec<(&'a str, &'a Tensor)>,
}

/// Median time of `runs` runs (at least one) with inputs and outputs in the memory of the runtime's device.
///
/// # Errors
/// When the model does not run.
pub fn time_on_device(
    runtime: &OnnxRuntime,
    model: &Model,
    purpose: Use,
    inputs: &[(&str, &Tensor)],
    runs: usize,
) -> Result<Duration, EngineError> {
    let times = time_in_turn(runtime, purpose, &[Timed { model, inputs: inputs.to_vec() }], runs)?;
    Ok(times.first().copied().unwrap_or_default())
}

/// The same for several models that run in turn, so that a slow moment of the machine meets all of them.
///
/// # Errors
/// When a model does not run.
pub fn time_in_turn(
    runtime: &OnnxRuntime,
    purpose: Use,
    timed: &[Timed<'_>],
    runs: usize,
) -> Result<Vec<Duration>, EngineError> {
    let times = times(*runtime, purpose, timed, WARM_UP + runs.max(1));
    let times = times.map_err(|error| EngineError::runtime(NAME, error))?.into_iter().map(|mut times| {
        let mut times = times.split_off(WARM_UP);
        times.sort_unstable();
        times[times.len() / 2]
    });
    Ok(times.collect())
}

fn times(runtime: OnnxRuntime, purpose: Use, timed: &[Timed<'_>], runs: usize) -> ort::Result<Vec<Vec<Duration>>> {
    let memory = memory(runtime.device())?;
    let mut sessions = Vec::new();
    for Timed { model, inputs } in timed {
        let session = runtime.builder(purpose)?.commit_from_memory(&model.to_bytes())?;
        let mut binding = session.create_binding()?;
        for (name, tensor) in
            inputs.iter().filter(|(name, _)| session.inputs().iter().any(|input| input.name() == *name))
        {
            binding.bind_input(*name, &to_ort(tensor)?)?;
        }
        for output in model.outputs() {
            binding.bind_output_to_device(output.name, &memory)?;
        }
        binding.synchronize_inputs()?;
        sessions.push((session, binding, Vec::with_capacity(runs)));
    }
    for _ in 0..runs {
        for (session, binding, times) in &mut sessions {
            let start = Instant::now();
            session.run_binding(binding)?;
            binding.synchronize_outputs()?;
            times.push(start.elapsed());
        }
    }
    Ok(sessions.into_iter().map(|(_, _, times)| times).collect())
}

fn memory(device: Device) -> ort::Result<MemoryInfo<'static>> {
    let (kind, id) = match device {
        Device::Cpu => (AllocationDevice::CPU, 0),
        Device::Cuda(id) => (AllocationDevice::CUDA, i32::try_from(id).unwrap_or(i32::MAX)),
    };
    MemoryInfo::new(kind, id, AllocatorType::Device, MemoryType::Default)
}

#[cfg(test)]
mod tests {
    use augraft_onnx::{DataType, Graph, Side};

    use super::*;
    use crate::onnxruntime::Optimization;

    #[test]
    fn a_graph_is_timed_and_a_missing_input_is_an_error() {
        let Ok(runtime) = OnnxRuntime::load(None, Device::Cpu, Optimization::Default) else {
            eprintln!("skipped: ONNX Runtime was not found");
            return;
        };
        let graph = Graph::new(13);
        let x = graph.input("x", DataType::F32, &[Side::Named("N")]);
        graph.output(x.unary("Relu"), "y", &[Side::Named("N")]);
        let model = Model::from_proto(graph.into_proto("relu", &[])).unwrap();
        let x = Tensor::vector(vec![1f32; 1000]);
        let time = time_on_device(&runtime, &model, Use::OptimizedGraph, &[("x", &x)], 3).unwrap();
        assert!(time > Duration::ZERO);
        assert!(time_on_device(&runtime, &model, Use::OptimizedGraph, &[], 3).is_err());
    }
}
