//! Boxes and keypoints move and mix with the pixels: the box of a moved object is the box of its moved mask.

use augraft::operator::{
    AnyOperator, Batch, Effects, Element, Images, Keypoint, Masks, Object, ObjectRules, Objects, OnDrop, Scratch, Seen,
    Shape, StepKey, Values,
};
use augraft_testkit::{batch, shape};
use augraft_tests::operators;
use ndarray::{Array4, Axis};

/// Samples that are drawn for each operator.
const SAMPLES: usize = 12;

/// Boxes of whole pixels in an image: small, large, at the border, beyond half of it.
fn boxes([height, width]: [usize; 2]) -> [[usize; 4]; SAMPLES] {
    std::array::from_fn(|row| {
        let (h, w) = (height, width);
        match row % 4 {
            0 => [w / 5, h / 4, w / 5 + w / 3, h / 4 + h / 5],
            1 => [0, 0, w / 2, h],
            2 => [w / 8, h / 8, w - w / 8, h - h / 8],
            _ => [w / 2, h / 3, w, h / 3 + 7],
        }
    })
}

/// A batch whose masks show the box of one object a sample.
fn annotated(input: &Shape) -> Batch {
    let mut samples = batch(input, SAMPLES);
    let [_, height, width] = samples.extent(0);
    let boxes = boxes([height, width]);
    let inside = |(row, _, y, x): (usize, usize, usize, usize)| {
        let [left, top, right, bottom] = boxes[row];
        u8::from(x >= left && x < right && y >= top && y < bottom)
    };
    samples.masks =
        Some(Masks { images: Images::U8(Array4::from_shape_fn([SAMPLES, 1, height, width], inside)), classes: 2 });
    let object = |row: usize| {
        let bounds = boxes[row].map(|edge| edge as f64);
        let mut object = Object::new(0, (samples.index[row], 0), bounds, [height, width]);
        let middle = [0.5 * (bounds[0] + bounds[2]), 0.5 * (bounds[1] + bounds[3])];
        object.keypoints = vec![Keypoint { at: middle, visibility: 2 }];
        vec![object]
    };
    samples.objects = Some(Objects { samples: (0..SAMPLES).map(object).collect(), flip_pairs: Vec::new() });
    samples
}

/// The box of what a mask shows of class 1, `[left, top, right, bottom]`; none where it shows nothing.
fn shown(batch: &Batch, row: usize) -> Option<[f32; 4]> {
    let Some(Images::U8(ids)) = batch.masks.as_ref().map(|masks| &masks.images) else { panic!("class ids") };
    let mask = ids.index_axis(Axis(0), row);
    let found = mask.indexed_iter().filter(|(_, id)| **id == 1).map(|((_, y, x), _)| [x, y]);
    found.fold(None, |bounds: Option<[f32; 4]>, at| {
        let [x, y] = at.map(|at| at as f32);
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x + 1.0), bottom.max(y + 1.0)])
    })
}

fn applied(operator: &dyn AnyOperator, seed: u64, before: &Batch) -> Batch {
    let mut after = before.clone();
    let draws = operator.draw(&StepKey::new(seed, "objects"), 0, &after);
    operator.apply(&draws, &mut after, &mut Scratch::default()).expect("its own draws");
    after
}

fn seen(batch: &Batch) -> Vec<Vec<Seen>> {
    batch.objects.as_ref().expect("objects").seen(&ObjectRules::default())
}

fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both)
}

fn moves(operator: &dyn AnyOperator, input: &Shape) -> bool {
    let effects: Effects = operator.effects(input);
    effects.moves && !effects.mixes && !effects.opaque
}

