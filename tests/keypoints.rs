//! Keypoints move with their pixels, are visible as long as these are shown, and change sides in a mirror image.

use std::collections::BTreeMap;

use augraft::operator::{
    AnyOperator, Batch, Element, IGNORE, Images, Keypoint, Masks, Object, ObjectRules, Objects, Parity, Seen, Shape,
};
use augraft_testkit::{batch, shape};
use ndarray::{Array2, Array4, s};
use serde_json::{Value, json};

use crate::objects::{SAMPLES, applied, configured, moving, moving_names, seen, shown_once};

/// Keypoints of a sample.
const POINTS: usize = 10;

/// The pixels whose middles are the keypoints of a sample: the corners, and others.
fn marked(row: usize, [height, width]: [usize; 2]) -> [[usize; 2]; POINTS] {
    std::array::from_fn(|at| match at {
        0..4 => [at % 2 * (width - 1), at / 2 * (height - 1)],
        _ => [(7 + 9 * row + 31 * at) % width, (5 + 11 * row + 17 * at) % height],
    })
}

/// A batch of objects as large as their images, with keypoints; masks show the row of each pixel, or the column.
fn marks(input: &Shape, axis: usize) -> Batch {
    let mut samples = batch(input, SAMPLES);
    let [_, height, width] = samples.extent(0);
    let place = |(_, _, y, x): (usize, usize, usize, usize)| [y, x][axis] as u8;
    let ids = Array4::from_shape_fn([SAMPLES, 1, height, width], place);
    samples.masks = Some(Masks { images: Images::U8(ids), classes: usize::from(IGNORE) });
    let object = |row: usize| {
        let bounds = [0.0, 0.0, width as f64, height as f64];
        let mut object = Object::new(0, (samples.index[row], 0), bounds, [height, width]);
        let point = |pixel: [usize; 2]| Keypoint { at: pixel.map(|place| place as f64 + 0.5), visibility: 2 };
        object.keypoints = marked(row, [height, width]).map(point).to_vec();
        vec![object]
    };
    samples.objects = Some(Objects { samples: (0..SAMPLES).map(object).collect(), flip_pairs: Vec::new() });
    samples
}

/// The places that one axis of a mask shows.
fn places(batch: &Batch, row: usize) -> Array2<u8> {
    let Some(Images::U8(ids)) = batch.masks.as_ref().map(|masks| &masks.images) else { panic!("class ids") };
    ids.slice(s![row, 0, .., ..]).to_owned()
}

/// What the pixels of a result show.
struct Found {
    /// `[row, column]` of the image for each pixel.
    shown: [Array2<u8>; 2],
    /// Whether each pixel of the image is shown, by row and column.
    pixels: Vec<bool>,
    exact: bool,
}

impl Found {
    fn new(shown: [Array2<u8>; 2], exact: bool) -> Self {
        let mut pixels = vec![false; 1 << 16];
        shown[0].iter().zip(&shown[1]).for_each(|(y, x)| pixels[usize::from(*y) << 8 | usize::from(*x)] = true);
        Self { shown, pixels, exact }
    }

    fn at(&self, y: usize, x: usize) -> Option<[i32; 2]> {
        let ids = self.shown.each_ref().map(|ids| ids[[y, x]]);
        (ids[0] != IGNORE).then(|| ids.map(i32::from))
    }

    /// How many pixels of the image lie between two neighbors of the result, at most.
    fn steps(&self) -> [i32; 2] {
        let (height, width) = self.shown[0].dim();
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let neighbors = pixels.flat_map(|(y, x)| [(y, x, y + 1, x), (y, x, y, x + 1)]);
        let inside = neighbors.filter(|(_, _, y, x)| *y < height && *x < width);
        let pairs = inside.filter_map(|(y, x, below, right)| Some((self.at(y, x)?, self.at(below, right)?)));
        pairs.fold([0; 2], |most, (a, b)| [0, 1].map(|axis| (a[axis] - b[axis]).abs().max(most[axis])))
    }

