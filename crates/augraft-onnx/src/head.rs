//! The end of a classifier: the mean of a map and a linear layer.

use crate::attributes::{int_of, ints_of};
use crate::flow::Flow;
use crate::layout::Channels;
use crate::model::{Model, port};
use crate::nodes::{is_standard, label};
use crate::proto::NodeProto;
use crate::stored::Stored;

/// A map whose mean over all positions is what the answer depends on, linearly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledMap {
    /// The tensor.
    pub tensor: String,
    /// Which of its axes are channels.
    pub channels: Channels,
}

/// Operators behind the pooling that hand on values as they are, at other places.
const PASSING: [&str; 8] = ["Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Transpose"];

/// Operators that are linear, or add a constant, where all inputs but one are constants.
const AFFINE: [&str; 4] = ["Add", "Sub", "Mul", "BatchNormalization"];

/// Returns the map whose mean over all positions is all that the first output depends on, linearly.
///
/// The output is followed backwards: `Gemm`, `MatMul`, `Conv` of one pixel and arithmetic with constants, operators that only change the shape, and then
/// `GlobalAveragePool`, or `ReduceMean` over the positions. Class activation maps (Zhou et al., CVPR 2016) exist for such models.
/// What comes before the mean may be anything, such as a normalization of each position over its channels.
///
/// # Errors
/// The reason, a sentence, where the model ends in another way.
pub fn pooled_map(model: &Model) -> Result<PooledMap, String> {
    let flow = Flow::of(model);
    let head = Head { stored: Stored::in_graph(flow.graph), flow };
    let mut name = head.flow.graph.output.first().map_or("", |output| output.name());
    let (mut is_linear, mut normalization) = (false, None);
    loop {
        let Some(node) = head.producer(name) else {
            return Err(format!("{ENDS}, but everything up to `{name}` is linear"));
        };
        let source = head.only_input(node);
        let op = if is_standard(node.domain()) { node.op_type() } else { "" };
        name = match (op, source) {
            ("Gemm" | "MatMul", Some(source)) => {
                is_linear = true;
                source
            }
            ("Conv", Some(source)) if is_pointwise(node) => {
                is_linear = true;
                source
            }
            ("Gather" | "Slice", Some(source)) if head.picks_token(node, source) => return Err(CLASS_TOKEN.to_owned()),
            ("Gather" | "Slice", Some(source)) => return Err(head.no_pooling(node, source)),
            ("GlobalAveragePool" | "ReduceMean", Some(source)) => {
                let map = head.map(node, source);
                return match (map, normalization) {
                    (None, _) => Err(head.no_pooling(node, source)),
                    (_, Some(between)) => Err(format!(
                        "{between} stands between the mean of the map and the answer, which is then not linear in the map"
                    )),
                    _ if !is_linear => Err(format!("{ENDS}, but in {} without a linear layer", label(node))),
                    (Some(map), None) => Ok(map),
                };
            }
            ("LayerNormalization", Some(source)) => {
                normalization = Some(label(node));
                source
            }
            // A normalization that is written out.
            ("Div", _) if head.normalized(node).is_some() => {
                normalization = Some(format!("the normalization that ends in {}", label(node)));
                head.normalized(node).unwrap_or_default()
            }
            ("Div", Some(source)) if node.input.first().is_some_and(|over| over == source) => source,
            (op, Some(source)) if AFFINE.contains(&op) || PASSING.contains(&op) => source,
            _ => return Err(format!("{ENDS}, but {} comes behind", label(node))),
        };
    }
}

/// How a reason begins.
const ENDS: &str = "the model does not end in global average pooling and a linear head";

const CLASS_TOKEN: &str =
    "the answer depends on the class token alone, not on the mean of the map; use `occlusion` or another method";

struct Head<'m> {
    flow: Flow<'m>,
    stored: Stored<'m>,
}

