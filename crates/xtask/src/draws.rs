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

/// Runs the tests of the plugins in release, with this many rows.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let families = ["color", "erase", "feature", "geometry", "mix"].map(|family| format!("--package augraft-{family}"));
    let only = "-- --exact --nocapture draws_in_the_graph_equal_native_draws";
    let test = format!("test --release --locked {} --test operators {only}", families.join(" "));
    let mut command = cargo(workspace, &test);
    command.env("AUGRAFT_DRAW_ROWS", args.rows.to_string()).env("AUGRAFT_REQUIRE", "ort");
    println!("==> {}", process::line(&command));
    process::run(&mut command)
}