    /// Whether the pixel that a place lies in shows `pixel`, or one within a pixel of the result would.
    fn shows(&self, [x, y]: [f32; 2], pixel: [i32; 2]) -> bool {
        let (height, width) = self.shown[0].dim();
        let ([y, x], own) = ([y as usize, x as usize], self.at(y as usize, x as usize));
        if self.exact || own == Some(pixel) {
            return own == Some(pixel);
        }
        let near = |at: usize, side: usize| at.saturating_sub(1)..(at + 2).min(side);
        let around = near(y, height).flat_map(|y| near(x, width).map(move |x| (y, x)));
        let mut around = around.filter_map(|(y, x)| self.at(y, x));
        // The middle of the pixel may be outside of the image where its corner is not.
        let steps = self.steps();
        let is_near = |at: [i32; 2]| (0..2).all(|axis| (at[axis] - pixel[axis]).abs() <= steps[axis]);
        own.map_or_else(|| around.any(is_near), is_near)
    }

    /// How far from a place the result shows `pixel`; nowhere as a rule where the place is not in it.
    fn distance(&self, place: [f32; 2], pixel: [i32; 2]) -> Option<f32> {
        if !self.pixels[(pixel[0] as usize) << 8 | pixel[1] as usize] {
            return None;
        }
        let (height, width) = self.shown[0].dim();
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let shown = pixels.filter(|(y, x)| self.at(*y, *x) == Some(pixel));
        let far = |(y, x)| (x as f32 + 0.5 - place[0]).abs().max((y as f32 + 0.5 - place[1]).abs());
        shown.map(far).reduce(f32::max)
    }
}

#[test]
fn a_keypoint_is_visible_where_its_pixel_is_shown() {
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (element, size) in [(Element::U8, [48, 48]), (Element::F32, [36, 60])] {
        let input = shape(element, 1, size);
        let before = [0, 1].map(|axis| marks(&input, axis));
        for operator in moving(&input) {
            let what = format!("{} {} on {}", operator.name(), operator.config(), input.describe());
            let operator = shown_once(&*operator).unwrap_or(operator);
            let exact = matches!(operator.parity(), Parity::Exact);
            let [down, across] = before.each_ref().map(|before| applied(&*operator, 5, before));
            let views = down.len() / SAMPLES;
            for (row, objects) in seen(&down).iter().enumerate() {
                let found = Found::new([places(&down, row), places(&across, row)], exact);
                let pixels = marked(row / views, size);
                let Some(object) = objects.first() else { panic!("{what}: sample {row} shows nothing") };
                for ((place, visibility), [x, y]) in object.keypoints.iter().zip(pixels) {
                    let pixel = [y as i32, x as i32];
                    let visible = *visibility > 0;
                    counts.entry(operator.name()).or_default()[usize::from(!visible)] += 1;
                    let what = || format!("{what}: sample {row}, the keypoint in column {x} of row {y} at {place:?}");
                    if visible {
                        assert!(found.shows(*place, pixel), "{} is not on its pixel", what());
                        continue;
                    }
                    // A pixel whose middle is just outside may be the nearest one of the last inside; it is as large as it was made.
                    let factor = operator.config()["scale"][1].as_f64().unwrap_or(1.0).max(1.0) as f32;
                    let far = found.distance(*place, pixel);
                    let near = far.is_none_or(|far| !exact && far <= factor);
                    assert!(near, "{} is lost, its pixel shown {far:?} away", what());
                }
            }
        }
    }
    for name in moving_names() {
        assert!(counts.get(name).is_some_and(|[visible, _]| *visible > 100), "{name}: {counts:?}");
    }
    for name in ["affine", "center_crop", "five_crop", "random_crop", "resized_crop", "ten_crop"] {
        assert!(counts[name][1] > 20, "{name} cuts keypoints off: {counts:?}");
    }
}

