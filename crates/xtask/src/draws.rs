//! `cargo xtask draws`: draws in the graph against native draws, on more rows than the tests have time for.

use crate::process::{self, cargo};
use crate::workspace::Workspace;

/// Options of `draws`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows for every operator, seed and backend.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
}

/// Runs the test of the conformance suite in release, with this many rows.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let test = "test --release --locked --package augraft-tests --test conformance -- --exact --nocapture draws_in_the_graph_equal_native_draws_for_every_seed";
    let mut command = cargo(workspace, test);
    command.env("AUGRAFT_DRAW_ROWS", args.rows.to_string()).env("AUGRAFT_REQUIRE_ONNXRUNTIME", "1");
    println!("==> {}", process::line(&command));
    process::run(&mut command)
}
