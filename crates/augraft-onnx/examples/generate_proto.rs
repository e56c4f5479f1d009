//! Rewrites `src/generated/onnx_ml.rs` from `proto/onnx-ml.proto`.
//!
//! Run it after replacing the schema by a newer one:
//! `cargo run -p augraft-onnx --features generate --example generate_proto`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("src/generated");
    let descriptors = protox::compile([root.join("proto/onnx-ml.proto")], [root.join("proto")])?;
    fs::create_dir_all(&target)?;
    // The schema's own comments are prose with indented blocks, which rustdoc would take for Rust code to test.
    prost_build::Config::new().bytes(["."]).disable_comments(["."]).out_dir(&target).compile_fds(descriptors)?;
    // prost names its output after the protobuf package, `onnx`.
    fs::rename(target.join("onnx.rs"), target.join("onnx_ml.rs"))?;
    Ok(())
}