impl<'m> Head<'m> {
    fn producer(&self, name: &str) -> Option<&'m NodeProto> {
        self.flow.producer(name).map(|at| &self.flow.graph.node[at])
    }

    /// The only input that is no constant.
    fn only_input(&self, node: &'m NodeProto) -> Option<&'m str> {
        let mut active =
            node.input.iter().map(String::as_str).filter(|name| !name.is_empty() && !self.flow.is_constant(name));
        let first = active.next()?;
        active.next().is_none().then_some(first)
    }

    /// The number of dimensions of a tensor: as declared, or that of what a `Transpose` reorders.
    fn rank(&self, name: &str) -> Option<usize> {
        let graph = self.flow.graph;
        let declared = graph.value_info.iter().chain(&graph.input).find(|info| info.name() == name);
        let reordered = || self.producer(name).and_then(|node| ints_of(node, "perm")).map(|order| order.len());
        declared.and_then(|info| Some(port(info).shape?.len())).or_else(reordered)
    }

    /// The map that a node takes the mean of, where the mean is over all positions.
    fn map(&self, node: &NodeProto, source: &'m str) -> Option<PooledMap> {
        let rank = self.rank(source);
        let (rank, axes) = if node.op_type() == "GlobalAveragePool" {
            let rank = rank.unwrap_or(4);
            (rank, (2..rank as i64).collect())
        } else {
            let axes = ints_of(node, "axes").or_else(|| self.stored.int64_values(node.input.get(1)?))?;
            let rank = rank.unwrap_or(if axes.len() == 1 { 3 } else { 4 });
            let mut axes: Vec<i64> =
                axes.iter().map(|axis| if *axis < 0 { axis + rank as i64 } else { *axis }).collect();
            axes.sort_unstable();
            (rank, axes)
        };
        let found = |channels| Some(PooledMap { tensor: source.to_owned(), channels });
        match (rank, &axes[..]) {
            (4, [2, 3]) => found(Channels::First),
            (4, [1, 2]) | (3, [1]) => found(Channels::Last),
            // Channels, then positions: what they are made from is a layout with a name.
            (3, [2]) => {
                let before = self.producer(source)?;
                let tensor = self.only_input(before)?.to_owned();
                let channels = match before.op_type() {
                    "Transpose" if ints_of(before, "perm")? == [0, 2, 1] => Channels::Last,
                    "Reshape" | "Flatten" if self.rank(&tensor) == Some(4) => Channels::First,
                    _ => return None,
                };
                Some(PooledMap { tensor, channels })
            }
            _ => None,
        }
    }

    /// Whether a node takes one token of all, from tensors N,T,D.
    fn picks_token(&self, node: &NodeProto, source: &str) -> bool {
        let axis = |axis: i64| matches!(axis, 1 | -2) && self.rank(source).is_none_or(|rank| rank == 3);
        if node.op_type() == "Gather" {
            let at = int_of(node, "axis").unwrap_or(0);
            return axis(at)
                && node.input.get(1).is_some_and(|at| self.stored.int64_values(at).is_some_and(|at| at.len() == 1));
        }
        let list =
            |name: &str, at: usize| ints_of(node, name).or_else(|| self.stored.int64_values(node.input.get(at)?));
        let (starts, ends, axes) = (list("starts", 1), list("ends", 2), list("axes", 3));
        // Other axes that are listed too are kept whole, as exporters write `x[:, 0:1, :]`.
        let mut bounds = starts.iter().flatten().zip(ends.iter().flatten()).zip(axes.iter().flatten());
        bounds.any(|((start, end), at)| axis(*at) && end - start == 1)
    }

    /// The values that a division by their deviation normalizes: `Div(Sub(x, ReduceMean(x)), ...)`.
    fn normalized(&self, node: &'m NodeProto) -> Option<&'m str> {
        let centered = self.producer(node.input.first()?).filter(|node| node.op_type() == "Sub")?;
        let [values, mean] = &centered.input[..] else { return None };
        let mean = self.producer(mean).filter(|node| node.op_type() == "ReduceMean")?;
        let is_scaled = node.input.get(1).is_some_and(|by| !self.flow.is_constant(by));
        (mean.input.first() == Some(values) && is_scaled).then_some(values)
    }

    fn no_pooling(&self, node: &NodeProto, source: &str) -> String {
        let rank = self.rank(source).map(|rank| format!(" of {rank} axes")).unwrap_or_default();
        format!("{ENDS}, but {} reads `{source}`{rank}, and it is no mean over all positions of a map", label(node))
    }
}

/// Whether a convolution is a linear layer on a map of one pixel, as far as its attributes tell.
fn is_pointwise(node: &NodeProto) -> bool {
    ints_of(node, "kernel_shape").is_none_or(|kernel| kernel.iter().all(|side| *side == 1))
}
