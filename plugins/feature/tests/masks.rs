//! Masks show the same shares as labels do.

use augraft_feature::{MoEx, PatchMode, PatchUp};
use augraft_operator::{AnyOperator, Batch, Element, Images, Masks, Mode, Probability, Scratch, Side, StepKey};
use augraft_testkit::{batch, shape};
use ndarray::{Array4, Axis};

/// A batch whose masks show the class of the sample everywhere, changed by `operator`.
fn changed(operator: &dyn AnyOperator) -> Batch {
    let mut batch = batch(&shape(Element::F32, 3, [13, 9]), 6);
    let ids = Array4::from_shape_fn([6, 1, 13, 9], |(row, ..)| (row % 3) as u8);
    batch.masks = Some(Masks { images: Images::U8(ids), classes: 3 });
    let draws = operator.draw(&StepKey::new(3, "masks"), 0, &batch);
    operator.apply(&draws, &mut batch, &mut Scratch::default()).expect("its own draws");
    batch
}

#[test]
fn the_mean_of_a_patched_mask_is_the_label() {
    for (mode, per_channel) in [(PatchMode::Hard, true), (PatchMode::Hard, false), (PatchMode::Soft, true)] {
        let patchup = PatchUp {
            mode,
            per_channel,
            block_size: Side::of(3),
            p: Probability::ALWAYS,
            scope: Mode::Elem,
            ..PatchUp::default()
        };
        let batch = changed(&patchup);
        let share = |row: usize, class: usize| match batch.masks.as_ref().map(|masks| &masks.images) {
            Some(Images::U8(ids)) => {
                ids.index_axis(Axis(0), row).iter().filter(|id| usize::from(**id) == class).count() as f32 / 117.0
            }
            Some(Images::F32(shares)) => shares.index_axis(Axis(0), row).index_axis(Axis(0), class).sum() / 117.0,
            _ => f32::NAN,
        };
        for ((row, class), weight) in batch.labels.soft().indexed_iter() {
            assert!((share(row, class) - weight).abs() < 1e-5, "{mode:?} {per_channel}: sample {row}, class {class}");
        }
    }
}

#[test]
fn other_moments_leave_masks_as_they_are() {
    let Some(masks) = changed(&MoEx::default()).masks else { panic!("there were masks") };
    assert!(
        matches!(masks.images, Images::U8(ids) if ids.indexed_iter().all(|((row, ..), id)| *id == (row % 3) as u8))
    );
}
