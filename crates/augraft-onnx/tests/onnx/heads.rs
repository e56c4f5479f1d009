//! Which map a classifier takes the mean of, and why others take none.

use augraft_onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use augraft_onnx::{Channels, PooledMap, int_attribute, ints_attribute, pooled_map};

use crate::fixtures::{floats, integers, model, node, plain, residual, value};

fn with(mut node: NodeProto, attributes: Vec<AttributeProto>) -> NodeProto {
    node.attribute.extend(attributes);
    node
}

/// Nodes from `x` to `f`, and a linear layer behind them.
fn found(mut nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Result<PooledMap, String> {
    nodes.push(node("Gemm", &["f", "w", "b"], &["y"]));
    let initializer = [constants, vec![floats("w", &[4, 10]), floats("b", &[10])]].concat();
    pooled_map(&model(GraphProto { initializer, ..plain(nodes) }))
}

fn map(tensor: &str, channels: Channels) -> PooledMap {
    PooledMap { tensor: tensor.to_owned(), channels }
}

fn mean(from: &str, axes: &[i64]) -> NodeProto {
    with(node("ReduceMean", &[from], &["f"]), vec![ints_attribute("axes", axes), int_attribute("keepdims", 0)])
}

/// A normalization over the last axis, written out, from `from` to `to`.
fn written_out(from: &str, to: &str) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let over = |from: &str, to: &str| with(node("ReduceMean", &[from], &[to]), vec![ints_attribute("axes", &[-1])]);
    let nodes = vec![
        over(from, "mean"),
        node("Sub", &[from, "mean"], &["centered"]),
        node("Pow", &["centered", "two"], &["squares"]),
        over("squares", "variance"),
        node("Add", &["variance", "epsilon"], &["safe"]),
        node("Sqrt", &["safe"], &["deviation"]),
        node("Div", &["centered", "deviation"], &["normal"]),
        node("Mul", &["normal", "scale"], &["scaled"]),
        node("Add", &["scaled", "shift"], &[to]),
    ];
    let constants = ["two", "epsilon", "scale", "shift"].map(|name| floats(name, &[]));
    (nodes, constants.to_vec())
}

#[test]
fn the_mean_over_rows_and_columns_has_a_map() {
    assert_eq!(pooled_map(&model(residual())), Ok(map("s", Channels::First)));
    for axes in [&[2, 3][..], &[-1, -2]] {
        assert_eq!(found(vec![node("Relu", &["x"], &["m"]), mean("m", axes)], vec![]), Ok(map("m", Channels::First)));
    }
    let affine = vec![
        node("GlobalAveragePool", &["x"], &["p"]),
        node("BatchNormalization", &["p", "s", "s", "s", "s"], &["n"]),
        node("Mul", &["n", "s"], &["m"]),
        node("Div", &["m", "s"], &["d"]),
        node("Flatten", &["d"], &["f"]),
    ];
    assert_eq!(found(affine, vec![floats("s", &[4])]), Ok(map("x", Channels::First)));
}

#[test]
fn normalized_positions_in_front_of_the_mean_are_the_map() {
    let norm = |from: &str, to: &str| node("LayerNormalization", &[from, "s", "s"], &[to]);
    let scale = || vec![floats("s", &[4])];
    // Swin of timm: N,H,W,C.
    for axes in [&[1, 2][..], &[-3, -2]] {
        assert_eq!(found(vec![norm("x", "m"), mean("m", axes)], scale()), Ok(map("m", Channels::Last)));
    }
    // Swin of torchvision: reordered for the pooling.
    let reordered = vec![
        norm("x", "n"),
        with(node("Transpose", &["n"], &["m"]), vec![ints_attribute("perm", &[0, 3, 1, 2])]),
        node("GlobalAveragePool", &["m"], &["p"]),
        node("Flatten", &["p"], &["f"]),
    ];
    assert_eq!(found(reordered, scale()), Ok(map("m", Channels::First)));
    // Swin of transformers: N,T,D, reordered for the pooling.
    for pool in [node("GlobalAveragePool", &["c"], &["p"]), NodeProto { output: vec!["p".into()], ..mean("c", &[-1]) }]
    {
        let tokens = vec![
            norm("x", "m"),
            with(node("Transpose", &["m"], &["c"]), vec![ints_attribute("perm", &[0, 2, 1])]),
            pool,
            node("Flatten", &["p"], &["f"]),
        ];
        assert_eq!(found(tokens, scale()), Ok(map("m", Channels::Last)));
    }
    let (mut nodes, constants) = written_out("x", "m");
    nodes.push(mean("m", &[1, 2]));
    assert_eq!(found(nodes, constants), Ok(map("m", Channels::Last)));
}

