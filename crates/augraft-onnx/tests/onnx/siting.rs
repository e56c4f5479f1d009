use std::collections::{BTreeMap, BTreeSet};

use augraft_onnx::proto::{GraphProto, NodeProto};
use augraft_onnx::{Channels, Site, baked_batch, cut, ints_attribute, matching, nearest, sites};

use crate::fixtures::{Lcg, integers, model, node, plain, residual, value};

fn measured() -> BTreeMap<String, Vec<usize>> {
    let shapes: [(&str, &[usize]); 9] = [
        ("x", &[1, 3, 8, 8]),
        ("c1", &[1, 4, 8, 8]),
        ("r1", &[1, 4, 8, 8]),
        ("c2", &[1, 4, 8, 8]),
        ("r2", &[1, 4, 8, 8]),
        ("s", &[1, 4, 8, 8]),
        ("p", &[1, 4, 1, 1]),
        ("f", &[1, 4]),
        ("y", &[1, 10]),
    ];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect()
}

fn site<'s>(sites: &'s [Site], name: &str) -> &'s Site {
    sites.iter().find(|site| site.name == name).unwrap()
}

#[test]
fn sites_of_a_residual_network() {
    let sites = sites(&model(residual()), &measured());
    let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["c1", "r1", "c2", "r2", "s", "p", "f"], "nothing reads the output `y`");
    let dominating: Vec<&str> = sites.iter().filter(|site| site.dominates).map(|site| site.name.as_str()).collect();
    assert_eq!(dominating, ["c1", "r1", "s", "p", "f"]);
    assert_eq!((site(&sites, "r2").skips, site(&sites, "s").skips), (1, 0));
    assert_eq!(site(&sites, "s").shape.as_deref(), Some(&[1, 4, 8, 8][..]));
    assert_eq!(site(&sites, "s").op_type, "Add");
}

#[test]
fn shares_count_what_comes_after() {
    let sites = sites(&model(residual()), &measured());
    let (first, second, last) = (f64::from(4 * 64 * 27), f64::from(4 * 64 * 36), f64::from(4 * 10));
    let total = first + second + last;
    let close = |name: &str, share: f64| assert!((site(&sites, name).macs_after - share).abs() < 1e-12, "{name}");
    close("c1", (second + last) / total);
    close("r1", (second + last) / total);
    close("s", last / total);
    let pooled = plain(vec![node("Relu", &["x"], &["a"]), node("Relu", &["a"], &["y"])]);
    let after = self::sites(&model(pooled), &measured())[0].macs_after;
    assert!(after == 0.0 && after.is_sign_positive(), "it is printed");
}

/// Nodes in topological order over tensors `x`, `t0`, `t1`, ...; the last one makes `y`.
fn random_graph(random: &mut Lcg, count: usize) -> GraphProto {
    let mut made = vec!["x".to_owned()];
    let mut nodes = Vec::new();
    for index in 0..count {
        let inputs: Vec<String> =
            (0..=random.below(2)).map(|_| made[made.len() - 1 - random.below(made.len().min(3))].clone()).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let names =
            if index + 1 == count { vec!["y".to_owned()] } else { vec![format!("t{index}"), format!("u{index}")] };
        let outputs: Vec<&str> = names.iter().map(String::as_str).take(1 + random.below(2)).collect();
        nodes.push(node("Op", &inputs, &outputs));
        made.extend(outputs.iter().map(|&name| name.to_owned()));
    }
    plain(nodes)
}

/// Says whether a path leads from `x` to an output when `without` is taken away.
fn connected(graph: &GraphProto, without: &str) -> bool {
    let mut reached = BTreeSet::from(["x"]);
    for node in &graph.node {
        if node.input.iter().any(|name| reached.contains(name.as_str())) {
            reached.extend(node.output.iter().map(String::as_str).filter(|&name| name != without));
        }
    }
    graph.output.iter().any(|output| reached.contains(output.name()))
}

#[test]
fn separation_equals_a_search_for_paths() {
    let mut random = Lcg(3);
    let mut dominating = 0;
    for _ in 0..300 {
        let count = 3 + random.below(12);
        let mut graph = random_graph(&mut random, count);
        if random.below(3) == 0 {
            let inner = graph.node[random.below(count)].output[0].clone();
            if inner != "y" {
                graph.output.push(value(&inner, &[]));
            }
        }
        let model = model(graph.clone());
        let listed = sites(&model, &BTreeMap::new());
        let read = |name: &str| graph.node.iter().any(|node| node.input.iter().any(|input| input == name));
        assert!(listed.iter().all(|site| read(&site.name)), "{graph:?}");
        for site in listed {
            assert_eq!(
                site.dominates,
                connected(&graph, "") && !connected(&graph, &site.name),
                "{} of {graph:?}",
                site.name
            );
            dominating += usize::from(site.dominates);
            let stages = cut(&model, &[&site.name]).unwrap();
            let others = stages[1].inputs.iter().filter(|name| **name != site.name).count();
            assert_eq!(site.skips, others, "{} of {graph:?}", site.name);
        }
    }
    assert!(dominating > 300, "the graphs are too dense to say anything: {dominating}");
}

