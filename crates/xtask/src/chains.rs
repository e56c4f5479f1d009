//! `cargo xtask chains`: random chains of steps, more of them than the tests have time for.

use crate::process::{self, cargo};
use crate::workspace::Workspace;

/// Options of `chains`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Chains for each property.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Only the chain with this number, to see one failure again.
    #[arg(long)]
    chain: Option<u64>,
}

/// Runs the test of chains in release, with this many of them.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let mut command =
        cargo(workspace, "test --release --locked --package augraft-tests --test all chains:: -- --nocapture");
    command.env("AUGRAFT_CHAINS", args.count.to_string());
    if let Some(chain) = args.chain {
        command.env("AUGRAFT_CHAIN", chain.to_string());
    }
    println!("==> {}", process::line(&command));
    process::run(&mut command)
}
