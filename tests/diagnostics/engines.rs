//! Engines, libraries and devices that are not there.

use augraft_tests::workspace;
use insta::assert_snapshot;

use crate::nets::{ANY, EIGHT, net};
use crate::support::{Case, RUN};

const ONNXRUNTIME: &str = "  engine: onnxruntime\n";

fn with_model(more: &str) -> Case {
    let case = Case::new();
    case.model(net(ANY, EIGHT, 10), more);
    case
}

#[test]
fn a_library_that_does_not_exist() {
    let case = with_model(ONNXRUNTIME);
    assert_snapshot!(case.refused(&[RUN, &["--onnxruntime", "/nowhere/lib.so"]].concat()), @"
    error[bad-engine]: ONNX Runtime was not found (looked at /nowhere/lib.so); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH
     --> p.yaml:6:11
      |
    6 |   engine: onnxruntime
      |           ^^^^^^^^^^^
    ");
    assert_snapshot!(case.refused_where("ORT_DYLIB_PATH", "/nowhere/else.so", RUN), @"
    error[bad-engine]: ONNX Runtime was not found (looked at /nowhere/else.so); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH
     --> p.yaml:6:11
      |
    6 |   engine: onnxruntime
      |           ^^^^^^^^^^^
    ");
    let by_flag = with_model("");
    assert_snapshot!(by_flag.refused(&[RUN, &["--engine", "onnxruntime", "--onnxruntime", "/nowhere/lib.so"]].concat()), @"
    error[bad-engine]: ONNX Runtime was not found (looked at /nowhere/lib.so); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH
     --> p.yaml:4:1
      |
    4 | model:
      | ^^^^^
    ");
}

#[test]
fn a_library_that_is_text() {
    let case = with_model(ONNXRUNTIME);
    case.file("lib.so", b"hello");
    assert_snapshot!(case.refused(&[RUN, &["--onnxruntime", "lib.so"]].concat()), @"
    error[bad-engine]: <case>/lib.so cannot be used as ONNX Runtime: it is no library for this machine, or lacks one that it needs (dlopen failed); get a fitting one with `cargo xtask onnxruntime`
     --> p.yaml:6:11
      |
    6 |   engine: onnxruntime
      |           ^^^^^^^^^^^
    ");
}

#[test]
fn cuda_with_tract() {
    assert_snapshot!(with_model("  device: cuda:0\n").run(), @"
    error[bad-device]: tract runs on the CPU only, not on cuda:0
     --> p.yaml:6:11
      |
    6 |   device: cuda:0
      |           ^^^^^^
      |
      = help: use `engine: onnxruntime`, or `device: cpu`
    ");
    assert_snapshot!(with_model("").refused(&[RUN, &["--device", "cuda:0"]].concat()), @"
    error[bad-device]: tract runs on the CPU only, not on cuda:0
     --> p.yaml:4:1
      |
    4 | model:
      | ^^^^^
      |
      = help: use `engine: onnxruntime`, or `device: cpu`
    ");
    assert_snapshot!(with_model("").refused(&["sites", "net.onnx", "--device", "cuda:0"]), @"error: device `cuda:0` cannot be used: tract runs on the CPU only; use the engine `onnxruntime`, or the device `cpu`");
}

#[test]
fn cuda_with_a_library_for_the_cpu() {
    if !workspace().join("target/onnxruntime").is_dir() {
        eprintln!("skipped cuda_with_a_library_for_the_cpu: there is no target/onnxruntime");
        return;
    }
    let case = with_model("  engine: onnxruntime\n  device: cuda:0\n");
    assert_snapshot!(case.run(), @"
    error[bad-device]: device `cuda:0` cannot be used: CUDA execution provider is not enabled in this build; it needs the onnxruntime-gpu library, an NVIDIA driver, CUDA 13 and cuDNN 9 on the loader's path; else use the device `cpu`
     --> p.yaml:7:11
      |
    7 |   device: cuda:0
      |           ^^^^^^
    ");
}

#[test]
fn engines_says_why_one_does_not_work() {
    let case = Case::new();
    assert_snapshot!(case.accepted(&["engines", "--onnxruntime", "/nowhere/lib.so"]), @"
    tract        cpu     works (embedded)
    onnxruntime  cpu     no: ONNX Runtime was not found (looked at /nowhere/lib.so); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH
    onnxruntime  cuda:0  no: for the same reason
    ");
}
