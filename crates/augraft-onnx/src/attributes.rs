//! Attributes of nodes, made from their values.

use crate::proto::{AttributeProto, NodeProto, TensorProto, attribute_proto::AttributeType};

/// An integer attribute of a node.
#[must_use]
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// An attribute of a node that is a list of integers.
#[must_use]
pub fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// A text attribute of a node.
#[must_use]
pub fn text_attribute(name: &str, value: &str) -> AttributeProto {
    let s = Some(value.as_bytes().to_vec().into());
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::String as i32), s, ..Default::default() }
}

/// An attribute of a node that is a tensor.
pub(crate) fn tensor_attribute(name: &str, tensor: TensorProto) -> AttributeProto {
    let kind = Some(AttributeType::Tensor as i32);
    AttributeProto { name: Some(name.to_owned()), r#type: kind, t: Some(tensor), ..Default::default() }
}

/// Returns an attribute that a node has.
pub(crate) fn attribute_of<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}

/// Returns the integer that an attribute of a node is.
pub(crate) fn int_of(node: &NodeProto, name: &str) -> Option<i64> {
    attribute_of(node, name)?.i
}

/// Returns the integers that an attribute of a node is.
pub(crate) fn ints_of(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    attribute_of(node, name).map(|list| list.ints.clone())
}
