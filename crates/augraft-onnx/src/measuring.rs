//! A model that gives the shapes of its tensors, and holds no weights.

use crate::attributes::tensor_attribute;
use crate::error::Error;
use crate::flow::Flow;
use crate::fresh::{Constants, names_in};
use crate::inputs::free_initializers;
use crate::model::Model;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, type_proto};

/// Elements of an initializer up to which it may be a size or an axis, on which shapes depend.
const FEW: i64 = 1024;

/// The first version with `ConstantOfShape`.
const FILLED: i64 = 9;

/// A model that computes the shapes of tensors.
#[derive(Debug)]
pub struct Measuring {
    /// The model: its outputs are the shapes, as lists of int64, in the order of `names`.
    pub model: Model,
    /// The tensors: every one of the main graph that depends on the inputs, the inputs too.
    pub names: Vec<String>,
}

/// Returns a model that takes the inputs of `model` and gives the shapes of its tensors.
///
/// Large initializers of floats are zeros there, which are made when they are needed, so that a model of any size is measured in the memory of its
/// activations. Where a shape depends on such values, it is that of zeros.
///
/// # Errors
/// Models that break a rule of the format once shapes are taken of them.
pub fn measuring(model: &Model) -> Result<Measuring, Error> {
    let flow = Flow::of(model);
    let is_tensor = |name: &&str| flow.inputs.contains(name) || !is_other(&flow, name);
    let names: Vec<String> = flow.valued().into_iter().filter(is_tensor).map(str::to_owned).collect();
    let is_hollow = |tensor: &TensorProto| {
        let is_float = [DataType::Float, DataType::Float16, DataType::Double].map(|kind| kind as i32);
        let count = tensor.dims.iter().try_fold(1i64, |count, side| count.checked_mul(*side));
        model.opset() >= FILLED && is_float.contains(&tensor.data_type()) && count.is_none_or(|count| count > FEW)
    };
    let mut constants = Constants::beside(names_in(model.graph()));
    let mut graph = model.graph().clone();
    let hollow: Vec<TensorProto> = graph.initializer.extract_if(.., |tensor| is_hollow(tensor)).collect();
    let filled: Vec<NodeProto> = hollow
        .iter()
        .map(|tensor| {
            let zero = TensorProto {
                dims: vec![1],
                data_type: tensor.data_type,
                raw_data: Some(vec![0u8; size_of_zero(tensor.data_type())].into()),
                ..TensorProto::default()
            };
            let sides = constants.list("sides", &tensor.dims);
            plain("ConstantOfShape", sides, tensor.name().to_owned(), vec![tensor_attribute("value", zero)])
        })
        .collect();
    graph.input.retain(|input| !hollow.iter().any(|tensor| tensor.name() == input.name()));
    graph.node.splice(..0, filled);
    graph.output.clear();
    for name in &names {
        let shape = constants.name(&format!("{name}.shape"));
        graph.output.push(int64_list(&shape));
        graph.node.push(plain("Shape", name.clone(), shape, Vec::new()));
    }
    graph.initializer.extend(constants.into_tensors());
    let mut proto = ModelProto { graph: Some(graph), training_info: Vec::new(), ..model.proto().clone() };
    free_initializers(&mut proto);
    Ok(Measuring { model: Model::from_proto(proto)?, names })
}

/// Whether a tensor is made by an operator that makes sequences or optional values.
fn is_other(flow: &Flow, name: &str) -> bool {
    let op = flow.producer(name).map(|node| flow.graph.node[node].op_type());
    op.is_some_and(|op| {
        (op.contains("Sequence") && op != "SequenceAt" && op != "ConcatFromSequence" && op != "SequenceLength")
            || op == "Optional"
    })
}

fn size_of_zero(data_type: i32) -> usize {
    match DataType::try_from(data_type) {
        Ok(DataType::Double) => 8,
        Ok(DataType::Float16) => 2,
        _ => 4,
    }
}

fn plain(op: &str, input: String, output: String, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input: vec![input],
        output: vec![output],
        attribute,
        ..NodeProto::default()
    }
}

fn int64_list(name: &str) -> ValueInfoProto {
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Int64 as i32), shape: None };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() });
    ValueInfoProto { name: Some(name.to_owned()), r#type, ..ValueInfoProto::default() }
}
