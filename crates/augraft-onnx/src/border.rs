//! Values at the border of a graph: what a model must say about the tensors that it takes and gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::elements::element_types;
use crate::error::Error;
use crate::flow::Flow;
use crate::model::Model;
use crate::names::nearest;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{GraphProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};

/// Makes tensors graph outputs, behind the ones that the model has; those that are outputs already stay where they are.
///
/// # Errors
/// Names that are not outputs of a node in the main graph.
pub fn with_outputs(model: &Model, names: &[String]) -> Result<Model, Error> {
    let flow = Flow::of(model);
    let (types, declared) = (element_types(&flow), declared(flow.graph));
    let mut listed: BTreeSet<&str> = flow.graph.output.iter().map(ValueInfoProto::name).collect();
    let mut added = Vec::new();
    for name in names {
        if flow.producer(name).is_none() {
            return Err(unknown(model, name));
        }
        if listed.insert(name) {
            added.push(described(name, &declared, types.get(name.as_str()).copied()));
        }
    }
    let mut proto = model.proto().clone();
    if let Some(graph) = &mut proto.graph {
        graph.output.extend(added);
    }
    Model::from_proto(proto)
}

/// Returns what the graph declares about its tensors.
pub(crate) fn declared(graph: &GraphProto) -> BTreeMap<&str, &ValueInfoProto> {
    let values = graph.value_info.iter().chain(&graph.output).chain(&graph.input);
    values.map(|info| (info.name(), info)).collect()
}

/// Describes a tensor at the border of a stage: as the model declares it, with the element type filled in.
pub(crate) fn described(
    name: &str,
    declared: &BTreeMap<&str, &ValueInfoProto>,
    element: Option<i32>,
) -> ValueInfoProto {
    let info = declared.get(name).copied();
    let value = info.and_then(|info| info.r#type.as_ref()).and_then(|t| t.value.as_ref());
    let shape = match (info, value) {
        (Some(info), Some(type_proto::Value::TensorType(tensor))) if tensor.elem_type() != 0 => return info.clone(),
        (_, Some(type_proto::Value::TensorType(tensor))) => tensor.shape.clone(),
        // A sequence or another type that is not a tensor has no element type to fill in.
        (Some(info), Some(_)) => return info.clone(),
        _ => None,
    };
    let tensor = element.map(|element| type_proto::Tensor { elem_type: Some(element), shape });
    let value = tensor.map(type_proto::Value::TensorType);
    let r#type = value.map(|value| TypeProto { value: Some(value), ..TypeProto::default() });
    ValueInfoProto { name: Some(name.to_owned()), r#type, ..ValueInfoProto::default() }
}

/// Says that no activation has this name, and which names are near.
pub(crate) fn unknown(model: &Model, name: &str) -> Error {
    Error::UnknownTensor { name: name.to_owned(), nearest: nearest(model, name, 3) }
}

/// The graph input that declares an initializer, as files before IR 4 need it.
pub(crate) fn input_of(tensor: &TensorProto) -> ValueInfoProto {
    let dim = |&size: &i64| Dimension { value: Some(dimension::Value::DimValue(size)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: tensor.dims.iter().map(dim).collect() };
    let kind = type_proto::Tensor { elem_type: tensor.data_type, shape: Some(shape) };
    let value = Some(type_proto::Value::TensorType(kind));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { name: tensor.name.clone(), r#type, ..ValueInfoProto::default() }
}
