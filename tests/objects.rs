//! Boxes and keypoints move and mix with the pixels: the box of a moved object is the box of its moved mask.

use std::collections::{BTreeMap, BTreeSet};

use augraft::onnx::Tensor;
use augraft::operator::{
    AnyOperator, Batch, Effects, Element, Images, Keypoint, Masks, Object, ObjectRules, Objects, OnDrop, Parity,
    Registry, Scratch, Seen, Shape, StepKey,
};
use augraft_testkit::{batch, shape};
use augraft_tests::operators;
use ndarray::{Array4, Axis};
use serde_json::{Value, json};

/// Samples that are drawn for each operator.
pub(crate) const SAMPLES: usize = 12;

/// Images of bytes and of floats: squares, and others that are wide or tall.
const INPUTS: [(Element, [usize; 2]); 4] =
    [(Element::U8, [64, 64]), (Element::U8, [70, 130]), (Element::F32, [96, 96]), (Element::F32, [60, 44])];

/// Boxes of whole pixels in an image: small, large, at the border, beyond half of it.
pub(crate) fn boxes([height, width]: [usize; 2]) -> [[usize; 4]; SAMPLES] {
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
pub(crate) fn annotated(input: &Shape) -> Batch {
    let mut samples = batch(input, SAMPLES);
    let [_, height, width] = samples.extent(0);
    let boxes = boxes([height, width]);
    draw_boxes(&mut samples, |row| boxes[row]);
    samples
}

/// Gives every sample one object, with a keypoint in its middle, and a mask that shows its box.
fn draw_boxes(samples: &mut Batch, edges: impl Fn(usize) -> [usize; 4]) {
    let [_, height, width] = samples.extent(0);
    let mut ids = Array4::zeros([SAMPLES, 1, height, width]);
    for (row, mut mask) in ids.outer_iter_mut().enumerate() {
        let [left, top, right, bottom] = edges(row);
        let lines = mask.as_slice_mut().expect("in order").chunks_exact_mut(width);
        lines.take(bottom).skip(top).for_each(|line| line[left..right].fill(1));
    }
    samples.masks = Some(Masks { images: Images::U8(ids), classes: 2 });
    let object = |row: usize| {
        let bounds = edges(row).map(|edge| edge as f64);
        let mut object = Object::new(0, (samples.index[row], 0), bounds, [height, width]);
        let middle = [0.5 * (bounds[0] + bounds[2]), 0.5 * (bounds[1] + bounds[3])];
        object.keypoints = vec![Keypoint { at: middle, visibility: 2 }];
        vec![object]
    };
    samples.objects = Some(Objects { samples: (0..SAMPLES).map(object).collect(), flip_pairs: Vec::new() });
}

/// The box of what a mask shows of class 1, `[left, top, right, bottom]`; none where it shows nothing.
pub(crate) fn shown(batch: &Batch, row: usize) -> Option<[f32; 4]> {
    let Some(Images::U8(ids)) = batch.masks.as_ref().map(|masks| &masks.images) else { panic!("class ids") };
    let mask = ids.index_axis(Axis(0), row);
    let lines = mask.as_slice().expect("in order").chunks_exact(mask.dim().2).enumerate();
    let lines = lines.filter(|(_, line)| line.contains(&1));
    lines.fold(None, |bounds: Option<[f32; 4]>, (y, line)| {
        let ends = [line.iter().position(|id| *id == 1), line.iter().rposition(|id| *id == 1)];
        let ([first, last], y) = (ends.map(|at| at.expect("class 1") as f32), y as f32);
        let [left, top, right, _] = bounds.unwrap_or([first, y, last, y]);
        Some([left.min(first), top, right.max(last + 1.0), y + 1.0])
    })
}

pub(crate) fn applied(operator: &dyn AnyOperator, seed: u64, before: &Batch) -> Batch {
    let mut after = before.clone();
    let draws = operator.draw(&StepKey::new(seed, "objects"), 0, &after);
    operator.apply(&draws, &mut after, &mut Scratch::default()).expect("its own draws");
    after
}

pub(crate) fn seen(batch: &Batch) -> Vec<Vec<Seen>> {
    batch.objects.as_ref().expect("objects").seen(&ObjectRules::default())
}

fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    both / (area(a) + area(b) - both)
}

