//! Masks and objects that follow images, in batches and in graphs.

use augraft_onnx::{DataType, Graph, Side, Value};
use augraft_operator::{
    Batch, Images, Keypoint, LoweredMasks, LoweredObjects, Masks, Object, ObjectInputs, ObjectRules, Objects, OnDrop,
};
use augraft_pipeline::ObjectPlan;
use ndarray::Array4;

/// Classes of the masks; ids beyond are of no class.
const CLASSES: usize = 4;
/// Samples of a batch.
pub(crate) const SAMPLES: usize = 3;
/// Keypoints of an object.
pub(crate) const POINTS: usize = 3;
/// Keypoints that change places in a mirror image.
const PAIRS: [[usize; 2]; 1] = [[0, 2]];
/// What follows the images in a graph.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Followers {
    pub(crate) masks: Option<Content>,
    pub(crate) objects: bool,
}

/// What masks hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Class ids.
    Ids,
    /// Shares of classes, as a blend leaves them.
    Shares,
}

/// What is left of objects; one that is lost is marked, so that it is compared too.
pub(crate) fn planned() -> ObjectPlan {
    let rules = ObjectRules { min_side: 0.6, min_visibility: 0.23, on_drop: OnDrop::Ignore, ..ObjectRules::default() };
    ObjectPlan { rules, keypoints: POINTS, flip_pairs: PAIRS.to_vec() }
}

impl Content {
    /// Masks as an input, `masks`, on images of these sides.
    pub(crate) fn input<'g>(self, graph: &'g Graph, sides: &[Side; 4]) -> LoweredMasks<'g> {
        let (dtype, channels) = if self == Content::Ids { (DataType::U8, 1) } else { (DataType::F32, CLASSES) };
        let [rows, _, height, width] = sides.clone();
        LoweredMasks {
            images: graph.input("masks", dtype, &[rows, Side::Fixed(channels), height, width]),
            classes: CLASSES,
        }
    }

    /// Masks of a batch.
    pub(crate) fn of(self, batch: &Batch) -> Masks {
        let [_, height, width] = batch.extent(0);
        let id = |row: usize, y: usize, x: usize| (row * 3 + y * 5 + x * 7) % (CLASSES + 1);
        let images = match self {
            Content::Ids => {
                Images::U8(Array4::from_shape_fn([SAMPLES, 1, height, width], |(row, _, y, x)| id(row, y, x) as u8))
            }
            // Quarters of two classes, or of one and of none.
            Content::Shares => {
                Images::F32(Array4::from_shape_fn([SAMPLES, CLASSES, height, width], |(row, k, y, x)| {
                    let own = |at: usize| f32::from(u8::from(at % (CLASSES + 1) == k));
                    0.75 * own(id(row, y, x)) + 0.25 * own(id(row, y, x) + 2)
                }))
            }
        };
        Masks { images, classes: CLASSES }
    }
}

/// Objects as inputs, as the files of a plan have them.
pub(crate) fn objects_input<'g>(graph: &'g Graph, sides: [Value<'g>; 2]) -> LoweredObjects<'g> {
    let input = |name: &str, dtype, rest: &[usize]| {
        let rest = rest.iter().map(|side| Side::Fixed(*side));
        let sides: Vec<Side> = [Side::Named("N"), Side::Named("objects")].into_iter().chain(rest).collect();
        graph.input(name, dtype, &sides)
    };
    let inputs = ObjectInputs {
        boxes: input("boxes", DataType::F32, &[4]),
        classes: input("box_classes", DataType::I64, &[]),
        valid: input("box_valid", DataType::Bool, &[]),
        keypoints: Some([
            input("keypoints", DataType::F32, &[POINTS, 2]),
            input("keypoint_visible", DataType::Bool, &[POINTS]),
        ]),
    };
    LoweredObjects::new(&inputs, sides, POINTS, &PAIRS)
}

/// Objects as outputs.
pub(crate) fn objects_output(graph: &Graph, objects: &LoweredObjects<'_>, rows: &'static str) {
    let outputs = objects.outputs(&planned().rules);
    let output = |value: Value<'_>, name: &str, rest: &[usize]| {
        let rest = rest.iter().map(|side| Side::Fixed(*side));
        let sides: Vec<Side> = [Side::Named(rows), Side::Named("objects_out")].into_iter().chain(rest).collect();
        graph.output(value, name, &sides);
    };
    output(outputs.boxes, "boxes_out", &[4]);
    output(outputs.classes, "box_classes_out", &[]);
    output(outputs.weights, "box_weights_out", &[]);
    output(outputs.valid, "box_valid_out", &[]);
    output(outputs.ignore, "box_ignore_out", &[]);
    if let Some([places, visible]) = outputs.keypoints {
        output(places, "keypoints_out", &[POINTS, 2]);
        output(visible, "keypoint_visible_out", &[POINTS]);
    }
}

/// Two objects in the first sample, none in the second, one in the third; some edges lie between pixels, some keypoints on the border or outside of their box.
pub(crate) fn objects_of(batch: &Batch) -> Objects {
    let [_, height, width] = batch.extent(0);
    let [h, w] = [height, width].map(|side| side as f64);
    let object = |row: usize, number: usize| {
        let share = |step: usize| ((row * 5 + number * 3 + step * 7) % 11) as f64 / 11.0;
        let (left, top) = (share(0) * 0.7 * w, share(1) * 0.7 * h);
        let bounds = [left, top, left + (0.2 + 0.8 * share(2)) * (w - left), top + (0.2 + 0.8 * share(3)) * (h - top)];
        // The file gets them as f32.
        let rounded = |place: f64| f64::from(place as f32);
        let mut object = Object::new(number, (batch.index[row], number as u64), bounds.map(rounded), [height, width]);
        let at = [[0.5 * (left + bounds[2]), 0.5 * (top + bounds[3])], [0.31 * w, 0.83 * h], [left, 0.0]];
        let points = at.map(|at| Keypoint { at: at.map(rounded), visibility: 2 });
        object.keypoints = points.to_vec();
        object
    };
    let samples = [2, 0, 1].into_iter().enumerate();
    let samples = samples.map(|(row, count)| (0..count).map(|number| object(row, number)).collect()).collect();
    Objects { samples, flip_pairs: PAIRS.to_vec() }
}
