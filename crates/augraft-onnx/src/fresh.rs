//! Constants that a model gains, under names that it does not use yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::nodes::{bodies, initializer_names};
use crate::proto::tensor_proto::DataType;
use crate::proto::{GraphProto, NodeProto, TensorProto};

/// New int64 constants of one scope; equal ones are stored once.
pub(crate) struct Constants {
    taken: BTreeSet<String>,
    made: BTreeMap<(Vec<i64>, Vec<i64>), String>,
}

impl Constants {
    /// Starts without constants in a scope where the names `taken` are in use.
    pub(crate) fn beside(taken: BTreeSet<String>) -> Self {
        Self { taken, made: BTreeMap::new() }
    }

    /// Returns the name of a list; a new one is called after `stem` and the values.
    pub(crate) fn list(&mut self, stem: &str, values: &[i64]) -> String {
        self.tensor(stem, vec![values.len() as i64], values)
    }

    /// Returns the name of a single number.
    pub(crate) fn scalar(&mut self, stem: &str, value: i64) -> String {
        self.tensor(stem, Vec::new(), &[value])
    }

    /// Returns a name like `wanted` that nothing else has, and takes it.
    pub(crate) fn name(&mut self, wanted: &str) -> String {
        fresh(wanted, &mut self.taken)
    }

    /// Returns the constants as tensors, ordered by their values.
    pub(crate) fn into_tensors(self) -> impl Iterator<Item = TensorProto> {
        self.made.into_iter().map(|((dims, values), name)| TensorProto {
            name: Some(name),
            dims,
            data_type: Some(DataType::Int64 as i32),
            int64_data: values,
            ..TensorProto::default()
        })
    }

    fn tensor(&mut self, stem: &str, dims: Vec<i64>, values: &[i64]) -> String {
        let taken = &mut self.taken;
        let name = self.made.entry((dims, values.to_vec())).or_insert_with(|| {
            let words: Vec<String> = values.iter().map(i64::to_string).collect();
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