/// The linked operator `name`.
pub(crate) fn configured(name: &str, config: Value) -> Box<dyn AnyOperator> {
    let entry = Registry::linked().get(name).expect("a linked operator");
    entry.parse(config).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Whether an operator moves pixels and nothing else.
pub(crate) fn moves(operator: &dyn AnyOperator, input: &Shape) -> bool {
    let effects: Effects = operator.effects(input);
    effects.moves && !effects.mixes && !effects.opaque
}

/// Turns by which boxes tilt strongly.
fn turns() -> Vec<Box<dyn AnyOperator>> {
    let by = |low: i32, high: i32, more: Value| {
        let mut config = json!({ "degrees": [low, high], "scale": [0.5, 1.1], "shear": [-20, 20, -10, 10] });
        config.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
        configured("affine", config)
    };
    vec![
        by(30, 60, json!({})),
        by(-60, -30, json!({ "interpolation": "nearest" })),
        by(30, 60, json!({ "translate": [0.2, 0.1], "scale": [0.7, 0.9], "fill": 0.5 })),
    ]
}

/// Operators that move pixels, with their defaults, the cases of their fixtures and strong turns.
pub(crate) fn moving(input: &Shape) -> Vec<Box<dyn AnyOperator>> {
    let all = operators().into_iter().chain(turns());
    all.filter(|operator| operator.check(input).is_ok() && moves(&**operator, input)).collect()
}

/// The names of the operators that move pixels with their defaults.
pub(crate) fn moving_names() -> BTreeSet<&'static str> {
    let moving = |entry: &&augraft::operator::Entry| {
        let effects = entry.effects();
        effects.moves && !effects.mixes && !effects.opaque
    };
    Registry::linked().iter().filter(moving).map(|entry| entry.name).collect()
}

/// The same operator with `fill` where it shows an image again in its padding: what is shown twice has no box of its own.
pub(crate) fn shown_once(operator: &dyn AnyOperator) -> Option<Box<dyn AnyOperator>> {
    let mut config = operator.config();
    let repeats = |value: &Value| matches!(value.as_str(), Some("reflect" | "symmetric" | "edge"));
    let key = ["padding_mode", "mode"].into_iter().find(|key| repeats(&config[*key]))?;
    config[key] = json!("constant");
    Some(operator.with_config(config).expect("a configuration"))
}

fn side(bounds: [f32; 4]) -> f32 {
    (bounds[2] - bounds[0]).min(bounds[3] - bounds[1])
}

/// Whether a box ends at least a pixel before the border.
fn is_clear(mask: [f32; 4], [_, height, width]: [usize; 3]) -> bool {
    mask[0] >= 1.0 && mask[1] >= 1.0 && mask[2] <= width as f32 - 1.0 && mask[3] <= height as f32 - 1.0
}

/// How much finer a mask is drawn where the middles of pixels miss the tip of a tilted box.
const FINER: usize = 4;

/// The masks of a batch that is drawn finer, after the same turn.
fn turned_finer(operator: &dyn AnyOperator, seed: u64, [height, width]: [usize; 2]) -> Batch {
    let before = annotated(&shape(Element::F32, 1, [height, width]));
    let mut draws = operator.draw(&StepKey::new(seed, "objects"), 0, &before);
    for (_, column) in draws.columns.iter_mut().filter(|(name, _)| matches!(name.as_str(), "x0" | "y0")) {
        let Tensor::F32(shift) = column else { panic!("numbers") };
        shift.mapv_inplace(|shift| shift * FINER as f32);
    }
    let mut finer = batch(&shape(Element::F32, 1, [height * FINER, width * FINER]), SAMPLES);
    draw_boxes(&mut finer, |row| boxes([height, width])[row].map(|edge| edge * FINER));
    operator.apply(&draws, &mut finer, &mut Scratch::default()).expect("its own draws");
    finer
}

fn farthest(a: [f32; 4], b: [f32; 4]) -> f32 {
    (0..4).map(|edge| (a[edge] - b[edge]).abs()).fold(0.0, f32::max)
}

