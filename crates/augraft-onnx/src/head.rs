//! The end of a classifier: global average pooling and a linear layer.

use crate::flow::Flow;
use crate::model::Model;
use crate::proto::NodeProto;

/// Operators that hand on the pooled values as they are.
const PASSING: [&str; 7] = ["Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Cast"];

/// Returns the feature map whose mean over the plane is all that the first output depends on, linearly; none where the model ends in another way.
///
/// The output is followed backwards: one or two of `Gemm`, `MatMul` and `Add` of a constant, operators that only change the shape, and then
/// `GlobalAveragePool`, or `ReduceMean` over the last two axes. Class activation maps (Zhou et al., CVPR 2016) exist for such models.
#[must_use]
pub fn pooled_map(model: &Model) -> Option<String> {
    let flow = Flow::of(model);
    let mut name = flow.graph.output.first()?.name();
    let mut is_linear = false;
    loop {
        let node = &flow.graph.node[flow.producer(name)?];
        let mut active =
            node.input.iter().map(String::as_str).filter(|input| !input.is_empty() && !flow.is_constant(input));
        let source = active.next()?;
        let alone = active.next().is_none();
        match node.op_type() {
            "Gemm" | "MatMul" if alone => is_linear = true,
            "Add" if alone => {}
            "Conv" if alone && is_pointwise(node) => is_linear = true,
            op if PASSING.contains(&op) => {}
            "GlobalAveragePool" if is_linear => return Some(source.to_owned()),
            "ReduceMean" if is_linear && is_spatial(&flow, node) => return Some(source.to_owned()),
            _ => return None,
        }
        name = source;
    }
}

/// Whether a convolution is a linear layer on a map of one pixel, as far as its attributes tell.
fn is_pointwise(node: &NodeProto) -> bool {
    let kernel = node.attribute.iter().find(|attribute| attribute.name() == "kernel_shape");
    kernel.is_none_or(|kernel| kernel.ints.iter().all(|side| *side == 1))
}

/// Whether a mean goes over rows and columns.
fn is_spatial(flow: &Flow, node: &NodeProto) -> bool {
    let attribute = node.attribute.iter().find(|attribute| attribute.name() == "axes").map(|axes| axes.ints.clone());
    let stored = || {
        let name = node.input.get(1)?;
        flow.graph.initializer.iter().find(|tensor| tensor.name() == name).and_then(crate::payload::int64_values)
    };
    matches!(attribute.or_else(stored).as_deref(), Some([2, 3] | [-2, -1] | [3, 2] | [-1, -2]))
}
