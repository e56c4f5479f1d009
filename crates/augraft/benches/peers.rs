//! Our side of `cargo xtask bench-peers`: operators on one thread, each step of them drawn and applied, and memcpy of as many bytes.
//!
//! With `--serve`, answers lines: `run CASE CALLS` with the nanoseconds of each call, or with `skip` and a reason. Without, prints the medians of
//! every case.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::hint::black_box;
use std::io::BufRead as _;
use std::time::{Duration, Instant};

use augraft::operator::{AnyOperator, Batch, Images, Labels, Registry, Scratch, StepKey};
use ndarray::{Array3, Array4};
use serde_json::{Value, json};

const SAMPLES: usize = 64;
const CLASSES: usize = 1000;
const ROUNDS: usize = 31;

/// What an operator works on: floats or bytes N,C,H,W with sides of this length, or bytes as decoded, H,W,C of this height and width.
#[derive(Clone, Copy)]
enum Input {
    Floats(usize),
    Bytes(usize),
    Decoded([usize; 2]),
}

/// What a call does.
enum Work {
    Memcpy(usize),
    Operator(&'static str, Value, Input),
}

type Failure = Box<dyn Error + Send + Sync>;

fn cases() -> Vec<(&'static str, Work)> {
    use Input::{Bytes, Decoded, Floats};
    use Work::{Memcpy, Operator};
    let values = SAMPLES * 3 * 224 * 224;
    let size = || json!({ "size": 224 });
    let affine = |interpolation: &str| {
        let (translate, scale) = ([0.1, 0.1], [0.9, 1.1]);
        json!({ "degrees": 15, "translate": translate, "scale": scale, "shear": 10, "interpolation": interpolation })
    };
    vec![
        ("memcpy-f32", Memcpy(values * size_of::<f32>())),
        ("memcpy-u8", Memcpy(values)),
        ("cutmix-batch", Operator("cutmix", json!({ "mode": "batch" }), Floats(224))),
        ("cutmix-elem", Operator("cutmix", json!({ "mode": "elem" }), Floats(224))),
        ("mixup-batch", Operator("mixup", json!({ "mode": "batch" }), Floats(224))),
        ("mixup-elem", Operator("mixup", json!({ "mode": "elem" }), Floats(224))),
        ("random_erasing", Operator("random_erasing", json!({ "p": 1.0 }), Floats(224))),
        ("horizontal_flip", Operator("horizontal_flip", json!({ "p": 1.0 }), Bytes(224))),
        ("random_crop-dense", Operator("random_crop", size(), Bytes(256))),
        ("random_crop-decoded", Operator("random_crop", size(), Decoded([375, 500]))),
        ("resized_crop-dense", Operator("resized_crop", size(), Bytes(256))),
        ("resized_crop-decoded", Operator("resized_crop", size(), Decoded([375, 500]))),
        ("affine-bilinear", Operator("affine", affine("bilinear"), Bytes(224))),
        ("affine-nearest", Operator("affine", affine("nearest"), Bytes(224))),
    ]
}

fn main() -> Result<(), Failure> {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    if std::env::args().any(|argument| argument == "--serve") { one.install(serve) } else { one.install(print_all) }
}

/// Answers requests until there are no more.
fn serve() -> Result<(), Failure> {
    let mut open: Option<(String, Case)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let ["run", name, calls] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("`{line}` is no request").into());
        };
        if open.as_ref().is_none_or(|(known, _)| known != name) {
            // Only one case at a time has its batches in memory.
            drop(open.take());
            match Case::open(name)? {
                Ok(case) => open = Some((name.to_owned(), case)),
                Err(reason) => {
                    println!("skip {reason}");
                    continue;
                }
            }
        }
        let Some((_, case)) = &mut open else { continue };
        let times = (0..calls.parse()?).map(|_| case.call().map(|time| time.as_nanos().to_string()));
        println!("{}", times.collect::<Result<Vec<_>, _>>()?.join(" "));
    }
    Ok(())
}

