//! What moves pixels moves masks: by the nearest pixel, and with no class where an image is padded.

use augraft_geometry::{Affine, RandomCrop, Resize};
use augraft_operator::{AnyOperator, Element, IGNORE, Images, Masks, Scratch, Side, Size, StepKey};
use augraft_testkit::{batch, shape};
use ndarray::Array4;

/// Class ids that differ from their neighbors by more than 1.
fn id(row: usize, y: usize, x: usize) -> u8 {
    ((row + 3 * y + 5 * x) % 7 * 20) as u8
}

/// The masks of a batch after `operator`.
fn changed(operator: &dyn AnyOperator) -> Array4<u8> {
    let mut batch = batch(&shape(Element::U8, 3, [12, 9]), 4);
    let ids = Array4::from_shape_fn([4, 1, 12, 9], |(row, _, y, x)| id(row, y, x));
    batch.masks = Some(Masks { images: Images::U8(ids), classes: 121 });
    let draws = operator.draw(&StepKey::new(3, "masks"), 0, &batch);
    operator.apply(&draws, &mut batch, &mut Scratch::default()).expect("its own draws");
    match batch.masks.map(|masks| masks.images) {
        Some(Images::U8(ids)) => ids,
        other => panic!("{other:?} are no class ids"),
    }
}

#[test]
fn resized_masks_show_the_nearest_class() {
    let size = Size::Sides([Side::of(5), Side::of(18)]);
    let ids = changed(&Resize { size, ..Resize::default() });
    assert_eq!(ids.shape(), [4, 1, 5, 18]);
    for ((row, _, y, x), shown) in ids.indexed_iter() {
        assert_eq!(*shown, id(row, (2 * y + 1) * 12 / 10, (2 * x + 1) * 9 / 36), "{row} {y} {x}");
    }
}

#[test]
fn warped_masks_show_classes_of_the_sample() {
    let ids = changed(&Affine::default());
    assert_eq!(ids.shape(), [4, 1, 12, 9]);
    assert!(ids.iter().all(|id| id % 20 == 0 || *id == IGNORE), "{ids}");
}

#[test]
fn a_crop_larger_than_the_image_is_padded_evenly() {
    let ids = changed(&RandomCrop { size: Size::Sides([Side::of(18), Side::of(15)]), ..RandomCrop::default() });
    assert_eq!(ids.shape(), [4, 1, 18, 15]);
    for ((_, _, y, x), id) in ids.indexed_iter() {
        let inside = (3..15).contains(&y) && (3..12).contains(&x);
        assert_eq!(*id != IGNORE, inside, "{y} {x}");
    }
}