/// Samples with a keypoint on the left, one on the right, which is hidden and changes places with it, and one of its own.
fn sides(input: &Shape) -> Batch {
    let mut samples = batch(input, 4);
    let [_, height, width] = samples.extent(0);
    let object = |index: &u64| {
        let mut object = Object::new(0, (*index, 0), [2.0, 3.0, 40.0, 44.0], [height, width]);
        let points = [([6.0, 10.0], 2), ([37.0, 12.0], 1), ([20.0, 40.0], 2)];
        object.keypoints = points.map(|(at, visibility)| Keypoint { at, visibility }).to_vec();
        vec![object]
    };
    let objects = samples.index.iter().map(object).collect();
    samples.objects = Some(Objects { samples: objects, flip_pairs: vec![[0, 1]] });
    samples
}

/// The keypoints of the only object of each sample.
fn points(batch: &Batch) -> Vec<Vec<([f32; 2], u8)>> {
    seen(batch).into_iter().map(|mut objects: Vec<Seen>| objects.remove(0).keypoints).collect()
}

/// Where a place is found in an image of a side.
type Moved = fn([f32; 2], f32) -> [f32; 2];

#[test]
fn left_and_right_change_places_in_a_mirror_image_and_in_no_other() {
    let input = shape(Element::U8, 3, [48, 48]);
    let before = sides(&input);
    let last = 48.0;
    let cases: [(&str, Value, Moved, bool); 8] = [
        ("horizontal_flip", json!({ "p": 1 }), |[x, y], last| [last - x, y], true),
        ("vertical_flip", json!({ "p": 1 }), |[x, y], last| [x, last - y], true),
        ("transpose", json!({ "p": 1 }), |[x, y], _| [y, x], true),
        ("rot90", json!({ "k": [1] }), |[x, y], last| [y, last - x], false),
        ("rot90", json!({ "k": [2] }), |[x, y], last| [last - x, last - y], false),
        ("rot90", json!({ "k": [3] }), |[x, y], last| [last - y, x], false),
        ("center_crop", json!({ "size": 44 }), |[x, y], _| [x - 2.0, y - 2.0], false),
        ("affine", json!({ "degrees": [180, 180] }), |[x, y], last| [last - x, last - y], false),
    ];
    for (name, config, place, swaps) in cases {
        let after = points(&applied(&*configured(name, config.clone()), 3, &before));
        for (row, (points, old)) in after.iter().zip(points(&before)).enumerate() {
            let order = if swaps { [1, 0, 2] } else { [0, 1, 2] };
            for (number, (at, visibility)) in points.iter().enumerate() {
                let (expected, visible) = (place(old[order[number]].0, last), old[order[number]].1);
                let near = (0..2).all(|axis| (at[axis] - expected[axis]).abs() < 1e-3);
                assert!(near && *visibility == visible, "{name} {config}: sample {row}, keypoint {number} at {at:?}");
            }
        }
    }
}

#[test]
fn two_mirror_images_are_a_turn_and_four_names_come_back() {
    let input = shape(Element::F32, 3, [48, 48]);
    let before = sides(&input);
    let [across, down, transposed] =
        ["horizontal_flip", "vertical_flip", "transpose"].map(|name| configured(name, json!({ "p": 1 })));
    for mirror in [&across, &down, &transposed] {
        let once = applied(&**mirror, 1, &before);
        assert_ne!(points(&once), points(&before), "{}", mirror.name());
        assert_eq!(seen(&applied(&**mirror, 1, &once)), seen(&before), "{} twice", mirror.name());
    }
    let turned = |k: u8| applied(&*configured("rot90", json!({ "k": [k] })), 1, &before);
    let both = |first: &dyn AnyOperator, second: &dyn AnyOperator| applied(second, 1, &applied(first, 1, &before));
    assert_eq!(points(&both(&*across, &*down)), points(&turned(2)));
    assert_eq!(points(&both(&*transposed, &*down)), points(&turned(1)));
    assert_eq!(points(&both(&*transposed, &*across)), points(&turned(3)));
}

