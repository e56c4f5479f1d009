//! Small graphs made from protobuf values.

use augraft_onnx::Model;
use augraft_onnx::proto::attribute_proto::AttributeType;
use augraft_onnx::proto::tensor_proto::DataType;
use augraft_onnx::proto::tensor_shape_proto::{Dimension, dimension};
use augraft_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto { op_type: Some(op.into()), input: owned(inputs), output: owned(outputs), ..NodeProto::default() }
}

/// A node whose only attribute is the graph `body`.
pub(crate) fn with_body(mut node: NodeProto, body: GraphProto) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some("body".into()),
        r#type: Some(AttributeType::Graph as i32),
        g: Some(body),
        ..AttributeProto::default()
    });
    node
}

/// An image-like input or output whose first dimension is `N`.
pub(crate) fn value(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let batch = dimension::Value::DimParam("N".into());
    let dims = std::iter::once(batch).chain(sizes.iter().map(|&size| dimension::Value::DimValue(size)));
    let dim = dims.map(|value| Dimension { value: Some(value), ..Dimension::default() }).collect();
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Float as i32), shape: Some(TensorShapeProto { dim }) };
    let value = Some(type_proto::Value::TensorType(tensor));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { name: Some(name.into()), r#type, ..ValueInfoProto::default() }
}

pub(crate) fn floats(name: &str, dims: &[i64]) -> TensorProto {
    let count = usize::try_from(dims.iter().product::<i64>()).unwrap();
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float as i32),
        raw_data: Some(vec![0; count * 4].into()),
        ..TensorProto::default()
    }
}

pub(crate) fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: vec![i64::try_from(values.len()).unwrap()],
        data_type: Some(DataType::Int64 as i32),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub(crate) fn proto(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(18) }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

pub(crate) fn model(graph: GraphProto) -> Model {
    Model::from_proto(proto(graph)).unwrap()
}

/// Nodes from `x` to `y` without initializers.
pub(crate) fn plain(nodes: Vec<NodeProto>) -> GraphProto {
    GraphProto {
        name: Some("plain".into()),
        node: nodes,
        input: vec![value("x", &[3, 8, 8])],
        output: vec![value("y", &[10])],
        ..GraphProto::default()
    }
}

/// Two convolutions, a residual block around the second one, and a classifier.
///
/// ```text
/// x ─conv1─ c1 ─relu─ r1 ─conv2─ c2 ─relu─ r2 ─add─ s ─pool─ p ─flatten─ f ─gemm─ y
///                      └───────────────────────┘
/// ```
pub(crate) fn residual() -> GraphProto {
    let nodes = vec![
        node("Conv", &["x", "w1"], &["c1"]),
        node("Relu", &["c1"], &["r1"]),
        node("DequantizeLinear", &["w2", "scale"], &["w2_real"]),
        node("Conv", &["r1", "w2_real"], &["c2"]),
        node("Relu", &["c2"], &["r2"]),
        node("Add", &["r2", "r1"], &["s"]),
        node("GlobalAveragePool", &["s"], &["p"]),
        node("Flatten", &["p"], &["f"]),
        node("Gemm", &["f", "w3", "b3"], &["y"]),
    ];
    let initializer = vec![
        floats("w1", &[4, 3, 3, 3]),
        floats("w2", &[4, 4, 3, 3]),
        floats("scale", &[]),
        floats("w3", &[4, 10]),
        floats("b3", &[10]),
    ];
    GraphProto { initializer, value_info: vec![value("r1", &[4, 8, 8])], ..plain(nodes) }
}

/// A small deterministic generator (Knuth's 64-bit linear congruence, upper bits).
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// Returns a copy of one of several items.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    pub(crate) fn pick_mut<'t, T>(&mut self, items: &'t mut [T]) -> Option<&'t mut T> {
        let place = self.below(items.len().max(1));
        items.get_mut(place)
    }
}
