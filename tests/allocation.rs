//! In steady state, a batch goes through the steps without a new buffer of the size of an image.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use augraft::engine::run_steps;
use augraft::operator::{Batch, Element, Images, Registry, Scratch};
use augraft::pipeline::{Facts, Overrides, PipelineSpec, plan};
use augraft_testkit::{batch, shape};
use ndarray::Array4;

const SIDE: usize = 96;

/// Counts allocations of one image of bytes or more.
struct Counting;

static LARGE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "a global allocator is an unsafe trait")]
// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= 3 * SIDE * SIDE {
            LARGE.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Buffers of the size of an image that three batches after the first two take; `input` supplies a batch from pooled buffers.
fn large_allocations(steps: &str, mut input: impl FnMut(&mut Scratch) -> Batch) -> usize {
    let text = format!("augraft: 1\nsteps:\n{steps}");
    let spec =
        PipelineSpec::parse(&text, std::path::Path::new("p.yaml"), &Registry::linked()).expect("a valid pipeline");
    let facts = Facts { classes: 3, samples: None, fixed_input: Some((SIDE, SIDE)) };
    let plan = plan(&spec, &Overrides::default(), &facts, &mut |_, _| Err("no model".to_owned())).expect("a plan");
    let mut scratch = Scratch::default();
    let mut before = 0;
    for round in 0..5 {
        if round == 2 {
            before = LARGE.load(Ordering::Relaxed);
        }
        let mut batch = input(&mut scratch);
        run_steps(&plan.steps, round, &mut batch, None, &mut scratch).expect("the steps run");
        scratch.give_images(batch.images);
    }
    LARGE.load(Ordering::Relaxed) - before
}

#[test]
fn steady_state_takes_no_buffer_of_the_size_of_an_image() {
    let fresh = batch(&shape(Element::U8, 3, [SIDE, SIDE]), 6);
    let pooled = |scratch: &mut Scratch| {
        let mut bytes: Array4<u8> = scratch.take_dense([6, 3, SIDE, SIDE]);
        bytes.fill(9);
        Batch { images: Images::U8(bytes), ..fresh.clone() }
    };
    // The clone of the template is itself one large allocation a batch, so it is counted first.
    let template = large_allocations("  - horizontal_flip", pooled);
    let mixing = "  - resized_crop: { size: 96 }\n  - random_crop: { size: 96, padding: 4 }\n  - horizontal_flip\n  - normalize: imagenet\n  - cutout\n  - cutmix: { mode: elem }\n  - mixup\n";
    assert_eq!(large_allocations(mixing, pooled), template);
    assert_eq!(template, 3, "one clone of the template a batch");
}
