//! Objects mix with the pixels: those of a partner lie where its mask lies, and what is covered is no longer there.

use std::collections::BTreeMap;

use augraft::operator::{
    AnyOperator, Batch, Element, Images, Keypoint, Masks, Object, Objects, Registry, Seen, Shape, Values,
};
use augraft_testkit::{batch, shape};
use augraft_tests::operators;
use ndarray::{Array2, Array4, s};
use serde_json::json;

use crate::objects::{SAMPLES, annotated, applied, boxes, configured, mixed, seen};

/// Height and width of the images.
const SIZE: [usize; 2] = [30, 40];

/// The least share of a pixel that anybody sees.
const SEEN: f32 = 1.0 / 256.0;

/// A batch whose objects have masks of their own: that of sample `i` is of class `i + 1`.
fn numbered(input: &Shape, edges: impl Fn(usize) -> [usize; 4]) -> Batch {
    let mut samples = batch(input, SAMPLES);
    let [_, height, width] = samples.extent(0);
    let id = |(row, _, y, x): (usize, usize, usize, usize)| {
        let [left, top, right, bottom] = edges(row);
        if x >= left && x < right && y >= top && y < bottom { row as u8 + 1 } else { 0 }
    };
    let ids = Array4::from_shape_fn([SAMPLES, 1, height, width], id);
    samples.masks = Some(Masks { images: Images::U8(ids), classes: SAMPLES + 1 });
    let object = |row: usize| {
        let bounds = edges(row).map(|edge| edge as f64);
        let mut object = Object::new(0, (samples.index[row], 0), bounds, [height, width]);
        let place = |at: usize| [(3 + 7 * row + 23 * at) % width, (2 + 5 * row + 13 * at) % height];
        let point = |at| Keypoint { at: place(at).map(|place| place as f64 + 0.5), visibility: 2 };
        object.keypoints = (0..8).map(point).collect();
        vec![object]
    };
    samples.objects = Some(Objects { samples: (0..SAMPLES).map(object).collect(), flip_pairs: Vec::new() });
    samples
}

/// How much of each pixel shows class `id`.
fn share(batch: &Batch, row: usize, id: usize) -> Array2<f32> {
    match batch.masks.as_ref().map(|masks| &masks.images) {
        Some(Images::U8(ids)) => ids.slice(s![row, 0, .., ..]).mapv(|own| f32::from(u8::from(usize::from(own) == id))),
        Some(Images::F32(shares)) => shares.slice(s![row, id, .., ..]).to_owned(),
        _ => panic!("masks"),
    }
}

/// The box of the pixels of which something is seen.
fn extent(share: &Array2<f32>) -> Option<[f32; 4]> {
    let seen = share.indexed_iter().filter(|(_, share)| **share >= SEEN).map(|((y, x), _)| [x as f32, y as f32]);
    seen.fold(None, |bounds: Option<[f32; 4]>, [x, y]| {
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x + 1.0), bottom.max(y + 1.0)])
    })
}

/// The objects of a result that come from sample `from`, but for those that are blended in so weakly that no pixel shows them.
fn of(objects: &[Seen], index: &[u64], from: usize) -> Vec<Seen> {
    objects.iter().filter(|object| object.origin.0 == index[from] && object.weight >= SEEN).cloned().collect()
}

/// The operators that show pixels of partners, with their defaults, the cases of their fixtures, and one that acts on every sample.
fn mixing(input: &Shape) -> Vec<Box<dyn AnyOperator>> {
    let own = Registry::linked();
    let each = own.iter().filter_map(|entry| {
        let mut config = entry.default_operator().config();
        for (key, value) in [("mode", json!("elem")), ("scope", json!("elem")), ("p", json!(1))] {
            config.get_mut(key).into_iter().for_each(|field| *field = value.clone());
        }
        entry.parse(config).ok()
    });
    let shows = |operator: &dyn AnyOperator| {
        let effects = operator.effects(input);
        operator.check(input).is_ok() && effects.mixes && effects.masks && !effects.opaque
    };
    operators().into_iter().chain(each).filter(|operator| shows(&**operator)).collect()
}

/// Whether what is pasted is made smaller.
fn resizes(operator: &dyn AnyOperator) -> bool {
    operator.name() == "resizemix" || operator.config()["form"] == "resize"
}

