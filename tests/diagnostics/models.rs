//! Models that cannot be used, and sites that are not there.

use augraft::onnx::{Graph, Side};
use augraft_tests::workspace;
use insta::assert_snapshot;

use crate::nets::{ANY, EIGHT, OPEN, net, net_of_eight, net_with_reshape};
use crate::support::{Case, RUN};

/// What a model is refused with; ONNX Runtime, where it is, must say the same as tract.
fn refused(net: fn() -> Graph, more: &str) -> String {
    let case = Case::new();
    let said = case.model(net(), more).run();
    if workspace().join("target/onnxruntime").is_dir() {
        assert_eq!(case.refused(&[RUN, &["--engine", "onnxruntime"]].concat()), said);
    }
    said
}

fn fitting() -> Graph {
    net(ANY, EIGHT, 10)
}

/// What a step at `at` is refused with.
fn at(net: fn() -> Graph, at: &str) -> String {
    refused(net, &format!("  steps:\n    - at: {at}\n      cutmix: {{}}\n"))
}

#[test]
fn a_small_model_works() {
    let case = Case::new();
    case.model(fitting(), "  steps: [{ at: relu.0, cutmix: {} }]\n");
    let _ = case.accepted(RUN);
    case.model(net(ANY, OPEN, 10), "  steps: [{ at: relu.0, dropblock: { block_size: 8 } }]\n");
    let _ = case.accepted(RUN);
}

