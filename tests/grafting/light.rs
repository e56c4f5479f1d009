//! The small versions of well-known networks that come with Python's `onnx`, with weights that make them look at their input.

use std::path::{Path, PathBuf};

use augraft::engine::DrawSource;
use augraft::onnx::proto::{ModelProto, NodeProto, TensorProto};
use augraft::onnx::{Model, Tensor, free_batch};
use augraft::operator::PhiloxRng;
use augraft::operator::rand_distr::{Distribution, StandardNormal};
use augraft_testkit::python;
use ndarray::{ArrayD, IxDyn};
use rayon::prelude::*;
use tempfile::TempDir;

use crate::parts::check_model;
use crate::support::written;

const NAMES: [&str; 6] = ["densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"];

/// The files, where Python's packages are.
pub(crate) fn files() -> Vec<PathBuf> {
    let Some(python) = python() else { return Vec::new() };
    let folder = python.packages().join("onnx/backend/test/data/light");
    NAMES.iter().map(|name| folder.join(format!("light_{name}.onnx"))).collect()
}

/// Gives the weights, which are one constant as shipped, random values of the variance that keeps activations alive (He et al., 2015), frees the batch,
/// and lets the model end with logits.
fn revived(file: &Path) -> Model {
    let mut proto = free_batch(&Model::load(file).expect("a model")).expect("a free batch").model.into_proto();
    let graph = proto.graph.as_mut().expect("a graph");
    let shapes: Vec<TensorProto> = graph.initializer.clone();
    let mut weights = Vec::new();
    graph.node.retain(|node| {
        if node.op_type() != "ConstantOfShape" {
            return true;
        }
        let shape = shapes.iter().find(|tensor| tensor.name() == node.input[0]).and_then(Tensor::from_proto);
        let Some(Tensor::I64(shape)) = shape else { panic!("{}: a constant shape", file.display()) };
        let sides: Vec<usize> = shape.iter().map(|side| *side as usize).collect();
        weights.push(random(&sides, weights.len() as u64).to_proto(&node.output[0]));
        false
    });
    graph.input.extend(weights.iter().map(listed));
    graph.initializer.extend(weights);
    if graph.node.last().is_some_and(|node| node.op_type() == "Softmax") {
        graph.node.pop();
    }
    let last = graph.node.last().expect("a node").output[0].clone();
    let flat = NodeProto {
        op_type: Some("Flatten".to_owned()),
        input: vec![last],
        output: vec!["flat".to_owned()],
        ..NodeProto::default()
    };
    graph.node.push(flat);
    graph.output[0].name = Some("flat".to_owned());
    graph.output[0].r#type = None;
    Model::from_proto(proto).expect("a model")
}

/// Biases of 0.02 as shipped; normal weights otherwise.
fn random(sides: &[usize], key: u64) -> Tensor {
    if sides.len() < 2 {
        return Tensor::F32(ArrayD::from_elem(IxDyn(sides), 0.02));
    }
    let deviation = (2.0 / sides[1..].iter().product::<usize>() as f32).sqrt();
    let mut values = StandardNormal.sample_iter(PhiloxRng::new(key));
    Tensor::F32(ArrayD::from_shape_simple_fn(IxDyn(sides), || {
        let value: f32 = values.next().expect("an endless stream");
        value * deviation
    }))
}

/// The input that an initializer is in files as old as these.
fn listed(tensor: &TensorProto) -> augraft::onnx::proto::ValueInfoProto {
    let sides: Vec<augraft::onnx::Side> =
        tensor.dims.iter().map(|side| augraft::onnx::Side::Fixed(*side as usize)).collect();
    let graph = augraft::onnx::Graph::new(9);
    let _ = graph.input(tensor.name(), augraft::onnx::DataType::F32, &sides);
    let proto: ModelProto = graph.into_proto("types", &[]);
    proto.graph.expect("a graph").input[0].clone()
}

#[test]
fn six_old_networks_with_draws_as_inputs_equal_their_parts() {
    files().par_iter().for_each(|file| {
        let folder = TempDir::new().expect("a folder");
        let model = revived(file);
        assert!(augraft::onnx::baked_batch(&model).is_none(), "{}", file.display());
        check_model(&written(folder.path(), &model), DrawSource::Inputs, 224);
    });
}
