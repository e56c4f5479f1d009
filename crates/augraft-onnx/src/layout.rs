//! Which axes of a feature map are its channels, as far as the operators around it show.

use std::collections::{BTreeMap, VecDeque};

use crate::attributes::{int_of, ints_of};
use crate::flow::Flow;
use crate::nodes::outputs;
use crate::proto::NodeProto;
use crate::stored::Stored;

/// Where the channels of a tensor with three or four axes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Behind the samples: N,C,H,W or N,C,T.
    First,
    /// At the end: N,H,W,C or N,T,C.
    Last,
}

impl Channels {
    /// What the sides of a batch of images show, open ones being none: images have one, three or four channels.
    #[must_use]
    pub fn of_images(sides: &[Option<usize>]) -> Option<Self> {
        let few = |side: Option<usize>| matches!(side, Some(1 | 3 | 4));
        match *sides {
            [_, first, _, last] if few(first) && !few(last) => Some(Self::First),
            [_, first, _, last] if !few(first) && few(last) => Some(Self::Last),
            _ => None,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::First => Self::Last,
            Self::Last => Self::First,
        }
    }
}

/// Operators whose first input and first output have channels behind the samples, by their definition.
const SPATIAL: [&str; 20] = [
    "AveragePool",
    "BatchNormalization",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "DepthToSpace",
    "FusedConv",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "GridSample",
    "GroupNormalization",
    "InstanceNormalization",
    "LRN",
    "LpPool",
    "MaxPool",
    "MaxUnpool",
    "QLinearConv",
    "RoiAlign",
    "SpaceToDepth",
];

/// Normalizations over the last axis.
const OVER_THE_LAST: [&str; 4] =
    ["LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "SkipLayerNormalization"];

/// Operators whose result does not stand at the places of their first input.
const MOVING: [&str; 26] = [
    "Attention",
    "Compress",
    "Einsum",
    "Flatten",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "If",
    "LSTM",
    "Loop",
    "MatMul",
    "MatMulInteger",
    "MultiHeadAttention",
    "NonMaxSuppression",
    "OneHot",
    "QLinearMatMul",
    "RNN",
    "Reshape",
    "Scan",
    "ScatterElements",
    "ScatterND",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// What links the channels of two tensors.
#[derive(Clone, Copy)]
enum Link {
    Same,
    /// They stand at the same place where that is there.
    SameAt([bool; 2]),
    Other,
}

impl Link {
    fn follow(self, own: Channels) -> Option<Channels> {
        match self {
            Self::Same => Some(own),
            Self::SameAt([first, last]) => Some(own).filter(|own| if *own == Channels::First { first } else { last }),
            Self::Other => Some(own.other()),
        }
    }
}

/// Returns where the channels of tensors with three or four axes stand, of those for which it follows from the operators.
///
/// Convolutions, pools and the like have them behind the samples; normalizations and products with a matrix over the last axis have them at the end.
/// From there it is known of everything that is computed element by element, resized, joined, padded or transposed.
pub(crate) fn channels<'m>(flow: &Flow<'m>, shapes: &BTreeMap<String, Vec<usize>>) -> BTreeMap<&'m str, Channels> {
    let mut known = Known { found: BTreeMap::new(), links: links(flow, shapes), pending: VecDeque::new() };
    let stored = Stored::in_graph(flow.graph);
    let is_map = |name: &&str| shapes.get(*name).is_some_and(|shape| matches!(shape.len(), 3 | 4));
    for (index, node) in flow.graph.node.iter().enumerate() {
        for (name, channels) in
            shown_by(flow, (index, node), &stored, shapes).into_iter().filter(|(name, _)| is_map(name))
        {
            known.say(name, channels);
        }
    }
    for input in flow.inputs.iter().copied().filter(is_map) {
        let sides: Vec<Option<usize>> = shapes[input].iter().copied().map(Some).collect();
        known.say_if(input, Channels::of_images(&sides));
    }
    known.spread();
    // A vector that is added or multiplied is weaker evidence: it may also go along the columns.
    for node in &flow.graph.node {
        let vector = node.input.iter().find_map(|name| dims(&stored, name));
        let Some(dims) = vector.filter(|_| matches!(node.op_type(), "Add" | "Mul" | "Sub" | "Div" | "PRelu")) else {
            continue;
        };
        for name in outputs(node).filter(is_map) {
            known.say_if(name, of_vector(&dims, &shapes[name]));
        }
    }
    known.spread();
    known.found
}

struct Known<'m> {
    found: BTreeMap<&'m str, Channels>,
    links: BTreeMap<&'m str, Vec<(&'m str, Link)>>,
    pending: VecDeque<&'m str>,
}

impl<'m> Known<'m> {
    /// What is said first stays.
    fn say(&mut self, name: &'m str, channels: Channels) {
        if !self.found.contains_key(name) {
            self.found.insert(name, channels);
            self.pending.push_back(name);
        }
    }

    fn say_if(&mut self, name: &'m str, channels: Option<Channels>) {
        if let Some(channels) = channels {
            self.say(name, channels);
        }
    }

