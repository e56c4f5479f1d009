//! Small classifiers.

use augraft::onnx::{DataType, Graph, Side, Tensor, Value};
use ndarray::{ArrayD, IxDyn};

/// Any number of samples.
pub(crate) const ANY: Side = Side::Named("N");

/// Height and width that the model leaves open.
pub(crate) const OPEN: [Side; 2] = [Side::Named("H"), Side::Named("W")];

/// Height and width that the steps of the cases make.
pub(crate) const EIGHT: [Side; 2] = [Side::Fixed(8), Side::Fixed(8)];

/// A classifier that ends with an average over all places; its tensors are `relu.0`, `globalaveragepool.0`, `flatten.0`.
pub(crate) fn net(batch: Side, size: [Side; 2], classes: usize) -> Graph {
    let graph = Graph::new(18);
    let map = images(&graph, batch.clone(), size).unary("Relu");
    let mean = map.unary("GlobalAveragePool").unary("Flatten");
    finish(&graph, mean, batch, 3, classes);
    graph
}

/// A classifier of images 8 x 8 that leaves height and width open.
pub(crate) fn net_of_eight() -> Graph {
    let graph = Graph::new(18);
    let row = images(&graph, ANY, OPEN).unary("Relu").unary("Flatten");
    finish(&graph, row, ANY, 3 * 8 * 8, 10);
    graph
}

/// A classifier in which a `Reshape` gives one sample whatever comes in.
pub(crate) fn net_with_reshape() -> Graph {
    let graph = Graph::new(18);
    let mean = images(&graph, ANY, EIGHT).unary("Relu").unary("GlobalAveragePool");
    let row = mean.binary("Reshape", graph.ints(&[1, 3]));
    finish(&graph, row, ANY, 3, 10);
    graph
}

/// A classifier whose `Reshape` keeps a batch of 1, and which then answers for the first sample alone.
pub(crate) fn net_of_the_first() -> Graph {
    let graph = Graph::new(18);
    let mean = images(&graph, Side::Fixed(1), EIGHT).unary("Relu").unary("GlobalAveragePool");
    let row = mean.binary("Reshape", graph.ints(&[1, 3])).gather(graph.constant(Tensor::vector(vec![0i64])), 0);
    finish(&graph, row, Side::Fixed(1), 3, 10);
    graph
}

/// A classifier of any number of samples that answers for the first alone.
pub(crate) fn net_that_answers_once() -> Graph {
    let graph = Graph::new(18);
    let mean = images(&graph, ANY, EIGHT).unary("Relu").unary("GlobalAveragePool").unary("Flatten");
    finish(&graph, mean.gather(graph.constant(Tensor::vector(vec![0i64])), 0), Side::Fixed(1), 3, 10);
    graph
}

fn images(graph: &Graph, batch: Side, [height, width]: [Side; 2]) -> Value<'_> {
    graph.input("images", DataType::F32, &[batch, Side::Fixed(3), height, width])
}

fn finish(graph: &Graph, row: Value<'_>, batch: Side, features: usize, classes: usize) {
    let weights = ArrayD::from_shape_fn(IxDyn(&[features, classes]), |at| (at[0] * 7 + at[1] * 3) as f32 % 5.0);
    let logits = row.binary("MatMul", graph.constant(Tensor::F32(weights)));
    graph.output(logits, "logits", &[batch, Side::Fixed(classes)]);
}
