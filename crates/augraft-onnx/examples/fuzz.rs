//! Feeds mutated models to everything that the crate offers.
//!
//! `cargo run --release -p augraft-onnx --example fuzz -- --seconds 600 --seed 1 FILE...`; without files it starts from
//! built-in graphs. A panic is printed with the seed and the case; `--case N` runs that case alone.
#![expect(clippy::print_stdout, reason = "a command-line tool reports on standard output")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/onnx/fixtures.rs"]
mod fixtures;
#[path = "../tests/onnx/fuzzing/mod.rs"]
mod fuzzing;

use std::error::Error;
use std::panic;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use augraft_onnx::Model;

use crate::fuzzing::{Seedling, exercise, graphs, mutant};

struct Options {
    time: Duration,
    seed: u64,
    case: Option<u64>,
    seedlings: Vec<Seedling>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    let Options { time, seed, case, seedlings } = &options;
    if let Some(case) = case {
        let accepted = exercise(&mutant(seedlings, *seed, *case));
        println!("seed {seed}, case {case}: {}", if accepted { "accepted" } else { "refused" });
        return Ok(ExitCode::SUCCESS);
    }
    let begin = Instant::now();
    let (mut cases, mut accepted, mut panics) = (0, 0, 0);
    let mut slowest = (Duration::ZERO, 0);
    while begin.elapsed() < *time {
        let start = Instant::now();
        if let Ok(model) = panic::catch_unwind(|| exercise(&mutant(seedlings, *seed, cases))) {
            accepted += u64::from(model);
        } else {
            panics += 1;
            println!("panic: run again with --seed {seed} --case {cases}");
        }
        slowest = slowest.max((start.elapsed(), cases));
        cases += 1;
    }
    println!("{cases} mutants of {} models, {accepted} accepted, {panics} panics", seedlings.len());
    println!("slowest: case {} took {} ms", slowest.1, slowest.0.as_millis());
    Ok(if panics == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let (mut seconds, mut seed, mut case, mut files) = (10, 0, None, Vec::new());
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(format!("{argument} needs a number"));
        match argument.as_str() {
            "--seconds" => seconds = number()?.parse()?,
            "--seed" => seed = number()?.parse()?,
            "--case" => case = Some(number()?.parse()?),
            _ => files.push(argument),
        }
    }
    let loaded: Result<Vec<_>, _> =
        files.iter().map(|file| Model::load(file.as_ref()).map(Model::into_proto)).collect();
    let protos = loaded?.into_iter().chain(graphs());
    Ok(Options { time: Duration::from_secs(seconds), seed, case, seedlings: protos.map(Seedling::new).collect() })
}
