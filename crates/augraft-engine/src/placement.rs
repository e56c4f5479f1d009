//! Where ONNX Runtime runs the nodes of a graph, from its profiler.

use std::borrow::Cow;
use std::collections::BTreeMap;

use augraft_onnx::{Model, Tensor};
use ort::session::{Session, SessionInputValue};
use serde_json::Value;

use crate::error::EngineError;
use crate::onnxruntime::{NAME, OnnxRuntime, to_ort};
use crate::runtime::Use;

const CPU: &str = "CPUExecutionProvider";

/// What the profiler appends to the name of a node.
const RUN_OF_A_NODE: &str = "_kernel_time";

/// Where ONNX Runtime ran a node, and how much it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRun {
    /// Name of the node; a node that optimization made has one that ONNX Runtime chose.
    pub name: String,
    /// Operator, for example `Where`, or `MemcpyToHost` for a copy that ONNX Runtime put in.
    pub op_type: String,
    /// For example `CPUExecutionProvider`.
    pub provider: String,
    /// Median time on the host; a CUDA node is only launched in it, and may run longer.
    pub microseconds: u64,
    /// Shapes of the outputs.
    pub shapes: Vec<Vec<usize>>,
}

impl NodeRun {
    /// Whether the node ran on the CPU.
    #[must_use]
    pub fn is_on_cpu(&self) -> bool {
        self.provider == CPU
    }

    /// Whether the node copies between the host and a device.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        matches!(self.op_type.as_str(), "MemcpyToHost" | "MemcpyFromHost")
    }

    fn elements(&self) -> usize {
        self.shapes.iter().map(|shape| shape.iter().product()).max().unwrap_or(0)
    }
}

/// Runs a model `runs` times (at least once) with ONNX Runtime's profiler; returns the nodes in the order in which they ran.
///
/// # Errors
/// When the model does not run, or the profile cannot be written or read.
pub fn profile(
    runtime: &OnnxRuntime,
    model: &Model,
    purpose: Use,
    inputs: &[(&str, &Tensor)],
    runs: usize,
) -> Result<Vec<NodeRun>, EngineError> {
    let failed = |error: &dyn std::fmt::Display| EngineError::runtime(NAME, format!("its profile: {error}"));
    let folder = tempfile::Builder::new().prefix("augraft-profile-").tempdir().map_err(|error| failed(&error))?;
    let prefix = folder.path().join("nodes");
    let written = runtime
        .builder(purpose)
        .and_then(|builder| builder.with_profiling(prefix)?.commit_from_memory(&model.to_bytes()))
        .and_then(|mut session| {
            (0..runs.max(1)).try_for_each(|_| run(&mut session, inputs))?;
            session.end_profiling()
        });
    let written = written.map_err(|error| EngineError::runtime(NAME, error))?;
    let text = std::fs::read_to_string(written).map_err(|error| failed(&error))?;
    node_runs(&text).map_err(|error| failed(&error))
}

fn run(session: &mut Session, inputs: &[(&str, &Tensor)]) -> ort::Result<()> {
    let value = |(name, tensor): &(&str, &Tensor)| {
        Ok((Cow::from((*name).to_owned()), SessionInputValue::from(to_ort(tensor)?)))
    };
    let values = inputs.iter().map(value).collect::<ort::Result<Vec<_>>>()?;
    session.run(values).map(|_| ())
}

/// Splits what is not on the device into small and image-sized nodes: `(small, image_sized)`.
///
/// `image_elements` is N * H * W, the pixels of one plane of the batch. A node on the CPU, or a copy, is image-sized when an output has as
/// many elements: so a mask `[N,1,H,W]` and whatever has channels are, and draws `[N]`, masks of rows `[N,1,H,1]`, partner ranks `[N,N]` and labels
/// `[N,K]` are not, as long as an image has more pixels than the batch has samples and the labels have classes.
#[must_use]
pub fn image_sized_on_cpu(runs: &[NodeRun], image_elements: usize) -> (Vec<&NodeRun>, Vec<&NodeRun>) {
    let off_device = runs.iter().filter(|run| run.is_on_cpu() || run.is_copy());
    off_device.partition(|run| run.elements() < image_elements)
}

