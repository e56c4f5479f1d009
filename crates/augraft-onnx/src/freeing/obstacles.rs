//! Places besides `Reshape` that can hold a batch size.

use std::collections::BTreeSet;

use crate::batch::{is_baked, reshape_target};
use crate::flow::Flow;
use crate::nodes::{bodies, label};
use crate::proto::{GraphProto, NodeProto};
use crate::stored::Stored;

/// Returns the first node that works for one batch size and cannot be freed, in words.
pub(super) fn find(flow: &Flow, images: &BTreeSet<&str>, size: i64) -> Option<String> {
    let stored = Stored::in_graph(flow.graph);
    let mut readers =
        flow.graph.node.iter().zip(&flow.reads).filter(|(_, reads)| reads.iter().any(|name| images.contains(name)));
    readers.find_map(|(node, _)| Some(format!("{} {}", label(node), obstacle(node, flow, &stored, size)?)))
}

fn obstacle(node: &NodeProto, flow: &Flow, stored: &Stored, size: i64) -> Option<String> {
    let is_given = |slot: usize| node.input.get(slot).is_some_and(|name| !name.is_empty() && flow.is_constant(name));
    match node.op_type() {
        "Resize" => {
            let sizes = stored.int64_values(node.input.get(3)?)?;
            (!has_axes(node) && !sizes.is_empty()).then(|| format!("gives the sizes {sizes:?}, batch included"))
        }
        // A stored size of 1 leaves the batch to the data.
        "Expand" if size > 1 => {
            let shape = stored.int64_values(node.input.get(1)?)?;
            shape.contains(&size).then(|| format!("expands to the shape {shape:?}"))
        }
        "Squeeze" if size == 1 && node.input.len() < 2 && !has_axes(node) => {
            Some("drops every dimension of 1, batch included".into())
        }
        "LSTM" | "GRU" | "RNN" if is_given(5) || is_given(6) => Some("starts from a stored state of one batch".into()),
        "Concat" if !joins_images(node) && (0..node.input.len()).any(is_given) => {
            Some("joins stored values of one batch".into())
        }
        _ if bodies(node).any(has_baked_reshape) => Some("holds a Reshape with a baked batch in its body".into()),
        _ => None,
    }
}

fn has_axes(node: &NodeProto) -> bool {
    node.attribute.iter().any(|attribute| attribute.name() == "axes")
}

/// Says whether a `Concat` puts images behind one another, so that its parts may differ in their first dimension.
fn joins_images(node: &NodeProto) -> bool {
    node.attribute.iter().any(|attribute| attribute.name() == "axis" && attribute.i() == 0)
}

fn has_baked_reshape(body: &GraphProto) -> bool {
    let stored = Stored::in_graph(body);
    let target =
        |node: &NodeProto| Some(node).filter(|n| n.op_type() == "Reshape").and_then(|n| reshape_target(n, &stored));
    body.node
        .iter()
        .any(|node| target(node).is_some_and(|target| is_baked(&target)) || bodies(node).any(has_baked_reshape))
}