#[test]
fn patterns_match_whole_names() {
    let graph = plain(vec![
        node("Relu", &["x"], &["/a/Add_output_0"]),
        node("Relu", &["/a/Add_output_0"], &["/b/c/Add_output_0"]),
        node("Relu", &["/b/c/Add_output_0"], &["/b/c/*"]),
        node("Relu", &["/b/c/*"], &["y"]),
    ]);
    let model = model(graph);
    assert_eq!(matching(&model, "/*/Add_output_0"), ["/a/Add_output_0", "/b/c/Add_output_0"]);
    assert_eq!(matching(&model, "/b/c/*"), ["/b/c/*"]);
    assert_eq!(matching(&model, "?"), ["x", "y"]);
    assert_eq!(matching(&model, "*c*0"), ["/b/c/Add_output_0"]);
    assert_eq!(matching(&model, "Add"), Vec::<String>::new());
    assert_eq!(matching(&model, "**").len(), 5);
    assert_eq!(nearest(&model, "/a/add_output_1", 2), ["/a/Add_output_0", "/b/c/Add_output_0"]);
}

fn reshaped(target: &[i64]) -> Option<String> {
    let mut graph = plain(vec![node("Relu", &["x"], &["a"]), node("Reshape", &["a", "target"], &["y"])]);
    graph.initializer = vec![integers("target", target)];
    baked_batch(&model(graph))
}

#[test]
fn baked_batches_are_found() {
    assert!(reshaped(&[1, 192]).unwrap().contains("'y' always gives the shape [1, 192]"));
    assert!(reshaped(&[1, -1]).is_some());
    for free in [&[0, 192][..], &[-1, 192], &[0, -1], &[1, -1, 8, 8], &[-1]] {
        assert_eq!(reshaped(free), None, "{free:?}");
    }
}

#[test]
fn a_fixed_input_is_reported() {
    let mut graph = residual();
    let mut fixed = value("x", &[1, 3, 8, 8]);
    if let Some(augraft_onnx::proto::type_proto::Value::TensorType(tensor)) = &mut fixed.r#type.as_mut().unwrap().value
    {
        tensor.shape.as_mut().unwrap().dim.remove(0);
    }
    graph.input[0] = fixed;
    assert!(baked_batch(&model(graph)).unwrap().contains("declares a batch of 1"));
    assert_eq!(baked_batch(&model(residual())), None);
}

#[test]
fn shapes_that_follow_from_an_image_have_no_batch() {
    let mut graph = plain(vec![
        node("Shape", &["x"], &["sizes"]),
        node("Resize", &["table", "", "", "sizes"], &["resized"]),
        node("Reshape", &["resized", "target"], &["rows"]),
        node("Add", &["x", "rows"], &["y"]),
    ]);
    graph.initializer = vec![integers("target", &[1, 192]), crate::fixtures::floats("table", &[1, 3, 8, 8])];
    assert_eq!(baked_batch(&model(graph)), None);
}

/// A block as exporters write it: sizes of `x` go around `a`, and the values of `x` do not.
fn reshaped_by_sizes() -> GraphProto {
    let mut graph = plain(vec![
        node("Shape", &["x"], &["sizes"]),
        node("Gather", &["sizes", "zero"], &["batch"]),
        node("Relu", &["x"], &["a"]),
        node("ConstantOfShape", &["sizes"], &["zeros"]),
        node("Add", &["a", "zeros"], &["b"]),
        node("Reshape", &["b", "sizes"], &["c"]),
        node("Relu", &["a"], &["unused"]),
        node("Relu", &["c"], &["y"]),
    ]);
    graph.initializer = vec![integers("zero", &[0])];
    graph
}

