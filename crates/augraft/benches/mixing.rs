//! Mixing kernels as ratios to memcpy of the bytes that they touch, in one piece and where they lie, measured in one run on one thread.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use augraft_mix::{CutMix, GridMix, Mixup};
use augraft_operator::{AnyOperator, Batch, Draws, Images, Labels, MixMode, Scratch, StepKey, Tensor};
use ndarray::{Array2, Array4};

const SHAPE: [usize; 4] = [64, 3, 224, 224];
const ROUNDS: usize = 31;

fn batch() -> Batch {
    let index: Vec<u64> = (0..SHAPE[0] as u64).collect();
    let images = Images::F32(Array4::from_shape_fn(SHAPE, |(n, c, y, x)| (n + c + y + x) as f32));
    let labels = Labels::one_hot(&vec![Some(0); SHAPE[0]], 10, &index);
    Batch::new(images, labels, index)
}

/// Rows of the tensor that a kernel writes: first element and length of each.
type Rows = Vec<(usize, usize)>;

/// Median times of several runs, taken in turn.
fn medians<const K: usize>(mut runs: [&mut dyn FnMut(usize); K]) -> [Duration; K] {
    let mut times: [Vec<Duration>; K] = core::array::from_fn(|_| Vec::new());
    for round in 0..ROUNDS {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run(round);
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[ROUNDS / 2]
    })
}

/// Times a step against memcpy of `bytes` bytes in one piece and against memcpy of `rows` where they lie.
///
/// All walk through buffers of the size of the batch, so that they find their bytes in memory, not in the cache.
fn measure(name: &str, operator: &dyn AnyOperator, bytes: usize, rows: impl Fn(&Draws) -> Rows) {
    let mut batch = batch();
    let draws = operator.draw(&StepKey::new(1, name), 0, &batch);
    let (labels, mut scratch) = (batch.labels.clone(), Scratch::default());
    let rows = rows(&draws);
    let bytes = if bytes > 0 { bytes } else { rows.iter().map(|(_, length)| length * 4).sum() };
    let size = SHAPE.iter().product::<usize>().max(bytes / 4);
    let (from, mut to, mut whole) = (vec![1f32; size], vec![0f32; size], vec![0f32; size]);
    let [own, piece, in_place] = medians([
        &mut |_| {
            // What labels of many steps cost is measured apart.
            batch.labels.clone_from(&labels);
            operator.apply(&draws, black_box(&mut batch), &mut scratch).expect("the draws fit");
        },
        &mut |round| {
            let start = (round * bytes / 4) % (size - bytes / 4 + 1);
            let place = start..start + bytes / 4;
            black_box(&mut whole)[place.clone()].copy_from_slice(&black_box(&from)[place]);
        },
        &mut |_| {
            for (first, length) in &rows {
                let place = *first..first + length;
                black_box(&mut to)[place.clone()].copy_from_slice(&black_box(&from)[place]);
            }
        },
    ]);
    let ratio = |other: Duration| own.as_secs_f64() / other.as_secs_f64();
    print!("{name:20} {own:>9.2?}   memcpy in one piece {piece:>9.2?} ratio {:.2}", ratio(piece));
    if rows.is_empty() {
        println!();
    } else {
        println!("   memcpy of the same rows {in_place:>9.2?} ratio {:.2}", ratio(in_place));
    }
}

/// The rows of the boxes of all samples.
fn box_rows(draws: &Draws) -> Rows {
    let edge = |name: &str, at: usize| match draws.column(name) {
        Some(Tensor::I64(edges)) => edges[at] as usize,
        _ => 0,
    };
    let [samples, channels, height, width] = SHAPE;
    let mut rows = Vec::new();
    for plane in 0..samples * channels {
        let [top, left, bottom, right] = ["top", "left", "bottom", "right"].map(|name| edge(name, plane / channels));
        rows.extend((top..bottom).map(|y| ((plane * height + y) * width + left, right - left)));
    }
    rows
}

/// Times three mixing steps of 256 samples and 21,000 classes, labels and all: images of 16 pixels a side cost nothing beside them.
fn measure_labels() {
    let index: Vec<u64> = (0..256).collect();
    let classes: Vec<Option<usize>> = index.iter().map(|sample| Some(*sample as usize * 82)).collect();
    let images = Array4::from_shape_fn([256, 1, 16, 16], |(n, _, y, x)| (n + y + x) as f32);
    let labels = Labels::one_hot(&classes, 21_000, &index);
    let start = Batch::new(Images::F32(images), labels, index);
    let step = CutMix { mode: MixMode::Elem, ..CutMix::default() };
    let draws = ["a", "b", "c"].map(|id| AnyOperator::draw(&step, &StepKey::new(1, id), 0, &start));
    let (mut soft, mut scratch) = (Array2::zeros([256, 21_000]), Scratch::default());
    let (from, mut to) = (soft.clone(), soft.clone());
    let mut batches: Vec<Batch> = (0..ROUNDS).map(|_| start.clone()).collect();
    let [own, copy] = medians([
        &mut |round| {
            for drawn in &draws {
                AnyOperator::apply(&step, drawn, &mut batches[round], &mut scratch).expect("the draws fit");
            }
            batches[round].labels.write_soft(black_box(&mut soft));
        },
        &mut |_| black_box(&mut to).assign(black_box(&from)),
    ]);
    let ratio = own.as_secs_f64() / copy.as_secs_f64();
    println!(
        "labels of 256 x 21,000 after three of cutmix, elem {own:>9.2?}   memcpy of them {copy:>9.2?} ratio {ratio:.2}"
    );
}

/// Times labels counted pixel by pixel: behind a grid of cells between two pastes, beside the same steps with new labels before each.
fn measure_planes() {
    let paste = || Box::new(CutMix { mode: MixMode::Elem, ..CutMix::default() });
    let steps: [Box<dyn AnyOperator>; 3] = [paste(), Box::new(GridMix::default()), paste()];
    let start = batch();
    let ids = ["a", "b", "c"];
    let draws: Vec<Draws> =
        steps.iter().zip(ids).map(|(step, id)| step.draw(&StepKey::new(1, id), 0, &start)).collect();
    let run = |batch: &mut Batch, scratch: &mut Scratch, is_new: bool| {
        batch.labels = start.labels.clone();
        for (step, drawn) in steps.iter().zip(&draws) {
            if is_new {
                batch.labels = start.labels.clone();
            }
            step.apply(drawn, batch, scratch).expect("the draws fit");
        }
        black_box(batch.labels.soft());
    };
    let (mut first, mut second, mut scratch, mut other) = (batch(), batch(), Scratch::default(), Scratch::default());
    let [with, alone] =
        medians([&mut |_| run(&mut first, &mut scratch, false), &mut |_| run(&mut second, &mut other, true)]);
    let labels = with.as_secs_f64() - alone.as_secs_f64();
    println!(
        "cutmix, gridmix, cutmix, elem {alone:>9.2?}   with labels by planes {with:>9.2?}, which cost {:.2} of the kernels",
        labels / alone.as_secs_f64()
    );
}

fn main() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    one.install(|| {
        println!("f32 {SHAPE:?}, in place, one thread, medians of {ROUNDS}");
        measure("cutmix, mode elem", &CutMix { mode: MixMode::Elem, ..CutMix::default() }, 0, box_rows);
        measure("cutmix, mode batch", &CutMix::default(), 0, box_rows);
        // Two reads and a write of every element, against the one read and one write of memcpy.
        measure("mixup", &Mixup::default(), SHAPE.iter().product::<usize>() * 4 * 3 / 2, |_| Rows::new());
        measure_labels();
        measure_planes();
    });
}
