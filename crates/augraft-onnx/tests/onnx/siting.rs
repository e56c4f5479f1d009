use std::collections::{BTreeMap, BTreeSet};

use augraft_onnx::proto::GraphProto;
use augraft_onnx::{Site, baked_batch, cut, matching, nearest, sites};

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
    assert_eq!(names, ["c1", "r1", "c2", "r2", "s", "p", "f", "y"]);
    let dominating: Vec<&str> = sites.iter().filter(|site| site.dominates).map(|site| site.name.as_str()).collect();
    assert_eq!(dominating, ["c1", "r1", "s", "p", "f", "y"]);
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
    close("y", 0.0);
    assert!(site(&sites, "y").macs_after.is_sign_positive(), "it is printed");
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
        for site in sites(&model, &BTreeMap::new()) {
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
