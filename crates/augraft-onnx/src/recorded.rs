//! What a graph under construction has recorded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::proto::AttributeProto;
use crate::tensor::{DataType, Tensor};

/// A side of a graph input or output: fixed, or named and free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// This many elements.
    Fixed(usize),
    /// Any number, equal wherever the name is.
    Named(&'static str),
    /// A side with a name and a number behind it, alike.
    Numbered(&'static str, usize),
}

/// The tensors and nodes of a graph in the order of the calls, and what finds equal ones again.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) values: Vec<Named>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: Vec<(u32, Tensor)>,
    pub(crate) inputs: Vec<(u32, Vec<Side>)>,
    pub(crate) outputs: Vec<(u32, Vec<Side>)>,
    pub(crate) docs: BTreeMap<String, String>,
    pub(crate) constants: BTreeMap<(DataType, Vec<usize>, Vec<u8>), u32>,
    /// Places of constants in `initializers`.
    pub(crate) stored: BTreeMap<u32, usize>,
    pub(crate) known: BTreeMap<(String, Vec<u32>, Vec<u8>), u32>,
    pub(crate) scope: String,
    pub(crate) counts: BTreeMap<String, usize>,
}

impl Recorded {
    /// Whether a caller chose the name of a tensor, so that it must stay.
    pub(crate) fn is_chosen(&self, id: u32) -> bool {
        self.values[id as usize].chosen
    }
}

/// A tensor: its name, whether a caller chose it, whether a node makes it, and its element type.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) chosen: bool,
    pub(crate) made: bool,
    pub(crate) dtype: DataType,
}

/// A node, whose tensors are places in the list of them.
pub(crate) struct Node {
    pub(crate) op: Cow<'static, str>,
    /// None where an optional input is left out.
    pub(crate) inputs: Vec<Option<u32>>,
    pub(crate) outputs: Vec<u32>,
    pub(crate) attributes: Vec<AttributeProto>,
    pub(crate) scope: String,
}