/// Compares the box of every sample of a drawn batch of `size` with that of its mask after a step, and returns how many were compared.
fn compare(what: &str, operator: &dyn AnyOperator, seed: u64, size: [usize; 2], after: &Batch) -> usize {
    // What is copied pixel by pixel ends where pixels end.
    let allowed = if matches!(operator.parity(), Parity::Exact) { 0.0 } else { 1.0 };
    let mut compared = 0;
    for (row, objects) in seen(after).into_iter().enumerate() {
        let (object, mask) = match (objects.first(), shown(after, row)) {
            (Some(object), Some(mask)) => (object, mask),
            (None, None) => continue,
            (None, Some(mask)) => {
                assert!(side(mask) <= allowed, "{what}: sample {row} shows {mask:?} and has no object");
                continue;
            }
            (Some(object), None) => {
                assert!(side(object.bounds) <= allowed, "{what}: sample {row} has {:?}", object.bounds);
                continue;
            }
        };
        let tilts = operator.name() == "affine";
        if tilts && !is_clear(mask, after.extent(row)) {
            // Another test compares these with polygons: where the border cuts at a small angle, a tip holds the middles of no pixels, however fine.
            let reaches = |edge: usize, sign: f32| sign * object.bounds[edge] <= sign * mask[edge] + 1.0;
            let holds = reaches(0, 1.0) && reaches(1, 1.0) && reaches(2, -1.0) && reaches(3, -1.0);
            assert!(holds, "{what}: sample {row}, {mask:?} is not in {:?}", object.bounds);
            continue;
        }
        let mut far = farthest(mask, object.bounds);
        if far > allowed && tilts {
            let finer = shown(&turned_finer(operator, seed, size), row).expect("a finer mask");
            far = farthest(finer.map(|edge| edge / FINER as f32), object.bounds);
        }
        assert!(far <= allowed, "{what}: sample {row}, {mask:?} is not {:?}", object.bounds);
        compared += 1;
    }
    compared
}

#[test]
fn a_moved_box_is_the_box_of_its_moved_mask() {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (element, size) in INPUTS {
        let input = shape(element, 1, size);
        let before = annotated(&input);
        for operator in moving(&input) {
            let what = format!("{} {} on {}", operator.name(), operator.config(), input.describe());
            let mut after = applied(&*operator, 7, &before);
            if let Some(once) = shown_once(&*operator) {
                let other = applied(&*once, 7, &before);
                assert_eq!(seen(&after), seen(&other), "{what}: what is outside has no objects");
                after = other;
            }
            let kind = if element == Element::U8 { "u8" } else { "f32" };
            *counts.entry((operator.name(), kind)).or_default() += compare(&what, &*operator, 7, size, &after);
        }
    }
    for name in moving_names() {
        assert!(["u8", "f32"].iter().all(|kind| counts.get(&(name, kind)) > Some(&10)), "{name}: {counts:?}");
    }
}