#[test]
fn a_moved_box_is_the_box_of_its_moved_mask() {
    let mut names = std::collections::BTreeSet::new();
    for size in [[96, 96], [70, 130]] {
        let input = shape(Element::U8, 3, size);
        for operator in
            operators().iter().filter(|operator| operator.check(&input).is_ok() && moves(&***operator, &input))
        {
            let what = format!("{} {}", operator.name(), operator.config());
            let after = applied(&**operator, 7, &annotated(&input));
            let exact = matches!(operator.parity(), augraft::operator::Parity::Exact);
            names.insert(operator.name());
            // A mask that is shown again in the padding has no box of its own.
            if ["padding_mode", "mode"]
                .iter()
                .any(|key| matches!(operator.config()[key].as_str(), Some("reflect" | "symmetric" | "edge")))
            {
                continue;
            }
            for (row, objects) in seen(&after).into_iter().enumerate() {
                let mask = shown(&after, row);
                let side = |bounds: [f32; 4]| (bounds[2] - bounds[0]).min(bounds[3] - bounds[1]);
                let Some(object) = objects.first() else {
                    assert!(mask.is_none_or(|mask| side(mask) <= 1.0), "{what}: sample {row} shows {mask:?}");
                    continue;
                };
                let Some(mask) = mask else {
                    assert!(side(object.bounds) <= 1.0, "{what}: sample {row} has {:?}", object.bounds);
                    continue;
                };
                let [_, height, width] = after.extent(row);
                let clear =
                    mask[0] > 1.0 && mask[1] > 1.0 && mask[2] < width as f32 - 1.0 && mask[3] < height as f32 - 1.0;
                let far = (0..4).map(|edge| (mask[edge] - object.bounds[edge]).abs()).fold(0.0, f32::max);
                // Where the border cuts a tilted box, its hull is cut, which reaches further than the hull of the rest.
                let cut = operator.name() == "affine" && !clear;
                let allowed = if exact { 0.0 } else { 1.0 };
                assert!(far <= allowed || cut, "{what}: sample {row}, {mask:?} is not {:?}", object.bounds);
                let reaches = |edge: usize, sign: f32| sign * object.bounds[edge] <= sign * mask[edge] + 1.0;
                assert!(
                    reaches(0, 1.0) && reaches(1, 1.0) && reaches(2, -1.0) && reaches(3, -1.0),
                    "{what}: sample {row}"
                );
                let overlap = intersection_over_union(mask, object.bounds);
                assert!(!clear || side(mask) < 64.0 || overlap > 0.95, "{what}: sample {row} overlaps by {overlap}");
            }
        }
    }
    assert!(names.len() >= 11, "{names:?}");
}