#[test]
fn objects_lie_where_the_masks_of_their_samples_lie() {
    let input = shape(Element::F32, 3, SIZE);
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (operator, seed) in mixing(&input).iter().flat_map(|operator| (0..2).map(move |seed| (operator, seed))) {
        let before = numbered(&input, |row| boxes(SIZE)[row]);
        let after = applied(&**operator, seed, &before);
        let allowed = if resizes(&**operator) { 1.0 } else { 0.0 };
        for (row, objects) in seen(&after).iter().enumerate() {
            for from in 0..SAMPLES {
                let what = || format!("{} {}: seed {seed}, {from} in {row}", operator.name(), operator.config());
                let share = share(&after, row, from + 1);
                let found = of(objects, &before.index, from);
                let Some(mask) = extent(&share) else {
                    let side = |[left, top, right, bottom]: [f32; 4]| (right - left).min(bottom - top);
                    let flat = |object: &Seen| side(object.bounds) <= allowed;
                    assert!(found.iter().all(flat), "{} is not shown, but {found:?}", what());
                    continue;
                };
                let all = found.iter().map(|object| object.bounds);
                let all = all.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
                let Some(bounds) = all else { panic!("{} is shown at {mask:?}, but has no object", what()) };
                let far = (0..4).map(|edge| (mask[edge] - bounds[edge]).abs()).fold(0.0, f32::max);
                assert!(far <= allowed, "{}: {mask:?} is not {bounds:?}", what());
                let own = usize::from(before.index[from] != after.index[row]);
                counts.entry(operator.name()).or_default()[own] += 1;
                if let ([object], false) = (&found[..], resizes(&**operator)) {
                    let [left, top, right, bottom] = boxes(SIZE)[from];
                    let part = share.sum() / ((right - left) * (bottom - top)) as f32;
                    let told = object.visibility * object.weight;
                    assert!((told - part).abs() < 1e-4, "{}: {part} is shown, not {told}", what());
                }
            }
        }
    }
    let names = counts.keys().copied().collect::<Vec<_>>();
    assert!(names.len() >= 9, "{names:?}");
    assert!(counts.values().all(|[own, others]| *own > 10 && *others > 10), "{counts:?}");
}

#[test]
fn a_keypoint_is_visible_where_its_sample_is_shown() {
    let input = shape(Element::F32, 3, SIZE);
    let [height, width] = SIZE;
    let mut counts: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for operator in mixing(&input) {
        let before = numbered(&input, |_| [0, 0, width, height]);
        let after = applied(&*operator, 2, &before);
        for (row, objects) in seen(&after).iter().enumerate() {
            for object in objects {
                let from = before.index.iter().position(|index| *index == object.origin.0).expect("a sample");
                let share = share(&after, row, from + 1);
                for ([x, y], visibility) in &object.keypoints {
                    let inside = *x >= 0.0 && *x < width as f32 && *y >= 0.0 && *y < height as f32;
                    let shown = inside && share[[*y as usize, *x as usize]] >= SEEN;
                    let what = || format!("{} {}: {from} in {row}", operator.name(), operator.config());
                    // One sample may be shown twice, in two places.
                    if of(objects, &before.index, from).len() == 1 {
                        assert_eq!(shown, *visibility > 0, "{} at {x}, {y}", what());
                        counts.entry(operator.name()).or_default()[usize::from(shown)] += 1;
                    }
                }
            }
        }
    }
    assert!(counts.values().all(|[_, shown]| *shown > 50), "{counts:?}");
    assert!(counts.iter().all(|(name, [lost, _])| *lost > 20 || *name == "mixup"), "{counts:?}");
}

#[test]
fn what_a_partner_covers_wholly_is_gone() {
    let input = shape(Element::F32, 3, [60, 80]);
    let whole =
        configured("cutmix", json!({ "mode": "elem", "partner": "roll", "size": { "fixed": 80 }, "box": "contained" }));
    let before = annotated(&input);
    let after = applied(&*whole, 1, &before);
    for (row, objects) in seen(&after).iter().enumerate() {
        let partner = before.index[(row + SAMPLES - 1) % SAMPLES];
        assert!(objects.len() == 1 && objects[0].origin.0 == partner, "sample {row}: {objects:?}");
        assert_eq!(objects[0].visibility, 1.0);
    }
    let hole = configured("cutout", json!({ "length": 60, "placement": "inside" }));
    let before = numbered(&input, |row| [10, 0, 22 + row, 60]);
    let after = applied(&*hole, 1, &before);
    let columns = |objects: &[Seen]| objects.first().map_or(0.0, |object| object.bounds[2] - object.bounds[0]);
    let widths: Vec<f32> = seen(&after).iter().map(|objects| columns(objects)).collect();
    for (row, width) in widths.iter().enumerate() {
        let Images::F32(images) = &after.images else { panic!("floats") };
        let line = images.slice(s![row, 0, 0, 10..22 + row]);
        let left = line.iter().filter(|value| **value != 0.0).count();
        assert_eq!(*width, left as f32, "sample {row}");
    }
    assert!(widths.contains(&0.0) && widths.iter().any(|width| *width > 0.0), "{widths:?}");
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
        let operator = configured(name, serde_json::from_str(config).expect("JSON"));
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