/// The nodes of a profile, which is a list of events; the runs of a node become one with their median time.
fn node_runs(profile: &str) -> serde_json::Result<Vec<NodeRun>> {
    let events: Vec<Value> = serde_json::from_str(profile)?;
    let mut places = BTreeMap::new();
    let mut nodes: Vec<(NodeRun, Vec<u64>)> = Vec::new();
    for (index, run) in events.iter().filter_map(node_run) {
        let place = *places.entry((run.name.clone(), index)).or_insert(nodes.len());
        let time = run.microseconds;
        match nodes.get_mut(place) {
            Some((_, times)) => times.push(time),
            None => nodes.push((run, vec![time])),
        }
    }
    let median = |(run, mut times): (NodeRun, Vec<u64>)| {
        times.sort_unstable();
        NodeRun { microseconds: times[times.len() / 2], ..run }
    };
    Ok(nodes.into_iter().map(median).collect())
}

/// The index and the run of a node, where the event is one.
fn node_run(event: &Value) -> Option<(String, NodeRun)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let name = event["name"].as_str()?.strip_suffix(RUN_OF_A_NODE)?.to_owned();
    let args = &event["args"];
    let shapes = args["output_type_shape"].as_array().into_iter().flatten().filter_map(shape).collect();
    let run = NodeRun {
        name,
        op_type: text(&args["op_name"])?,
        provider: text(&args["provider"])?,
        microseconds: event["dur"].as_u64().unwrap_or(0),
        shapes,
    };
    Some((text(&args["node_index"]).unwrap_or_default(), run))
}

/// The shape of an output, which the profile has as `{"float":[2,3]}`.
fn shape(output: &Value) -> Option<Vec<usize>> {
    let sides = output.as_object()?.values().next()?.as_array()?;
    sides.iter().map(|side| side.as_u64().and_then(|side| usize::try_from(side).ok())).collect()
}

#[cfg(test)]
mod tests {
    use augraft_onnx::{DataType, Graph, Side};
    use augraft_pipeline::Device;
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::onnxruntime::Optimization;

    /// ONNX Runtime on the CPU, or nothing (said aloud) where its library is not found.
    fn runtime() -> Option<OnnxRuntime> {
        match OnnxRuntime::load(None, Device::Cpu, Optimization::Default) {
            Ok(runtime) => Some(runtime),
            Err(error) => {
                let required = std::env::var("AUGRAFT_REQUIRE").unwrap_or_default();
                assert!(!required.split(',').any(|name| name.trim() == "ort"), "ONNX Runtime is required: {error}");
                eprintln!("skipped: {error}");
                None
            }
        }
    }

    /// `relu(x) * factor`, where the factor is one number a sample.
    fn scaled() -> Model {
        let graph = Graph::new(13);
        let sides = [Side::Named("N"), Side::Fixed(3), Side::Fixed(4), Side::Fixed(5)];
        let x = graph.input("x", DataType::F32, &sides);
        let factor =
            graph.input("factor", DataType::F32, &[Side::Named("N"), Side::Fixed(1), Side::Fixed(1), Side::Fixed(1)]);
        graph.output(x.unary("Relu").binary("Mul", factor.unary("Neg")), "y", &sides);
        Model::from_proto(graph.into_proto("scaled", &[])).unwrap()
    }