#[test]
fn what_turns_an_image_back_turns_its_boxes_back() {
    let input = shape(Element::U8, 3, [64, 64]);
    let before = annotated(&input);
    for (name, config, times) in [
        ("horizontal_flip", r#"{"p":1}"#, 2),
        ("vertical_flip", r#"{"p":1}"#, 2),
        ("transpose", r#"{"p":1}"#, 2),
        ("rot90", r#"{"k":[1]}"#, 4),
        ("rot90", r#"{"k":[3]}"#, 4),
    ] {
        let entry = augraft::operator::Registry::linked().get(name).expect("a linked operator");
        let operator = entry.parse(serde_json::from_str(config).expect("JSON")).expect("a configuration");
        let once = applied(&*operator, 1, &before);
        assert_ne!(seen(&once), seen(&before), "{name}");
        let turned = (1..times).fold(once, |batch, _| applied(&*operator, 1, &batch));
        assert_eq!(seen(&turned), seen(&before), "{name} {times} times");
    }
}

#[test]
fn a_turn_and_its_inverse_keep_the_area() {
    let input = shape(Element::U8, 3, [90, 120]);
    let entry = augraft::operator::Registry::linked().get("affine").expect("a linked operator");
    let turn = |degrees: f64| {
        let config = serde_json::json!({ "degrees": [degrees, degrees] });
        entry.parse(config).expect("a configuration")
    };
    let mut before = annotated(&input);
    before.objects.as_mut().expect("objects").samples.truncate(SAMPLES);
    let (there, back) = (turn(15.0), turn(-15.0));
    let after = applied(&*back, 2, &applied(&*there, 2, &before));
    let (old, new) = (seen(&before), seen(&after));
    // Sample 0 lies well inside, so that nothing is cut off on the way.
    let (old, new) = (&old[0][0].bounds, &new[0][0].bounds);
    assert!((0..4).all(|edge| (old[edge] - new[edge]).abs() < 1e-2), "{old:?} {new:?}");
}

#[test]
fn a_keypoint_stays_on_its_pixel() {
    for size in [[64, 64], [70, 110]] {
        let input = shape(Element::U8, 3, size);
        for operator in
            operators().iter().filter(|operator| operator.check(&input).is_ok() && moves(&***operator, &input))
        {
            let mut before = annotated(&input);
            let [_, height, width] = before.extent(0);
            // One pixel of the mask is of class 1: the one that the keypoint lies in.
            let at = |row: usize| [(7 + 9 * row) % width, (5 + 11 * row) % height];
            let point = |(row, _, y, x): (usize, usize, usize, usize)| u8::from([x, y] == at(row));
            before.masks = Some(Masks {
                images: Images::U8(Array4::from_shape_fn([SAMPLES, 1, height, width], point)),
                classes: 2,
            });
            for (row, objects) in before.objects.as_mut().expect("objects").samples.iter_mut().enumerate() {
                objects[0] = Object::new(0, (0, 0), [0.0, 0.0, width as f64, height as f64], [height, width]);
                objects[0].keypoints = vec![Keypoint { at: at(row).map(|place| place as f64 + 0.5), visibility: 2 }];
            }
            let after = applied(&**operator, 5, &before);
            for (row, objects) in seen(&after).iter().enumerate() {
                let (Some(mask), Some(object)) = (shown(&after, row), objects.first()) else { continue };
                if mask[2] - mask[0] > 2.0 || mask[3] - mask[1] > 2.0 {
                    continue;
                }
                let ([x, y], _) = object.keypoints[0];
                let near = |at: f32, from: f32, to: f32| at > from - 1.0 && at < to + 1.0;
                assert!(
                    near(x, mask[0], mask[2]) && near(y, mask[1], mask[3]),
                    "{} {}: sample {row}, {:?} is not in {mask:?}",
                    operator.name(),
                    operator.config(),
                    [x, y]
                );
            }
        }
    }
}

/// Objects of two samples after `operator`.
fn mixed(name: &str, config: &str, seed: u64) -> Batch {
    let entry = augraft::operator::Registry::linked().get(name).expect("a linked operator");
    let operator = entry.parse(serde_json::from_str(config).expect("JSON")).expect("a configuration");
    applied(&*operator, seed, &annotated(&shape(Element::F32, 3, [60, 80])))
}

#[test]
fn a_blend_keeps_all_objects_with_their_weights() {
    let after = mixed("mixup", r#"{"lam_dist":{"fixed":0.25},"partner":"roll"}"#, 1);
    for (row, objects) in seen(&after).iter().enumerate() {
        let weights: Vec<f32> = objects.iter().map(|object| object.weight).collect();
        assert_eq!(weights, [0.25, 0.75], "sample {row}");
        assert_ne!(objects[0].origin, objects[1].origin);
    }
}

#[test]
fn four_images_of_a_mosaic_show_their_objects_within_their_quadrants() {
    let after = mixed("mosaic", r#"{"form":"resize","mode":"elem"}"#, 3);
    let all = seen(&after);
    assert!(all.iter().all(|objects| objects.len() == 4), "{:?}", all.iter().map(Vec::len).collect::<Vec<_>>());
    let inside = |bounds: [f32; 4]| bounds[0] >= 0.0 && bounds[1] >= 0.0 && bounds[2] <= 80.0 && bounds[3] <= 60.0;
    assert!(all.iter().flatten().all(|object| inside(object.bounds)));
    // Ids are those of four different samples.
    let origins = |objects: &Vec<Seen>| {
        objects.iter().map(|object| object.origin.0).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(all.iter().all(|objects| origins(objects) == 4));
}

#[test]
fn what_a_box_or_a_hole_covers_is_no_longer_seen() {
    let input = shape(Element::F32, 3, [60, 80]);
    let visible = |batch: &Batch, row: usize| {
        let own = seen(batch)[row]
            .iter()
            .filter(|object| object.origin.0 == batch.index[row])
            .map(|object| object.visibility)
            .next();
        f64::from(own.unwrap_or(0.0))
    };
    for (name, config) in [
        ("cutmix", r#"{"mode":"elem"}"#),
        ("cutout", r#"{"length":30}"#),
        ("random_erasing", r#"{"p":1,"scale":[0.1,0.5]}"#),
        ("gridmix", r#"{"mode":"elem"}"#),
    ] {
        let entry = augraft::operator::Registry::linked().get(name).expect("a linked operator");
        let operator = entry.parse(serde_json::from_str(config).expect("JSON")).expect("a configuration");
        let before = annotated(&input);
        let after = applied(&*operator, 4, &before);
        let (Images::F32(old), Images::F32(new)) = (&before.images, &after.images) else { panic!("floats") };
        for (row, edges) in boxes([60, 80]).into_iter().enumerate() {
            let [left, top, right, bottom] = edges;
            let place = ndarray::s![row, 0, top..bottom, left..right];
            let (old, new) = (old.slice(place), new.slice(place));
            let kept = old.iter().zip(new.iter()).filter(|(a, b)| a == b).count() as f64 / old.len() as f64;
            let far = (visible(&after, row) - kept).abs();
            assert!(far < 0.02, "{name}: sample {row} keeps {kept}, and {} is seen", visible(&after, row));
        }
        assert!(operator.effects(&input).mixes || operator.effects(&input).values == Values::Erased);
    }
}

#[test]
fn rules_remove_or_mark_what_is_cut() {
    let after = mixed("center_crop", r#"{"size":[24,24]}"#, 1);
    let objects = after.objects.expect("objects");
    let all = |rules: ObjectRules| objects.seen(&rules).into_iter().flatten().collect::<Vec<_>>();
    let free = all(ObjectRules::default());
    let strict = ObjectRules { min_visibility: 0.5, ..ObjectRules::default() };
    let removed = all(strict);
    let marked = all(ObjectRules { on_drop: OnDrop::Ignore, ..strict });
    assert!(removed.len() < free.len() && removed.iter().all(|object| object.visibility >= 0.5));
    assert_eq!(marked.len(), free.len());
    assert_eq!(marked.iter().filter(|object| !object.ignore).count(), removed.len());
}