#[test]
fn sizes_lead_around_nothing() {
    let model = model(reshaped_by_sizes());
    let sites = sites(&model, &BTreeMap::new());
    let listed: Vec<_> = sites.iter().map(|site| (site.name.as_str(), site.dominates, site.skips)).collect();
    assert_eq!(listed, [("a", true, 0), ("b", true, 0), ("c", true, 0)]);
    let idle: BTreeMap<String, &str> = augraft_onnx::idle_tensors(&model).into_iter().collect();
    for (name, reason) in [("batch", "sizes"), ("zeros", "sizes"), ("unused", "depends"), ("y", "output")] {
        assert!(idle[name].contains(reason), "{name} {}", idle[name]);
    }
    // Each part takes the sizes of what it is given, so that it runs on any rows of it.
    let stages = cut(&model, &["b"]).unwrap();
    assert_eq!((&stages[0].outputs[..], &stages[1].inputs[..]), (&["b".to_owned()][..], &["b".into(), "x".into()][..]));
    for stage in &stages {
        let graph = stage.model.proto().graph.as_ref().unwrap();
        assert!(graph.node.iter().any(|node| node.op_type() == "Shape"), "{stage:?}");
    }
    assert!(cut(&model, &["batch"]).unwrap_err().to_string().contains("sizes"));
}

/// The channels of the tensors of a graph whose shapes at batch 1 are these.
fn channels_of(graph: GraphProto, shapes: &[(&str, &[usize])]) -> BTreeMap<String, Option<Channels>> {
    let shapes = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    sites(&model(graph), &shapes).into_iter().map(|site| (site.name, site.channels)).collect()
}

fn with_ints(node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
    let mut node = node;
    node.attribute.push(ints_attribute(name, ints));
    node
}

#[test]
fn channels_follow_from_the_operators_around() {
    let mut graph = plain(vec![
        node("Conv", &["x", "w"], &["map"]),
        with_ints(node("Transpose", &["map"], &["last"]), "perm", &[0, 2, 3, 1]),
        node("Relu", &["last"], &["rows"]),
        node("Reshape", &["rows", "to_tokens"], &["tokens"]),
        node("Sigmoid", &["tokens"], &["gated"]),
        node("Reshape", &["gated", "to_heads"], &["heads"]),
        node("Sqrt", &["heads"], &["rooted"]),
        node("Reshape", &["rooted", "to_tokens"], &["joined"]),
        node("MatMul", &["joined", "m"], &["mixed"]),
        node("Relu", &["mixed"], &["y"]),
    ]);
    graph.initializer = vec![
        crate::fixtures::floats("w", &[4, 3, 1, 1]),
        crate::fixtures::floats("m", &[4, 6]),
        integers("to_tokens", &[0, 64, 4]),
        integers("to_heads", &[0, 64, 2, 2]),
    ];
    let found = channels_of(
        graph,
        &[
            ("x", &[1, 3, 8, 8]),
            ("map", &[1, 4, 8, 8]),
            ("last", &[1, 8, 8, 4]),
            ("rows", &[1, 8, 8, 4]),
            ("tokens", &[1, 64, 4]),
            ("gated", &[1, 64, 4]),
            ("heads", &[1, 64, 2, 2]),
            ("rooted", &[1, 64, 2, 2]),
            ("joined", &[1, 64, 4]),
            ("mixed", &[1, 64, 6]),
        ],
    );
    assert_eq!(found["map"], Some(Channels::First));
    for name in ["last", "rows", "tokens", "gated", "joined", "mixed"] {
        assert_eq!(found[name], Some(Channels::Last), "{name}");
    }
    for name in ["heads", "rooted"] {
        assert_eq!(found[name], None, "{name}");
    }
}

#[test]
fn channels_follow_from_vectors_and_from_the_image_where_nothing_else_says_so() {
    let biased = |dims: &[i64]| {
        let mut graph = plain(vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["y"])]);
        graph.initializer = vec![crate::fixtures::floats("b", dims)];
        graph
    };
    let square: &[(&str, &[usize])] = &[("a", &[1, 5, 6, 7])];
    for (dims, expected) in [
        (&[7][..], Some(Channels::Last)),
        (&[1, 1, 1, 7], Some(Channels::Last)),
        (&[5, 1, 1], Some(Channels::First)),
        (&[1], None),
        (&[6, 1], None),
    ] {
        assert_eq!(channels_of(biased(dims), square)["a"], expected, "{dims:?}");
    }
    for (shape, expected) in
        [(&[1, 3, 8, 8][..], Some(Channels::First)), (&[1, 8, 8, 1], Some(Channels::Last)), (&[1, 3, 8, 3], None)]
    {
        assert_eq!(channels_of(biased(&[1]), &[("x", shape), ("a", shape)])["a"], expected, "{shape:?}");
    }
}
