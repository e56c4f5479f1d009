//! In steady state, a batch goes through the steps without a new buffer of the size of an image.

use std::alloc::System;

use augraft::engine::run_steps;
use augraft::operator::{Batch, Element, Images, Registry, Scratch, Shape};
use augraft::pipeline::{Facts, Overrides, PipelineSpec, plan};
use augraft_testkit::{batch, shape};
use ndarray::Array4;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

const SIDE: usize = 256;
/// Bytes of one image as it enters.
const IMAGE: usize = 3 * SIDE * SIDE;
/// Batches that are counted, after two that fill the pool.
const BATCHES: u32 = 3;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that the steps allocate over some batches in steady state.
fn bytes_allocated(steps: &str) -> usize {
    let text = format!("augraft: 1\nsteps:\n{steps}");
    let spec =
        PipelineSpec::parse(&text, std::path::Path::new("p.yaml"), &Registry::linked()).expect("a valid pipeline");
    let facts = Facts { classes: 3, input: Some(Shape::ragged(3).resized([SIDE, SIDE])), ..Facts::default() };
    let plan = plan(&spec, &Overrides::default(), &facts, &mut |_, _| Err("no model".to_owned())).expect("a plan");
    let template = batch(&shape(Element::U8, 3, [1, 1]), 6);
    let mut scratch = Scratch::default();
    let mut bytes = 0;
    for round in 0..2 + BATCHES {
        let mut pixels: Array4<u8> = scratch.take_dense([6, 3, SIDE, SIDE]);
        pixels.fill(9);
        let mut batch = Batch { images: Images::U8(pixels), ..template.clone() };
        let region = Region::new(ALLOCATOR);
        run_steps(&plan.steps, round, &mut batch, None, &mut scratch).expect("the steps run");
        if round >= 2 {
            bytes += region.change().bytes_allocated;
        }
        batch.images.recycle(&mut scratch);
    }
    bytes
}

#[test]
fn steady_state_takes_no_buffer_of_the_size_of_an_image() {
    let steps = [
        "  - horizontal_flip",
        "  - random_crop: { size: 256, padding: 4 }",
        "  - normalize: imagenet",
        "  - cutout",
        "  - cutmix: { mode: elem }",
        "  - mixup",
        "  - resized_crop: { size: 256 }",
    ];
    for (name, steps) in [("all but resampling", steps[..6].join("\n")), ("resampling", steps[6].to_owned())] {
        let bytes = bytes_allocated(&steps) / BATCHES as usize;
        assert!(bytes < IMAGE, "{name}: {bytes} bytes a batch of images of {IMAGE} bytes");
    }
}
