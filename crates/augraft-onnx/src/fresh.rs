//! Constants that a model gains, under names that it does not use yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::nodes::{bodies, initializer_names};
use crate::proto::tensor_proto::DataType;
use crate::proto::{GraphProto, NodeProto, TensorProto};

/// New constants of one scope, int64 or f32; equal ones are stored once.
pub(crate) struct Constants {
    taken: BTreeSet<String>,
    made: BTreeMap<Content, String>,
}

/// What a constant holds, in the order in which constants are written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Int64 { dims: Vec<i64>, values: Vec<i64> },
    Float { dims: Vec<i64>, bits: Vec<u32> },
}

impl Constants {
    /// Starts without constants in a scope where the names `taken` are in use.
    pub(crate) fn beside(taken: BTreeSet<String>) -> Self {
        Self { taken, made: BTreeMap::new() }
    }

    /// Returns the name of a list; a new one is called after `stem` and the values.
    pub(crate) fn list(&mut self, stem: &str, values: &[i64]) -> String {
        let dims = vec![values.len() as i64];
        self.named(stem, values, Content::Int64 { dims, values: values.to_vec() })
    }

    /// Returns the name of a single number.
    pub(crate) fn scalar(&mut self, stem: &str, value: i64) -> String {
        self.named(stem, &[value], Content::Int64 { dims: Vec::new(), values: vec![value] })
    }

    /// Returns the name of a single f32.
    pub(crate) fn float(&mut self, stem: &str, value: f32) -> String {
        self.named(stem, &[value], Content::Float { dims: Vec::new(), bits: vec![value.to_bits()] })
    }

    /// Returns the name of a list of no f32.
    pub(crate) fn no_floats(&mut self, stem: &str) -> String {
        self.named(stem, &["none"], Content::Float { dims: vec![0], bits: Vec::new() })
    }

    /// Returns a name for a tensor that a new node makes.
    pub(crate) fn name(&mut self, wanted: &str) -> String {
        fresh(wanted, &mut self.taken)
    }

    /// Returns the constants as tensors, ordered by their values.
    pub(crate) fn into_tensors(self) -> impl Iterator<Item = TensorProto> {
        self.made.into_iter().map(|(content, name)| {
            let tensor = TensorProto { name: Some(name), ..TensorProto::default() };
            match content {
                Content::Int64 { dims, values } => {
                    TensorProto { dims, data_type: Some(DataType::Int64 as i32), int64_data: values, ..tensor }
                }
                Content::Float { dims, bits } => TensorProto {
                    dims,
                    data_type: Some(DataType::Float as i32),
                    float_data: bits.into_iter().map(f32::from_bits).collect(),
                    ..tensor
                },
            }
        })
    }

    fn named(&mut self, stem: &str, values: &[impl ToString], content: Content) -> String {
        let taken = &mut self.taken;
        let name = self.made.entry(content).or_insert_with(|| {
            let words: Vec<String> = values.iter().map(ToString::to_string).collect();
            fresh(&format!("{stem}_{}", words.join("_")), taken)
        });
        name.clone()
    }
}

/// Returns `wanted`, or the first of `wanted_1`, `wanted_2`, ... that is free, and takes it.
pub(crate) fn fresh(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (1_u64..).map(|number| format!("{wanted}_{number}"));
    let name = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let name = name.expect("some number is free in a finite set");
    taken.insert(name.clone());
    name
}

/// Returns every tensor name in a graph and the graphs inside it, where a new name must not hide one.
pub(crate) fn names_in(graph: &GraphProto) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    let listed = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    names.extend(listed.map(|info| info.name().to_owned()));
    names.extend(names_of(&graph.node));
    names
}

/// Returns every tensor name in the nodes and the graphs inside them.
pub(crate) fn names_of(nodes: &[NodeProto]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        nodes.iter().flat_map(|node| node.input.iter().chain(&node.output)).cloned().collect();
    names.extend(nodes.iter().flat_map(bodies).flat_map(names_in));
    names
}