#[test]
fn a_drawn_mirror_image_swaps_where_it_is_drawn() {
    let input = shape(Element::F32, 3, [48, 48]);
    // Keypoint 0 is on the left of 1 as seen from keypoint 2, whatever turns the image; a mirror image that did not swap them would change that.
    let hand = |points: &[([f32; 2], u8)]| {
        let [a, b, c] = [0, 1, 2].map(|at: usize| points[at].0);
        (a[0] - c[0]) * (b[1] - c[1]) - (a[1] - c[1]) * (b[0] - c[0])
    };
    let before = sides(&input);
    let own = hand(&points(&before)[0]);
    for (name, config, mirrors) in [
        ("dihedral", json!({ "p": 1 }), true),
        ("horizontal_flip", json!({ "p": 0.5 }), true),
        ("vertical_flip", json!({ "p": 0.5 }), true),
        ("transpose", json!({ "p": 0.5 }), true),
        ("rot90", json!({ "p": 0.7 }), false),
        ("ten_crop", json!({ "size": 46 }), true),
        ("affine", json!({ "degrees": 90, "shear": 10 }), false),
    ] {
        // What is hidden stays hidden, so that it tells which name a place has.
        let mut swapped = [0, 0];
        for seed in 0..6 {
            let after = applied(&*configured(name, config.clone()), seed, &before);
            for points in points(&after) {
                assert!(hand(&points) * own > 0.0, "{name}: {points:?}");
                swapped[usize::from(points[0].1 == 1)] += 1;
            }
        }
        assert!(swapped[0] > 3 && (swapped[1] > 3) == mirrors, "{name}: {swapped:?}");
    }
}

#[test]
fn keypoints_on_the_border_of_an_image_are_in_it_and_in_its_mirror_image() {
    let input = shape(Element::U8, 3, [48, 48]);
    let mut before = sides(&input);
    for objects in &mut before.objects.as_mut().expect("objects").samples {
        for (point, at) in objects[0].keypoints.iter_mut().zip([[0.0, 0.0], [0.0, 20.0], [30.0, 0.0]]) {
            *point = Keypoint { at, visibility: 2 };
        }
    }
    for (name, config) in [
        ("horizontal_flip", json!({ "p": 1 })),
        ("vertical_flip", json!({ "p": 1 })),
        ("rot90", json!({ "k": [1] })),
        ("rot90", json!({ "k": [2] })),
        ("rot90", json!({ "k": [3] })),
    ] {
        let after = points(&applied(&*configured(name, config), 1, &before));
        assert!(after.iter().flatten().all(|(_, visibility)| *visibility == 2), "{name}: {after:?}");
    }
}

#[test]
fn a_keypoint_that_a_crop_cuts_off_stays_lost() {
    let input = shape(Element::U8, 3, [64, 64]);
    let mut before = sides(&input);
    for objects in &mut before.objects.as_mut().expect("objects").samples {
        objects[0] = Object::new(0, objects[0].origin, [0.0, 0.0, 64.0, 64.0], [64, 64]);
        let at = [[32.5, 32.5], [14.5, 32.5], [32.5, 49.5]];
        objects[0].keypoints = at.map(|at| Keypoint { at, visibility: 2 }).to_vec();
    }
    let cropped = applied(&*configured("center_crop", json!({ "size": 32 })), 1, &before);
    let padded = applied(&*configured("pad", json!({ "padding": 16 })), 1, &cropped);
    // The hull of the turned crop holds what the crop has cut off.
    for turn in [json!({ "degrees": [45, 45] }), json!({ "degrees": [-30, -30] })] {
        let after = applied(&*configured("affine", turn), 1, &padded);
        for points in points(&after) {
            let visible: Vec<bool> = points.iter().map(|(_, visibility)| *visibility > 0).collect();
            assert_eq!(visible, [true, false, false], "{points:?}");
        }
    }
    let rules = ObjectRules::default();
    assert!(padded.objects.expect("objects").seen(&rules).iter().flatten().all(|object| object.keypoints.len() == 3));
}
