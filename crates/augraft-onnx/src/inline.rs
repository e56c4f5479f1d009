//! The nodes of a model inside a graph under construction.

use std::collections::BTreeMap;

use crate::elements::element_types;
use crate::error::Error;
use crate::flow::Flow;
use crate::graph::{Graph, Value};
use crate::model::Model;
use crate::nodes::{bodies, is_random, label};
use crate::opset::raise_opset;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, TensorProto};
use crate::tensor::{DataType, Tensor};

/// Says why the nodes of a model cannot stand inside another graph, or returns `None` when they can.
///
/// They can where every node is a standard operator without a body, and none draws random numbers.
#[must_use]
pub fn not_inlinable(model: &Model) -> Option<String> {
    let node = |node| {
        let what = label(node);
        if !matches!(node.domain(), "" | "ai.onnx") {
            return Some(format!("{what} is no standard operator, but of the domain '{}'", node.domain()));
        }
        if is_random(node) {
            return Some(format!("{what} draws random numbers of its own; make them inputs"));
        }
        if node.op_type() == "Dropout" && node.input.get(2).is_some_and(|mode| !mode.is_empty()) {
            return Some(format!("{what} may drop at random; export the model for inference"));
        }
        bodies(node).next().map(|_| format!("{what} has a graph inside"))
    };
    let graph = model.graph();
    let sparse = graph.sparse_initializer.first().map(|_| "it has sparse initializers".to_owned());
    graph.node.iter().find_map(node).or(sparse)
}

impl Graph {
    /// Adds the nodes of `model`, with `inputs` by name in place of its inputs; returns its outputs in order.
    ///
    /// # Errors
    /// When the model cannot be inlined, an input is missing, or its opset cannot become that of this graph.
    pub fn inline<'g>(&'g self, model: &Model, inputs: &[(&str, Value<'g>)]) -> Result<Vec<Value<'g>>, Error> {
        if let Some(problem) = not_inlinable(model) {
            return Err(Error::invalid(problem));
        }
        let raised;
        let model = if model.opset() == self.opset() {
            model
        } else {
            raised = raise_opset(model, self.opset())?;
            &raised
        };
        let flow = Flow::of(model);
        let types = element_types(&flow);
        let mut values: BTreeMap<&str, Value<'g>> = BTreeMap::new();
        for tensor in &flow.graph.initializer {
            values.insert(tensor.name(), self.stored(tensor));
        }
        for name in &flow.inputs {
            let given = inputs.iter().find(|(input, _)| input == name);
            let (_, value) = given.ok_or_else(|| Error::invalid(format!("its input '{name}' is given nothing")))?;
            values.insert(name, *value);
        }
        for node in &flow.graph.node {
            let read: Vec<Option<u32>> =
                node.input.iter().map(|name| values.get(name.as_str()).map(|value| value.id)).collect();
            let mut made = Vec::new();
            // An output that is left out gets a name, because the graph has no place without one.
            for name in &node.output {
                let dtype = types
                    .get(name.as_str())
                    .and_then(|&element| DataType::from_proto(element))
                    .unwrap_or(DataType::F32);
                let value = self.declare(if name.is_empty() { "unused" } else { name.trim_start_matches('/') }, dtype);
                if !name.is_empty() {
                    values.insert(name, value);
                }
                made.push(value.id);
            }
            self.push(node.op_type().to_owned().into(), read, made, node.attribute.clone());
        }
        let output = |name: &str| {
            values.get(name).copied().ok_or_else(|| Error::invalid(format!("nothing produces its output '{name}'")))
        };
        flow.graph.output.iter().map(|port| output(port.name())).collect()
    }

    /// A tensor of another model: a constant, as a node where its element type is one that [`Tensor`] does not hold.
    fn stored(&self, tensor: &TensorProto) -> Value<'_> {
        if let Some(tensor) = Tensor::from_proto(tensor) {
            return self.constant(tensor);
        }
        let value = self.declare("constant", DataType::F32);
        let attribute = AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor as i32),
            t: Some(tensor.clone()),
            ..AttributeProto::default()
        };
        self.define(value, "Constant", &[], vec![attribute]);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::NodeProto;
    use crate::recorded::Side;

    #[test]
    fn an_output_that_is_left_out_feeds_no_input_that_is_left_out() {
        let graph = Graph::new(18);
        let x = graph.input("x", DataType::F32, &[Side::Named("N")]);
        graph.output(x.unary("Relu"), "y", &[Side::Named("N")]);
        let mut proto = graph.into_proto("model", &[]);
        let nodes = &mut proto.graph.as_mut().unwrap().node;
        let node = |op: &str, inputs: &[&str], outputs: &[&str]| NodeProto {
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: outputs.iter().map(|&name| name.to_owned()).collect(),
            ..NodeProto::default()
        };
        *nodes = vec![node("TopK", &["x", "x"], &["", "at"]), node("Clip", &["at", "", "x"], &["y"])];
        let model = Model::from_proto(proto).unwrap();

        let outer = Graph::new(18);
        let given = outer.input("given", DataType::F32, &[Side::Named("N")]);
        let made = outer.inline(&model, &[("x", given)]).unwrap();
        outer.output(made[0], "out", &[Side::Named("N")]);
        let inlined = outer.into_proto("outer", &[]).graph.unwrap();
        let clip = inlined.node.iter().find(|node| node.op_type() == "Clip").unwrap();
        assert_eq!(clip.input[1..], ["", "given"]);
    }
}