    #[test]
    fn a_profile_names_every_node_with_its_place_and_shape() {
        let Some(runtime) = runtime() else { return };
        let model = scaled();
        let x = Tensor::F32(ArrayD::zeros(IxDyn(&[2, 3, 4, 5])));
        let factor = Tensor::F32(ArrayD::zeros(IxDyn(&[2, 1, 1, 1])));
        let nodes = profile(&runtime, &model, Use::Graph, &[("x", &x), ("factor", &factor)], 3).unwrap();

        let expected = model.proto().graph.as_ref().unwrap();
        assert_eq!(nodes.len(), expected.node.len());
        for node in &expected.node {
            let run = nodes.iter().find(|run| run.name == node.name()).expect("the node ran");
            assert_eq!(run.op_type, node.op_type());
            assert!(run.is_on_cpu() && !run.is_copy(), "{run:?}");
            let sides = if run.op_type == "Neg" { vec![2, 1, 1, 1] } else { vec![2, 3, 4, 5] };
            assert_eq!(run.shapes, [sides]);
        }
        let (small, image_sized) = image_sized_on_cpu(&nodes, 2 * 4 * 5);
        let names = |runs: &[&NodeRun]| runs.iter().map(|run| run.op_type.clone()).collect::<Vec<_>>();
        assert_eq!(names(&small), ["Neg"]);
        assert_eq!(names(&image_sized), ["Relu", "Mul"]);
    }

    #[test]
    fn a_missing_input_is_an_error() {
        let Some(runtime) = runtime() else { return };
        let error = profile(&runtime, &scaled(), Use::Graph, &[], 1).unwrap_err();
        assert!(error.to_string().starts_with("onnxruntime cannot run the model"), "{error}");
    }

    fn of(op_type: &str, provider: &str, shape: &[usize]) -> NodeRun {
        let [name, op_type, provider] = ["node", op_type, provider].map(str::to_owned);
        NodeRun { name, op_type, provider, microseconds: 1, shapes: vec![shape.to_vec()] }
    }

    #[test]
    fn only_what_has_the_pixels_of_a_plane_is_image_sized() {
        let [n, height, width, classes] = [64, 224, 224, 1000];
        let small = [
            of("Add", CPU, &[n]),
            of("Shape", CPU, &[4]),
            of("Less", CPU, &[n, n]),
            of("Add", CPU, &[n, classes]),
            of("Range", CPU, &[height]),
            of("And", CPU, &[n, 1, height, 1]),
            of("MemcpyFromHost", "CUDAExecutionProvider", &[n, 1, 1, 1]),
        ];
        let image_sized = [
            of("And", CPU, &[n, 1, height, width]),
            of("Where", CPU, &[n, 3, height, width]),
            of("MemcpyToHost", "CUDAExecutionProvider", &[n, 3, height, width]),
            of("MemcpyFromHost", "CUDAExecutionProvider", &[n, 1, height, width]),
        ];
        let on_device = [of("Where", "CUDAExecutionProvider", &[n, 3, height, width])];
        let all = [&small[..], &image_sized, &on_device].concat();
        let found = image_sized_on_cpu(&all, n * height * width);
        assert_eq!(found, (small.iter().collect(), image_sized.iter().collect()));
    }

    #[test]
    fn runs_of_a_node_become_one_with_the_median() {
        let event = |name: &str, dur: u64, provider: &str| {
            format!(
                r#"{{"cat":"Node","dur":{dur},"name":"{name}","args":{{"op_name":"MemcpyToHost","provider":"{provider}","node_index":"7",
                "output_type_shape":[{{"float":[2,3]}},{{"int64":[]}}]}}}}"#
            )
        };
        let cuda = "CUDAExecutionProvider";
        let events = [
            r#"{"cat":"Session","dur":9,"name":"model_run","args":{}}"#.to_owned(),
            event("Memcpy_kernel_time", 50, cuda),
            event("Memcpy_fence_after", 1, cuda),
            event("Memcpy_kernel_time", 3, cuda),
            event("Memcpy_kernel_time", 4, cuda),
        ];
        let nodes = node_runs(&format!("[{}]", events.join(","))).unwrap();
        let [node] = &nodes[..] else { panic!("{nodes:?}") };
        assert_eq!((node.name.as_str(), node.microseconds), ("Memcpy", 4));
        assert_eq!(node.shapes, [vec![2, 3], vec![]]);
        assert!(node.is_copy() && !node.is_on_cpu());
        assert!(node_runs("[{").is_err());
    }
}