#[test]
fn large_boxes_inside_the_frame_overlap_with_their_masks() {
    // What a grid scatters reaches the border of the image.
    let names = || moving_names().into_iter().filter(|name| *name != "grid_shuffle");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (element, size) in [(Element::U8, [130, 160]), (Element::F32, [160, 160]), (Element::F32, [160, 130])] {
        let input = shape(element, 1, size);
        let large = |name: &'static str| {
            let mut config = Registry::linked().get(name).expect("a linked operator").default_operator().config();
            for (key, value) in [("p", json!(1)), ("size", json!([126, 128])), ("scale", json!([0.9, 1]))] {
                config.get_mut(key).into_iter().for_each(|field| *field = value.clone());
            }
            configured(name, config)
        };
        let (mut before, [height, width]) = (batch(&input, SAMPLES), size);
        // One half is shown whole where a crop shows most of an image, the other is still large in an image that is made smaller.
        draw_boxes(&mut before, |row| match row % 2 {
            0 => [30 + row, 28, 96 + row, 95 + row % 3],
            _ => [12 + row % 4, 10 + row, width - 18 - row % 3, height - 12 - row],
        });
        let all = names().map(large).chain(turns());
        for operator in all.filter(|operator| operator.check(&input).is_ok()) {
            for seed in 0..2 {
                let after = applied(&*operator, seed, &before);
                for (row, objects) in seen(&after).iter().enumerate() {
                    let (Some(mask), Some(object)) = (shown(&after, row), objects.first()) else { continue };
                    if is_clear(mask, after.extent(row)) && side(mask) >= 64.0 {
                        let overlap = intersection_over_union(mask, object.bounds);
                        let what = || format!("{} {}: sample {row}", operator.name(), operator.config());
                        assert!(overlap > 0.95, "{} overlaps by {overlap}", what());
                        *counts.entry(operator.name()).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(names().all(|name| counts.get(name) > Some(&5)), "{counts:?}");
}

/// What is left of a polygon between two lines across an axis, by Sutherland and Hodgman.
fn between(polygon: &[[f64; 2]], axis: usize, [low, high]: [f64; 2]) -> Vec<[f64; 2]> {
    [(low, 1.0), (high, -1.0)].into_iter().fold(polygon.to_vec(), |polygon, (line, sign)| {
        let beyond = |at: &[f64; 2]| sign * (at[axis] - line);
        let mut kept = Vec::new();
        for (at, corner) in polygon.iter().enumerate() {
            let next = &polygon[(at + 1) % polygon.len()];
            let (here, there) = (beyond(corner), beyond(next));
            if here >= 0.0 {
                kept.push(*corner);
            }
            if here * there < 0.0 {
                let share = here / (here - there);
                kept.push([0, 1].map(|axis| corner[axis] + share * (next[axis] - corner[axis])));
            }
        }
        kept
    })
}

#[test]
fn a_tilted_box_that_the_border_cuts_is_the_box_of_what_is_left() {
    let [height, width] = [70, 130];
    let input = shape(Element::F32, 1, [height, width]);
    let (mut cut, mut whole) = (0, 0);
    for (operator, seed) in turns().iter().flat_map(|operator| (0..4).map(move |seed| (operator, seed))) {
        let before = annotated(&input);
        let draws = operator.draw(&StepKey::new(seed, "objects"), 0, &before);
        let number = |name: &str, row: usize| f64::from(draws.column(name).and_then(Tensor::as_f32).expect(name)[row]);
        let after = applied(&**operator, seed, &before);
        for (row, edges) in boxes([height, width]).into_iter().enumerate() {
            let [left, top, right, bottom] = edges.map(|edge| edge as f64);
            let [[a, b, x0], [c, d, y0]] =
                [["xx", "xy", "x0"], ["yx", "yy", "y0"]].map(|names| names.map(|name| number(name, row)));
            let [middle_x, middle_y] = [width as f64 / 2.0, height as f64 / 2.0];
            // Cramer's rule for the place whose pixel is looked up at (x, y).
            let moved = |[x, y]: [f64; 2]| {
                let (u, v) = (x - middle_x - x0, y - middle_y - y0);
                let over = a * d - b * c;
                [(u * d - v * b) / over + middle_x, (a * v - c * u) / over + middle_y]
            };
            let corners = [[left, top], [right, top], [right, bottom], [left, bottom]].map(moved);
            let rest = between(&between(&corners, 0, [0.0, width as f64]), 1, [0.0, height as f64]);
            let ends = |axis: usize| {
                let along = rest.iter().map(|corner| corner[axis]);
                [along.clone().fold(f64::MAX, f64::min), along.fold(f64::MIN, f64::max)]
            };
            let objects = seen(&after).swap_remove(row);
            if rest.is_empty() {
                assert!(objects.is_empty(), "sample {row} of seed {seed} is not in the image");
                continue;
            }
            let ([from_x, to_x], [from_y, to_y]) = (ends(0), ends(1));
            let expected = [from_x, from_y, to_x, to_y];
            let bounds = objects.first().expect("an object in the image").bounds;
            let far = (0..4).map(|edge| (f64::from(bounds[edge]) - expected[edge]).abs()).fold(0.0, f64::max);
            assert!(far < 1e-3, "{}: seed {seed}, sample {row}: {bounds:?} is not {expected:?}", operator.config());
            let outside = |axis: usize, side: usize| corners.iter().any(|at| at[axis] < 0.0 || at[axis] > side as f64);
            if outside(0, width) || outside(1, height) { cut += 1 } else { whole += 1 }
        }
    }
    assert!(cut > 20 && whole > 20, "{cut} are cut, {whole} are not");
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
        let operator = configured(name, serde_json::from_str(config).expect("JSON"));
        let once = applied(&*operator, 1, &before);
        assert_ne!(seen(&once), seen(&before), "{name}");
        let turned = (1..times).fold(once, |batch, _| applied(&*operator, 1, &batch));
        assert_eq!(seen(&turned), seen(&before), "{name} {times} times");
    }
}

#[test]
fn a_turn_and_its_inverse_keep_the_area() {
    let input = shape(Element::U8, 3, [90, 120]);
    let turn = |degrees: f64| configured("affine", json!({ "degrees": [degrees, degrees] }));
    let mut before = annotated(&input);
    before.objects.as_mut().expect("objects").samples.truncate(SAMPLES);
    let (there, back) = (turn(15.0), turn(-15.0));
    let after = applied(&*back, 2, &applied(&*there, 2, &before));
    let (old, new) = (seen(&before), seen(&after));
    // Sample 0 lies well inside, so that nothing is cut off on the way.
    let (old, new) = (&old[0][0].bounds, &new[0][0].bounds);
    assert!((0..4).all(|edge| (old[edge] - new[edge]).abs() < 1e-2), "{old:?} {new:?}");
}

/// Objects of two samples after `operator`.
pub(crate) fn mixed(name: &str, config: &str, seed: u64) -> Batch {
    let operator = configured(name, serde_json::from_str(config).expect("JSON"));
    applied(&*operator, seed, &annotated(&shape(Element::F32, 3, [60, 80])))
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
