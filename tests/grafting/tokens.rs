//! Steps on the rows of a tensor N,T,D.

use std::fs;

use augraft::onnx::{DataType, Graph, Model, Side, Tensor};
use augraft_tests::{run, succeed, workspace};
use insta::assert_snapshot;
use ndarray::Array2;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// A classifier of images of 4 x 4 pixels with 17 tokens of 3 numbers: a class token, and one for each pixel.
fn classifier() -> Model {
    let graph = Graph::new(18);
    let images =
        graph.input("images", DataType::F32, &[Side::Named("N"), Side::Fixed(3), Side::Fixed(4), Side::Fixed(4)]);
    let cells = images.reshape(&[0, 3, 16]).transpose(&[0, 2, 1]);
    let class = cells.slice(1, 5, 6) * graph.constant(Tensor::scalar(0.5f32));
    let tokens = graph.name(graph.concat(&[class, cells], 1), "tokens");
    let weights = Array2::from_shape_fn([3, 7], |(row, column)| ((row * 5 + column * 3) % 7) as f32 * 0.1 - 0.2);
    let places = Array2::from_shape_fn([1, 17], |(_, place)| place as f32 * 0.03 - 0.1);
    let mixed = graph
        .constant(Tensor::F32(places.into_dyn()))
        .matmul(tokens.matmul(graph.constant(Tensor::F32(weights.into_dyn()))));
    graph.output(mixed.reshape(&[-1, 7]), "logits", &[Side::Named("N"), Side::Fixed(7)]);
    Model::from_proto(graph.into_proto("tokens", &[])).expect("a model")
}

fn pipeline(folder: &TempDir, tokens: &str, steps: &str) {
    fs::write(folder.path().join("m.onnx"), classifier().to_bytes()).expect("a file");
    let photos = workspace().join("pipelines/data/photos");
    let text = format!(
        "augraft: 1\nseed: 2\ndata: {{ folder: \"{}\" }}\nsteps:\n  - resize: {{ size: 4 }}\n  - normalize: half\nmodel:\n  file: m.onnx\n  steps:\n    - at: tokens\n{tokens}{steps}",
        photos.display()
    );
    fs::write(folder.path().join("p.yaml"), text).expect("a file");
}

#[test]
fn steps_act_on_the_cells_of_tokens_natively_and_in_a_graft() {
    let folder = TempDir::new().expect("a folder");
    let tokens = "      tokens: { grid: [4, 4], class: 1 }\n";
    let more = format!("    - at: tokens\n{tokens}      dropblock: {{ p: 0.2, block_size: 2 }}\n");
    pipeline(&folder, tokens, &format!("      cutmix: {{ mode: elem }}\n{more}"));
    let said = succeed(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
    assert!(said.contains("cutmix at tokens"), "{said}");
    let _ = succeed(PROGRAM, folder.path(), &["graft", "p.yaml", "-o", "g.onnx"]);
    let said = succeed(PROGRAM, folder.path(), &["verify", "g.onnx", "p.yaml"]);
    assert!(said.contains("as promised"), "{said}");
}

#[test]
fn tokens_without_a_grid_and_grids_that_do_not_fit_are_refused() {
    let refused = |tokens: &str| {
        let folder = TempDir::new().expect("a folder");
        pipeline(&folder, tokens, "      cutmix: { mode: elem }\n");
        let output = run(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines()
            .filter(|line| !line.trim_start().starts_with(|first: char| first.is_ascii_digit()))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(refused(""), @"
    error[site-shape]: `tokens` has the shape [1, 17, 3] for one image, but steps act on N,C,H,W
      --> p.yaml:10:11
       |
       |           ^^^^^^
       |
       = help: say `tokens: { grid: [4, 4], class: 1 }` beside `at`
    ");
    assert_snapshot!(refused("      tokens: { grid: [4, 4] }\n"), @"
    error[site-shape]: `tokens` has the shape [1, 17, 3] for one image, which is no [1, 4 x 4 + 0, D]
      --> p.yaml:11:7
       |
       |       ^^^^^^
       |
       = help: the grid and the class tokens make up the second side
    ");
}