#[test]
fn a_batch_that_is_baked_in() {
    assert_snapshot!(refused(|| net(Side::Fixed(1), EIGHT, 10), ""), @"
    error[bad-model]: the batch of the model is baked in, but mixing needs several samples at once: the input 'images' declares a batch of 1; export the model with a named batch dimension; `augraft doctor MODEL --fix-batch FILE` may free it
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
    assert_snapshot!(refused(net_with_reshape, ""), @"
    error[bad-model]: the batch of the model is baked in, but mixing needs several samples at once: the Reshape that makes 'reshape.0' always gives the shape [1, 3]; export the model with a named batch dimension, or let the target begin with 0; `augraft doctor MODEL --fix-batch FILE` may free it
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
}

#[test]
fn a_site_that_does_not_exist() {
    assert_snapshot!(at(fitting, "rleu.0"), @"
    error[unknown-site]: the model has no tensor: `rleu.0`
     --> p.yaml:7:11
      |
    7 |     - at: rleu.0
      |           ^^^^^^
      |
      = help: near: `relu.0`, `flatten.0` or `globalaveragepool.0`; `augraft sites net.onnx` lists all
    ");
    assert_snapshot!(at(fitting, "\"*conv*\""), @r#"
    error[unknown-site]: the pattern matches no tensor of the model: `*conv*`
     --> p.yaml:7:11
      |
    7 |     - at: "*conv*"
      |           ^^^^^^^^
      |
      = help: near: `relu.0`, `flatten.0` or `globalaveragepool.0`; `augraft sites net.onnx` lists all
    "#);
    assert_snapshot!(refused(fitting, "  sites: { deep: relu.9 }\n"), @"
    error[unknown-site]: the model has no tensor: `relu.9`
     --> p.yaml:6:18
      |
    6 |   sites: { deep: relu.9 }
      |                  ^^^^^^
      |
      = help: near: `relu.0`, `flatten.0` or `globalaveragepool.0`; `augraft sites net.onnx` lists all
    ");
}

#[test]
fn a_site_whose_name_is_a_number() {
    let case = Case::new();
    assert_snapshot!(case.model(fitting(), "  steps:\n    - at: 104\n      cutmix: {}\n").run(), @r#"
    error[wrong-type]: `at` must be text, but is 104
     --> p.yaml:7:11
      |
    7 |     - at: 104
      |           ^^^
      |
      = help: put it in quotes: `at: "104"`
    "#);
}

#[test]
fn a_site_that_nothing_reads() {
    assert_snapshot!(at(fitting, "logits"), @"
    error[idle-site]: the tensor `logits` is an output that nothing in the model reads
     --> p.yaml:7:11
      |
    7 |     - at: logits
      |           ^^^^^^
      |
      = help: a step there would change nothing; choose another tensor
    ");
}

#[test]
fn sites_out_of_order() {
    let more = "  steps:\n    - { at: globalaveragepool.0, cutmix: {} }\n    - { at: relu.0, cutmix: {} }\n";
    assert_snapshot!(refused(fitting, more), @"
    error[site-order]: `relu.0` is computed before `globalaveragepool.0`, but its step is written after it
     --> p.yaml:8:13
      |
    8 |     - { at: relu.0, cutmix: {} }
      |             ^^^^^^
      |
      = help: write the steps in the order in which the model computes their tensors
    ");
}

#[test]
fn a_block_that_is_larger_than_the_site() {
    // The model leaves the size open, so that the site has that of the batch.
    let more = "  steps:\n    - at: relu.0\n      dropblock: { block_size: 9 }\n";
    assert_snapshot!(refused(|| net(ANY, OPEN, 10), more), @"
    error[step-does-not-fit]: `dropblock.block_size`: a block of 9 x 9 does not fit a map of 8 x 8
     --> p.yaml:8:32
      |
    8 |       dropblock: { block_size: 9 }
      |                                ^
      |
      = help: use at most 8
    ");
}

#[test]
fn more_classes_than_logits() {
    assert_snapshot!(refused(|| net(ANY, EIGHT, 1), ""), @"
    error[too-many-classes]: there are more classes (2) than the model has outputs (1)
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
      |
      = help: give the model's classes with `data.classes`, or use another model
    ");
}

#[test]
fn a_file_that_is_no_model() {
    let case = Case::new();
    case.model(fitting(), "");
    let whole = std::fs::read(case.path().join("net.onnx")).expect("a model");
    assert_snapshot!(case.file("net.onnx", &whole[..whole.len() / 2]).run(), @"
    error[bad-model]: net.onnx is not an ONNX model: it is cut off, damaged or of another format (ModelProto.graph: buffer underflow); name a whole .onnx file
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
    assert_snapshot!(case.file("net.onnx", b"\x89PNG\r\n\x1a\n not a model").run(), @"
    error[bad-model]: net.onnx is not an ONNX model: it is cut off, damaged or of another format (invalid wire type value: 7); name a whole .onnx file
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
    assert_snapshot!(case.file("net.onnx", b"").run(), @"
    error[bad-model]: net.onnx is not an ONNX model: it is empty; name a whole .onnx file
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    assert_snapshot!(case.file("net.onnx", pointer).refused(&["sites", "net.onnx"]), @"error: net.onnx is not an ONNX model: it is a pointer of Git LFS, which `git lfs pull` replaces by the file; name a whole .onnx file");
    let page = b"\n<!DOCTYPE html><html><body>404</body></html>";
    assert_snapshot!(case.file("net.onnx", page).refused(&["sites", "net.onnx"]), @"error: net.onnx is not an ONNX model: it is a page of HTML, such as a download that was refused; name a whole .onnx file");
    std::fs::remove_file(case.path().join("net.onnx")).expect("a file");
    assert_snapshot!(case.run(), @"
    error[bad-model]: cannot read net.onnx: it does not exist; check the path
     --> p.yaml:5:9
      |
    5 |   file: net.onnx
      |         ^^^^^^^^
    ");
    assert_snapshot!(case.refused(&["sites", "net.onnx"]), @"error: cannot read net.onnx: it does not exist; check the path");
}

/// What a model is refused with behind other steps.
fn behind(steps: &str, net: Graph) -> String {
    let case = Case::new();
    case.model(net, "").pipeline(&format!("{steps}model: {{ file: net.onnx }}\n")).run()
}

#[test]
fn images_of_the_wrong_size() {
    assert_snapshot!(behind("steps: []\n", fitting()), @"
    error[model-input]: the model takes f32 [N,3,8,8], but the steps end with u8 [N][3,H,W]
     --> p.yaml:4:16
      |
    4 | model: { file: net.onnx }
      |                ^^^^^^^^
      |
      = help: add `resized_crop: { size: 8 }` and `normalize: imagenet` to `steps`
    ");
    assert_snapshot!(behind("steps: [center_crop: { size: 9 }, normalize: unit]\n", fitting()), @"
    error[model-input]: the model takes f32 [N,3,8,8], but the steps end with f32 [N,3,9,9]
     --> p.yaml:4:16
      |
    4 | model: { file: net.onnx }
      |                ^^^^^^^^
      |
      = help: add `resize: { size: 8 }` to `steps`
    ");
    assert_snapshot!(behind("steps: [center_crop: { size: 9 }, normalize: unit]\n", net_of_eight()), @r#"
    error[bad-model]: tract cannot run the model on images of 9 x 9: Failed analyse for node #5 "MatMul_logits" MatMulInference: Inconsistent matmul: a: 1,243 b: 192,10, a_trans: false b_trans: false c_trans: false; if the model needs another size, `resize` or crop the images to it (`--size H W` where there are none)
     --> p.yaml:4:16
      |
    4 | model: { file: net.onnx }
      |                ^^^^^^^^
    "#);
    if workspace().join("target/onnxruntime").is_dir() {
        let case = Case::new();
        let steps = "steps: [center_crop: { size: 9 }, normalize: unit]\n";
        case.model(net_of_eight(), "").pipeline(&format!("{steps}model: {{ file: net.onnx, engine: onnxruntime }}\n"));
        assert_snapshot!(case.run(), @"
        error[bad-model]: onnxruntime cannot run the model on images of 9 x 9: Non-zero status code returned while running MatMul node. Name:'MatMul_logits' Status Message: matmul_helper.h:59 Compute MatMul dimension mismatch; if the model needs another size, `resize` or crop the images to it (`--size H W` where there are none)
         --> p.yaml:4:16
          |
        4 | model: { file: net.onnx, engine: onnxruntime }
          |                ^^^^^^^^
        ");
    }
    let [_, wide] = EIGHT;
    assert_snapshot!(behind("steps: [resize: { size: 8 }, normalize: unit]\n", net(ANY, [Side::Fixed(4), wide], 10)), @"
    error[model-input]: the model takes f32 [N,3,4,8], but the steps end with f32 [N,3,8,8]
     --> p.yaml:4:16
      |
    4 | model: { file: net.onnx }
      |                ^^^^^^^^
      |
      = help: add `resize: { size: [4, 8] }` to `steps`
    ");
}

#[test]
fn images_that_are_not_normalized() {
    assert_snapshot!(behind("steps: [resize: { size: 8 }]\n", fitting()), @"
    error[model-input]: the model takes f32 [N,3,8,8], but the steps end with u8 [N,3,8,8]
     --> p.yaml:4:16
      |
    4 | model: { file: net.onnx }
      |                ^^^^^^^^
      |
      = help: add `normalize: imagenet` to `steps`
    ");
}

#[test]
fn a_step_that_changes_the_shape_of_a_site() {
    assert_snapshot!(refused(fitting, "  steps:\n    - at: relu.0\n      center_crop: { size: 4 }\n"), @"
    error[site-shape]: `center_crop` makes f32 [N,3,4,4] of f32 [N,3,8,8], but the model goes on with the shape it had
     --> p.yaml:8:7
      |
    8 |       center_crop: { size: 4 }
      |       ^^^^^^^^^^^
      |
      = help: choose a step that keeps the shape
    ");
}

#[test]
fn an_unknown_engine() {
    let case = Case::new();
    case.model(fitting(), "  engine: onnx\n");
    assert_snapshot!(case.run(), @"
    error[unknown-choice]: `model.engine` must be `tract` or `onnxruntime`, but is `onnx`
     --> p.yaml:6:11
      |
    6 |   engine: onnx
      |           ^^^^
    ");
}
