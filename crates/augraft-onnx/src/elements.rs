//! Element types, as far as they are declared or follow from the operators.

use std::collections::BTreeMap;

use crate::attributes::int_of;
use crate::flow::Flow;
use crate::model::Model;
use crate::nodes::is_standard;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto, ValueInfoProto, type_proto};

/// Operators that count or point.
const INDICES: [&str; 6] = ["ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "Shape", "Size"];

/// Operators that compare or decide.
const TRUTHS: [&str; 12] = [
    "And",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Not",
    "Or",
    "RegexFullMatch",
    "Xor",
];

/// Operators whose outputs have types of their own, or are no tensors.
const UNCERTAIN: [&str; 10] = [
    "BlackmanWindow",
    "HammingWindow",
    "HannWindow",
    "If",
    "ImageDecoder",
    "Loop",
    "MelWeightMatrix",
    "Scan",
    "StringSplit",
    "TfIdfVectorizer",
];

/// Operators of ONNX Runtime whose first output has the type of their first input.
const LIKE_THE_FIRST: [&str; 18] = [
    "Attention",
    "BiasGelu",
    "FastGelu",
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "Gelu",
    "LayerNormalization",
    "MultiHeadAttention",
    "QLinearAdd",
    "QLinearAveragePool",
    "QLinearGlobalAveragePool",
    "QLinearLeakyRelu",
    "QLinearMul",
    "QLinearSigmoid",
    "QLinearSoftmax",
    "QuickGelu",
    "SkipLayerNormalization",
];

/// Returns the element type of a tensor of the main graph, where that is certain and one that [`Tensor`](crate::Tensor) holds.
#[must_use]
pub fn element_of(model: &Model, name: &str) -> Option<crate::tensor::DataType> {
    element_types(&Flow::of(model)).get(name).and_then(|element| crate::tensor::DataType::from_proto(*element))
}

/// Returns the element types of the main graph's tensors; those that are not certain are left out.
///
/// Exporters seldom declare inner tensors, and a stage must declare what it takes.
pub(crate) fn element_types<'m>(flow: &Flow<'m>) -> BTreeMap<&'m str, i32> {
    let graph = flow.graph;
    let mut types: BTreeMap<&str, i32> = graph.initializer.iter().map(|t| (t.name(), t.data_type())).collect();
    let declared = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    types.extend(declared.filter_map(|info| Some((info.name(), declared_type(info)?))));
    for node in &graph.node {
        for (slot, name) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if types.contains_key(name.as_str()) {
                continue;
            }
            if let Some(element) = output_type(node, slot, &types) {
                types.insert(name, element);
            }
        }
    }
    types
}

/// Returns the element type that a value declares.
fn declared_type(info: &ValueInfoProto) -> Option<i32> {
    match info.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor.elem_type()).filter(|&element| element != 0),
        _ => None,
    }
}

fn output_type(node: &NodeProto, slot: usize, types: &BTreeMap<&str, i32>) -> Option<i32> {
    use DataType as T;
    let input = |slot: usize| node.input.get(slot).and_then(|name| types.get(name.as_str())).copied();
    let attribute =
        |name: &str| int_of(node, name).and_then(|value| i32::try_from(value).ok()).filter(|&value| value != 0);
    if !is_standard(node.domain()) {
        return match node.op_type() {
            "QuantizeLinear" => input(2).or(Some(T::Uint8 as i32)),
            "DequantizeLinear" | "QLinearConcat" => input(1),
            "QLinearConv" => input(7),
            "QGemm" => input(8).or(Some(T::Float as i32)),
            "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => Some(T::Float as i32),
            op if slot == 0 && LIKE_THE_FIRST.contains(&op) => input(0),
            _ => None,
        };
    }
    match (node.op_type(), slot) {
        (op, _) if INDICES.contains(&op) => Some(T::Int64 as i32),
        (op, _) if TRUTHS.contains(&op) => Some(T::Bool as i32),
        ("TopK" | "Unique" | "MaxPool", 1..) => Some(T::Int64 as i32),
        ("Cast" | "BitCast", _) => attribute("to"),
        ("CastLike" | "Where" | "DequantizeLinear", _) => input(1),
        ("OneHot", _) => input(2),
        ("Constant", _) => constant_type(node),
        ("ConstantOfShape", _) => {
            node.attribute.first().map_or(Some(T::Float as i32), |value| tensor_type(value.t.as_ref()))
        }
        ("QuantizeLinear", _) => input(2).or_else(|| attribute("output_dtype")).or(Some(T::Uint8 as i32)),
        ("DynamicQuantizeLinear", 1) => Some(T::Float as i32),
        ("DynamicQuantizeLinear", _) => Some(T::Uint8 as i32),
        ("QLinearConv" | "QLinearMatMul", _) => input(7),
        ("ConvInteger" | "MatMulInteger", _) => Some(T::Int32 as i32),
        ("RandomNormal" | "RandomUniform", _) => attribute("dtype").or(Some(T::Float as i32)),
        ("Multinomial", _) => attribute("dtype").or(Some(T::Int32 as i32)),
        ("RandomNormalLike" | "RandomUniformLike" | "EyeLike" | "Bernoulli", _) => {
            attribute("dtype").or_else(|| input(0))
        }
        // Statistics of a normalization may be wider than its data, and a mask has the type of the data before opset 10.
        ("BatchNormalization" | "Dropout" | "LayerNormalization", 1..) => None,
        (op, _) if UNCERTAIN.contains(&op) || op.contains("Sequence") || op.starts_with("Optional") => None,
        // The other standard operators return what they are given.
        _ => input(0),
    }
}

fn constant_type(node: &NodeProto) -> Option<i32> {
    let value = node.attribute.first()?;
    match value.name() {
        "value" => tensor_type(value.t.as_ref()),
        "value_int" | "value_ints" => Some(DataType::Int64 as i32),
        "value_float" | "value_floats" => Some(DataType::Float as i32),
        "value_string" | "value_strings" => Some(DataType::String as i32),
        _ => None,
    }
}

fn tensor_type(tensor: Option<&TensorProto>) -> Option<i32> {
    tensor.map(TensorProto::data_type)
}