#[test]
fn the_mean_over_tokens_has_a_map() {
    for axes in [[1], [-2]] {
        assert_eq!(found(vec![node("Relu", &["x"], &["m"]), mean("m", &axes)], vec![]), Ok(map("m", Channels::Last)));
    }
    // Without the class token, by axes that are a constant.
    let behind = vec![node("Slice", &["x", "one", "most", "one"], &["m"]), node("ReduceMean", &["m", "one"], &["f"])];
    assert_eq!(found(behind, vec![integers("one", &[1]), integers("most", &[i64::MAX])]), Ok(map("m", Channels::Last)));
    // A map whose rows and columns were joined.
    let joined = GraphProto {
        value_info: vec![value("m", &[4, 8, 8])],
        initializer: vec![integers("sides", &[0, 4, -1]), floats("w", &[4, 10])],
        ..plain(vec![
            node("Relu", &["x"], &["m"]),
            node("Reshape", &["m", "sides"], &["c"]),
            mean("c", &[2]),
            node("MatMul", &["f", "w"], &["y"]),
        ])
    };
    assert_eq!(pooled_map(&model(joined)), Ok(map("m", Channels::First)));
}

#[test]
fn heads_without_a_map_say_why() {
    let norm = node("LayerNormalization", &["p", "s", "s"], &["f"]);
    let pool = || node("GlobalAveragePool", &["x"], &["p"]);
    let reason = |nodes, constants| found(nodes, constants).unwrap_err();
    insta::assert_snapshot!(reason(vec![pool(), norm], vec![floats("s", &[4])]), @"LayerNormalization of 'f' stands between the mean of the map and the answer, which is then not linear in the map");
    let (nodes, constants) = written_out("p", "f");
    insta::assert_snapshot!(reason([vec![pool()], nodes].concat(), constants), @"the normalization that ends in Div of 'normal' stands between the mean of the map and the answer, which is then not linear in the map");
    insta::assert_snapshot!(reason(vec![pool(), node("Tanh", &["p"], &["f"])], vec![]), @"the model does not end in global average pooling and a linear head, but Tanh of 'f' comes behind");
    insta::assert_snapshot!(reason(vec![pool(), node("Add", &["p", "x"], &["f"])], vec![]), @"the model does not end in global average pooling and a linear head, but Add of 'f' comes behind");
    insta::assert_snapshot!(reason(vec![mean("x", &[1, 3])], vec![]), @"the model does not end in global average pooling and a linear head, but ReduceMean of 'f' reads `x` of 4 axes, and it is no mean over all positions of a map");
    insta::assert_snapshot!(reason(vec![node("Flatten", &["x"], &["f"])], vec![]), @"the model does not end in global average pooling and a linear head, but everything up to `x` is linear");
    let bare = plain(vec![node("GlobalAveragePool", &["x"], &["p"]), node("Flatten", &["p"], &["y"])]);
    insta::assert_snapshot!(pooled_map(&model(bare)).unwrap_err(), @"the model does not end in global average pooling and a linear head, but in GlobalAveragePool of 'p' without a linear layer");
}

#[test]
fn a_class_token_is_no_mean() {
    let tokens = |more: &[NodeProto]| [&[node("Relu", &["x"], &["t"])], more].concat();
    let gather = |from: &str, axis| with(node("Gather", &[from, "zero"], &["f"]), vec![int_attribute("axis", axis)]);
    let zero = || TensorProto { dims: vec![], ..integers("zero", &[0]) };
    let norm = node("LayerNormalization", &["p", "s", "s"], &["f"]);
    let sliced = |to: &str| node("Slice", &["t", "starts", "ends", "axes"], &[to]);
    let bounds =
        |constants: &[(&str, i64)]| constants.iter().map(|(name, at)| integers(name, &[*at])).collect::<Vec<_>>();
    let first = || bounds(&[("starts", 0), ("ends", 1), ("axes", 1)]);
    let token =
        "the answer depends on the class token alone, not on the mean of the map; use `occlusion` or another method";
    assert_eq!(found(tokens(&[gather("t", 1)]), vec![zero()]), Err(token.to_owned()));
    assert_eq!(found(tokens(&[sliced("p"), node("Squeeze", &["p"], &["f"])]), first()), Err(token.to_owned()));
    assert_eq!(found(tokens(&[sliced("p"), norm]), [first(), vec![floats("s", &[4])]].concat()), Err(token.to_owned()));
    insta::assert_snapshot!(found(vec![gather("x", 1)], vec![zero()]).unwrap_err(), @"the model does not end in global average pooling and a linear head, but Gather of 'f' reads `x` of 4 axes, and it is no mean over all positions of a map");
}
