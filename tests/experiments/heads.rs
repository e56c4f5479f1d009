//! Class activation maps of other heads than global average pooling of N,C,H,W.

use std::fs;

use augraft::onnx::{DataType, Graph, Tensor, Value, int_attribute, ints_attribute};
use augraft_tests::npz;
use insta::assert_snapshot;
use ndarray::ArrayD;

use crate::refused::{add, refused_with};
use crate::support::{Case, classifier_of, named};

fn case_of(pool: impl for<'g> Fn(&'g Graph, Value<'g>) -> Value<'g>) -> Case {
    let case = Case::new();
    fs::write(case.path().join("classifier.onnx"), classifier_of(pool).to_bytes()).expect("a model");
    case
}

/// The rows of a map N,C,H,W as tokens N,T,D.
fn tokens<'g>(graph: &'g Graph, map: Value<'g>) -> Value<'g> {
    let rows = map.reshape(&[0, 0, -1]).transpose(&[0, 2, 1]);
    named(graph, "tokens", "Relu", &[rows], vec![])
}

fn mean<'g>(map: Value<'g>, axes: &[i64]) -> Value<'g> {
    let attributes = vec![ints_attribute("axes", axes), int_attribute("keepdims", 0)];
    map.graph().node("ReduceMean", &[map], attributes, DataType::F32)
}

const SITES: &str = "model.sites={}";

#[test]
fn means_over_tokens_and_over_rows_and_columns_have_the_map_of_global_average_pooling() {
    let methods = "experiment.saliency.methods=[cam]";
    let pooled = Case::new();
    pooled.run("cam_wsol", 5, "out", &["--set", methods]);
    let listed = case_of(|graph, map| mean(tokens(graph, map), &[1]));
    let grid = "experiment.tokens={grid: [4, 4], class: 0}";
    listed.run("cam_wsol", 5, "out", &["--set", methods, "--set", grid, "--set", SITES]);
    let last =
        case_of(|graph, map| mean(named(graph, "last", "Relu", &[map.transpose(&[0, 2, 3, 1])], vec![]), &[1, 2]));
    last.run("cam_wsol", 5, "out", &["--set", methods, "--set", SITES]);
    let maps = |case: &Case| -> ArrayD<f32> { npz(&case.path().join("out/maps.npz"), "cam_values") };
    let expected = maps(&pooled);
    let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    assert!(largest > 0.0);
    for found in [maps(&listed), maps(&last)] {
        assert_eq!(expected.shape(), found.shape());
        for (a, b) in expected.iter().zip(&found) {
            assert!((a - b).abs() <= 1e-5 * largest, "{a} {b}");
        }
    }
}

#[test]
fn heads_without_such_a_map_say_why() {
    let data = "data: { folder: photos, batch: 4 }\n";
    let cam = "  metrics: [top1]\n  saliency: { methods: [cam] }\n";
    let mut all = String::new();
    let said = |case: &Case| refused_with(case, data, cam, &["--set", SITES]);
    add(
        &mut all,
        &said(&case_of(|graph, map| {
            let first = graph.constant(Tensor::scalar(0i64));
            tokens(graph, map).gather(first, 1)
        })),
    );
    add(
        &mut all,
        &said(&case_of(|graph, map| {
            let ones = graph.constant(Tensor::vector(vec![1f32; 12]));
            let pooled = map.unary("GlobalAveragePool").unary("Flatten");
            named(graph, "norm", "LayerNormalization", &[pooled, ones], vec![])
        })),
    );
    add(&mut all, &said(&case_of(|graph, map| mean(tokens(graph, map), &[1]))));
    assert_snapshot!(all);
}