    fn spread(&mut self) {
        while let Some(name) = self.pending.pop_front() {
            let Some(&own) = self.found.get(name) else { continue };
            for (other, link) in self.links.get(name).cloned().unwrap_or_default() {
                self.say_if(other, link.follow(own));
            }
        }
    }
}

/// What one operator shows of the tensors that it takes and gives.
fn shown_by<'m>(
    flow: &Flow<'m>,
    (index, node): (usize, &'m NodeProto),
    stored: &Stored,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Vec<(&'m str, Channels)> {
    let input = node.input.first().map(String::as_str).filter(|name| flow.has_values(name));
    let output = node.output.first().map(String::as_str);
    let both = |channels| input.into_iter().chain(output).map(|name| (name, channels)).collect();
    let rank = input.and_then(|name| shapes.get(name)).map(Vec::len);
    match node.op_type() {
        op if SPATIAL.contains(&op) => both(Channels::First),
        op if OVER_THE_LAST.contains(&op) => {
            let axis = int_of(node, "axis").unwrap_or(-1);
            let is_last = rank.is_some_and(|rank| axis == -1 || usize::try_from(axis) == Ok(rank - 1));
            if is_last { both(Channels::Last) } else { Vec::new() }
        }
        "MatMul" | "MatMulInteger" | "QLinearMatMul" | "FusedMatMul" => {
            let weights = node.input.get(if node.op_type() == "QLinearMatMul" { 3 } else { 1 });
            let is_matrix = weights
                .is_some_and(|name| flow.is_constant(name) && dims(stored, name).is_none_or(|dims| dims.len() == 2));
            if is_matrix && flow.value_reads(index).count() == 1 { both(Channels::Last) } else { Vec::new() }
        }
        "ReduceMean" => input.zip(mean_channels(stored, node, rank)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What a mean shows of what it is taken of: over the plane, over the channels, or nothing.
fn mean_channels(stored: &Stored, node: &NodeProto, rank: Option<usize>) -> Option<Channels> {
    let rank = i64::try_from(rank?).ok()?;
    let axes = ints_of(node, "axes").or_else(|| stored.int64_values(node.input.get(1)?));
    let mut axes: Vec<i64> = axes?.into_iter().map(|axis| axis.rem_euclid(rank)).collect();
    axes.sort_unstable();
    match (&axes[..], rank) {
        ([2, 3], 4) | ([2], 3) => match int_of(node, "keepdims").unwrap_or(1) {
            1 if axes.len() == 1 => Some(Channels::Last),
            _ => Some(Channels::First),
        },
        ([1], 4) => Some(Channels::First),
        ([1, 2] | [3], 4) | ([1], 3) => Some(Channels::Last),
        _ => None,
    }
}

/// For each tensor, those whose channels follow from where its own are.
fn links<'m>(flow: &Flow<'m>, shapes: &BTreeMap<String, Vec<usize>>) -> BTreeMap<&'m str, Vec<(&'m str, Link)>> {
    let mut links: BTreeMap<&str, Vec<(&str, Link)>> = BTreeMap::new();
    let shape = |name: &str| shapes.get(name).map(Vec::as_slice).filter(|shape| matches!(shape.len(), 3 | 4));
    for (index, node) in flow.graph.node.iter().enumerate() {
        for output in outputs(node) {
            let Some(to) = shape(output) else { continue };
            for input in flow.value_reads(index) {
                let Some(link) = shape(input).and_then(|from| linked(node, from, to)) else { continue };
                links.entry(input).or_default().push((output, link));
                links.entry(output).or_default().push((input, link));
            }
        }
    }
    links
}

fn linked(node: &NodeProto, from: &[usize], to: &[usize]) -> Option<Link> {
    match node.op_type() {
        "Transpose" => match ints_of(node, "perm")?[..] {
            [0, 2, 3, 1] | [0, 3, 1, 2] | [0, 2, 1] => Some(Link::Other),
            [0, 1, 3, 2] | [0, 2, 1, 3] => Some(Link::Same),
            _ => None,
        },
        // Rows of pixels become one list of positions, or the other way round: the channels stay where they were.
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let keeps_first = from[..2] == to[..2];
            let keeps_last = from[0] == to[0] && from.last() == to.last();
            (from.len() != to.len()).then_some(Link::SameAt([keeps_first, keeps_last]))
        }
        op if MOVING.contains(&op) => None,
        _ => (from.len() == to.len()).then_some(Link::Same),
    }
}

/// What the shape of a constant shows that is broadcast to a map.
fn of_vector(dims: &[usize], shape: &[usize]) -> Option<Channels> {
    let [.., last] = *shape else { return None };
    let long: Vec<usize> = dims.iter().copied().filter(|side| *side > 1).collect();
    let [length] = long[..] else { return None };
    let behind = dims.iter().rev().position(|side| *side > 1)?;
    match behind {
        0 if length == last => Some(Channels::Last),
        behind if behind + 2 == shape.len() && length == shape[1] => Some(Channels::First),
        _ => None,
    }
}

/// The sides of a stored tensor.
fn dims(stored: &Stored, name: &str) -> Option<Vec<usize>> {
    stored.tensor(name)?.dims.iter().map(|side| usize::try_from(*side).ok()).collect()
}