fn print_all() -> Result<(), Failure> {
    println!(
        "{SAMPLES} images, one thread, medians of {ROUNDS}; `cargo xtask bench-peers` compares them with reference libraries"
    );
    for (name, ..) in cases() {
        match Case::open(name)? {
            Ok(mut case) => {
                let mut times = (0..ROUNDS).map(|_| case.call()).collect::<Result<Vec<_>, _>>()?;
                times.sort_unstable();
                println!("{name:22} {:>9.2?}", times[ROUNDS / 2]);
            }
            Err(reason) => println!("{name:22} skipped: {reason}"),
        }
    }
    Ok(())
}

/// A case with its data.
enum Case {
    Memcpy { from: Vec<u8>, to: Vec<u8> },
    Operator(Box<Step>),
}

struct Step {
    operator: Box<dyn AnyOperator>,
    key: StepKey,
    epoch: u32,
    from: Images,
    batch: Batch,
    scratch: Scratch,
    /// Whether the next call can take the images that the last one left.
    keeps_shape: bool,
}

impl Case {
    /// Makes the data of a case, or says why it cannot be run.
    fn open(name: &str) -> Result<Result<Self, String>, Failure> {
        let (_, work) = cases().into_iter().find(|(known, _)| *known == name).ok_or("there is no such case")?;
        let (operator, config, input) = match work {
            // Ones: memory that was never written to is one page of zeros.
            Work::Memcpy(bytes) => return Ok(Ok(Self::Memcpy { from: vec![1; bytes], to: vec![1; bytes] })),
            Work::Operator(operator, config, input) => (operator, config, input),
        };
        let Some(entry) = Registry::linked().get(operator) else {
            return Ok(Err(format!("there is no operator `{operator}`")));
        };
        let operator = entry.parse(config)?;
        let from = images(input);
        let index: Vec<u64> = (0..SAMPLES as u64).collect();
        let batch = Batch::new(from.clone(), labels(&index), index);
        let keeps_shape = operator.check(&batch.shape()).map_err(|issue| issue.message)? == batch.shape();
        let (key, scratch) = (StepKey::new(1, name), Scratch::default());
        Ok(Ok(Self::Operator(Box::new(Step { operator, key, epoch: 0, from, batch, scratch, keeps_shape }))))
    }

    /// Times one call.
    fn call(&mut self) -> Result<Duration, Failure> {
        match self {
            Self::Memcpy { from, to } => {
                let start = Instant::now();
                black_box(to).copy_from_slice(black_box(from));
                Ok(start.elapsed())
            }
            Self::Operator(step) => step.call(),
        }
    }
}

impl Step {
    /// Times one call, on a batch as the loader gives it: labels that are not mixed, and where the last call replaced the images, fresh ones.
    fn call(&mut self) -> Result<Duration, Failure> {
        let Self { operator, key, epoch, from, batch, scratch, keeps_shape } = self;
        batch.labels = labels(&batch.index);
        if !*keeps_shape {
            let before = std::mem::replace(&mut batch.images, Images::Ragged(Vec::new()));
            before.recycle(scratch);
            batch.images = copied(from, scratch);
        }
        *epoch += 1;
        let start = Instant::now();
        let draws = operator.draw(key, *epoch, batch);
        operator.apply(&draws, black_box(batch), scratch).map_err(|issue| issue.message)?;
        Ok(start.elapsed())
    }
}

/// A copy of images in a buffer of the scratch.
fn copied(from: &Images, scratch: &mut Scratch) -> Images {
    match from {
        Images::U8(dense) => {
            let mut to = scratch.take_dense(dense.dim().into());
            to.assign(dense);
            Images::U8(to)
        }
        Images::Ragged(_) | Images::F32(_) => from.clone(),
    }
}

fn labels(index: &[u64]) -> Labels {
    let classes: Vec<_> = index.iter().map(|index| Some(*index as usize * 7 % CLASSES)).collect();
    Labels::one_hot(&classes, CLASSES, index)
}

/// Images whose pixels all differ from their neighbors.
fn images(input: Input) -> Images {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    match input {
        Input::Floats(side) => {
            Images::F32(Array4::from_shape_simple_fn([SAMPLES, 3, side, side], || f32::from(byte()) / 255.0))
        }
        Input::Bytes(side) => Images::U8(Array4::from_shape_simple_fn([SAMPLES, 3, side, side], byte)),
        Input::Decoded([height, width]) => {
            Images::Ragged((0..SAMPLES).map(|_| Array3::from_shape_simple_fn([height, width, 3], &mut byte)).collect())
        }
    }
}
