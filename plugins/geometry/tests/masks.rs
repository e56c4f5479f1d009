//! What moves pixels moves masks: by the nearest pixel, and with no class where an image is padded.

use augraft_geometry::{Affine, Angle, Angles, RandomCrop, Resize};
use augraft_operator::{AnyOperator, Draws, Element, IGNORE, Images, Masks, Scratch, Side, Size, StepKey, Tensor};
use augraft_testkit::{batch, shape};
use ndarray::Array4;

/// Class ids that differ from their neighbors by more than 1.
fn id(row: usize, y: usize, x: usize) -> u8 {
    ((row + 3 * y + 5 * x) % 7 * 20) as u8
}

/// The masks of a batch after `operator`.
fn changed(operator: &dyn AnyOperator) -> Array4<u8> {
    drawn_and_changed(operator).1
}

/// The same with what was drawn.
fn drawn_and_changed(operator: &dyn AnyOperator) -> (Draws, Array4<u8>) {
    let mut batch = batch(&shape(Element::U8, 3, [12, 9]), 4);
    let ids = Array4::from_shape_fn([4, 1, 12, 9], |(row, _, y, x)| id(row, y, x));
    batch.masks = Some(Masks { images: Images::U8(ids), classes: 121 });
    let draws = operator.draw(&StepKey::new(3, "masks"), 0, &batch);
    operator.apply(&draws, &mut batch, &mut Scratch::default()).expect("its own draws");
    match batch.masks.map(|masks| masks.images) {
        Some(Images::U8(ids)) => (draws, ids),
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
fn warped_masks_show_the_class_of_the_pixel_that_a_place_lies_in() {
    let mut affine = Affine::default();
    affine.degrees = Angles::Around(Angle::new(40.0).expect("an angle"));
    let (draws, ids) = drawn_and_changed(&affine);
    assert_eq!(ids.shape(), [4, 1, 12, 9]);
    let mut kept = 0;
    for ((row, _, y, x), shown) in ids.indexed_iter() {
        let number = |name: &str| f64::from(draws.column(name).and_then(Tensor::as_f32).expect(name)[row]);
        let (from_x, from_y) = (x as f64 + 0.5 - 4.5, y as f64 + 0.5 - 6.0);
        let column = number("xx") * from_x + number("xy") * from_y + number("x0") + 4.5;
        let line = number("yx") * from_x + number("yy") * from_y + number("y0") + 6.0;
        let inside = (0.0..9.0).contains(&column) && (0.0..12.0).contains(&line);
        let expected = if inside { id(row, line as usize, column as usize) } else { IGNORE };
        assert_eq!(*shown, expected, "{row} {y} {x}");
        kept += usize::from(inside);
    }
    assert!(kept > ids.len() / 2 && kept < ids.len(), "{kept} of {} are kept", ids.len());
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
