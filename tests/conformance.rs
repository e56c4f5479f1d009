//! Every linked operator keeps its promises, natively and in every runtime.

use augraft::engine::{ExportOptions, export};
use augraft::onnx::prune;
use augraft::operator::{Element, Parity, Registry, Shape};
use augraft::pipeline::Facts;
use augraft_testkit::{DrawComparison, DrawFile, backends, compare_draws, conformance, record_draws, shape};
use augraft_tests::{operators, plan_of};
use rayon::prelude::*;

/// Seeds of the draws in the graph.
const SEEDS: [u64; 3] = [0, 7, i64::MAX as u64];

#[test]
fn every_operator_keeps_its_promises() {
    let backends = backends();
    let broken: Vec<String> =
        operators().par_iter().flat_map_iter(|operator| conformance(&**operator, &backends)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn draws_in_the_graph_equal_native_draws_for_every_seed() {
    let (backends, rows) = (backends(), rows());
    let drawing: Vec<_> =
        drawing().into_iter().flat_map(|drawing| (0..backends.len()).map(move |at| (drawing.clone(), at))).collect();
    let compared: usize = drawing
        .par_iter()
        .map(|((name, config, size), at)| {
            let backend = &backends[*at];
            let steps = format!("augraft: 1\nsteps:\n  - {name}: {config}\n");
            let shape = Shape { image_size: None, ..shape(Element::F32, 2, *size) };
            let plan = plan_of(&steps, &Facts { classes: 3, samples: None, input: Some(shape.clone()) });
            let operator = &*plan.steps[0].operator;
            let exported = export(&plan, &ExportOptions::default()).expect("a file");
            let columns: Vec<String> = operator.columns().iter().map(|(field, _)| format!("{name}/{field}")).collect();
            let file = DrawFile { model: prune(&exported, &columns).expect("its draws"), id: name.clone() };
            let compared = compare_draws(operator, &shape, &file, backend, rows, &SEEDS);
            let compared = compared.unwrap_or_else(|problem| panic!("{name} {config}: {problem}"));
            assert_eq!((compared.rows, compared.different), (SEEDS.len() * rows, 0), "{name} {config}");
            compared.rows
        })
        .sum();
    println!("{compared} rows on {} backends: 0 draws differ", backends.len());
}

/// Steps that draw, and the size of the tensors: every operator, and every `alpha` of those that have one.
fn drawing() -> Vec<(String, String, [usize; 2])> {
    let mut drawing = Vec::new();
    for entry in Registry::linked().iter() {
        let operator = entry.default_operator();
        if operator.columns().is_empty() || matches!(entry.parity, Parity::NativeOnly(_)) {
            continue;
        }
        let config = operator.config();
        if config.get("alpha").is_none() {
            let (config, size) = match entry.name {
                // A word for each cell: few cells, so that rows are many.
                "dropblock" => (r#"{"block_size":3,"p":0.3}"#, [4, 5]),
                "cutout" => (r#"{"count":2,"p":0.5}"#, [37, 50]),
                _ => ("{}", [37, 50]),
            };
            drawing.push((entry.name.to_owned(), config.to_owned(), size));
            continue;
        }
        for (alpha, mode, partner) in
            [(1.0, "elem", "permute"), (0.2, "elem", "roll"), (2.0, "batch", "flip"), (2.0, "elem", "roll")]
        {
            let config = format!(r#"{{"alpha":{alpha},"mode":"{mode}","partner":"{partner}","p":0.9}}"#);
            drawing.push((entry.name.to_owned(), config, [37, 50]));
        }
    }
    drawing
}

/// Rows for each seed; `cargo xtask draws` asks for more.
fn rows() -> usize {
    std::env::var("AUGRAFT_DRAW_ROWS").map_or(100_000, |rows| rows.parse().expect("AUGRAFT_DRAW_ROWS is a number"))
}

#[test]
fn boxes_drawn_in_image_space_are_projected_alike_in_the_graph() {
    let operator = Registry::linked()
        .get("cutmix")
        .expect("cutmix")
        .parse(serde_json::from_str(r#"{"mode":"elem","frame":"project","alpha":0.2,"p":0.7}"#).expect("JSON"));
    let operator = operator.expect("a configuration");
    let shape = Shape { image_size: Some([224, 161]), ..shape(Element::F32, 2, [12, 10]) };
    let file = record_draws(&*operator, "projected", &shape).expect("a file");
    for backend in backends() {
        let compared = compare_draws(&*operator, &shape, &file, &backend, 20_000, &SEEDS[..1]);
        assert_eq!(compared, Ok(DrawComparison { rows: 20_000, different: 0 }));
    }
}
