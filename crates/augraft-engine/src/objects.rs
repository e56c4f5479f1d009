//! Objects as arrays: the inputs and outputs of files, and what batches hold.

use augraft_onnx::{DataType, Graph, Side, Tensor, Value};
use augraft_operator::{Batch, Keypoint, LoweredObjects, Object, ObjectInputs, ObjectRules, Objects, OnDrop, Seen};
use augraft_pipeline::{ObjectPlan, Plan};
use ndarray::{Array2, Array3, Array4};

/// Objects of a batch in arrays with as many places for each sample as the fullest one needs.
#[derive(Debug, Clone)]
pub struct ObjectArrays {
    /// `[left, top, right, bottom]` in pixels, f32 `[N, M, 4]`; zeros where there is no object.
    pub boxes: Array3<f32>,
    /// int64 `[N, M]`.
    pub classes: Array2<i64>,
    /// Weights, f32 `[N, M]`.
    pub weights: Array2<f32>,
    /// Where there is an object, `[N, M]`.
    pub valid: Array2<bool>,
    /// Objects that a rule marks, `[N, M]`.
    pub ignore: Array2<bool>,
    /// `[x, y]` in pixels, f32 `[N, M, J, 2]`.
    pub keypoints: Array4<f32>,
    /// Keypoints that are inside and not covered, `[N, M, J]`.
    pub keypoint_visible: Array3<bool>,
}

impl ObjectArrays {
    /// The objects of every sample, with `joints` keypoints each.
    #[must_use]
    pub fn of(seen: &[Vec<Seen>], joints: usize) -> Self {
        let (n, most) = (seen.len(), seen.iter().map(Vec::len).max().unwrap_or(0));
        let at = |row: usize, place: usize| seen[row].get(place);
        let point = |row: usize, place: usize, joint: usize| at(row, place)?.keypoints.get(joint);
        Self {
            boxes: Array3::from_shape_fn([n, most, 4], |(row, place, edge)| {
                at(row, place).map_or(0.0, |object| object.bounds[edge])
            }),
            classes: Array2::from_shape_fn([n, most], |(row, place)| {
                at(row, place).map_or(0, |object| object.class as i64)
            }),
            weights: Array2::from_shape_fn([n, most], |(row, place)| {
                at(row, place).map_or(0.0, |object| object.weight)
            }),
            valid: Array2::from_shape_fn([n, most], |(row, place)| at(row, place).is_some()),
            ignore: Array2::from_shape_fn([n, most], |(row, place)| at(row, place).is_some_and(|object| object.ignore)),
            keypoints: Array4::from_shape_fn([n, most, joints, 2], |(row, place, joint, axis)| {
                point(row, place, joint).map_or(0.0, |(at, _)| at[axis])
            }),
            keypoint_visible: Array3::from_shape_fn([n, most, joints], |(row, place, joint)| {
                point(row, place, joint).is_some_and(|(_, visibility)| *visibility > 0)
            }),
        }
    }

    /// The arrays that a file gets, by name.
    #[must_use]
    pub fn inputs(self) -> Vec<(&'static str, Tensor)> {
        let mut inputs = vec![
            ("boxes", Tensor::F32(self.boxes.into_dyn())),
            ("box_classes", Tensor::I64(self.classes.into_dyn())),
            ("box_valid", Tensor::Bool(self.valid.into_dyn())),
        ];
        if self.keypoints.dim().2 > 0 {
            inputs.push(("keypoints", Tensor::F32(self.keypoints.into_dyn())));
            inputs.push(("keypoint_visible", Tensor::Bool(self.keypoint_visible.into_dyn())));
        }
        inputs
    }
}

/// The objects of a batch as a file gets them: boxes within the images, without what earlier steps remember.
pub(crate) fn as_given(batch: &Batch) -> Option<Objects> {
    let objects = batch.objects.as_ref()?;
    let seen = objects.seen(&ObjectRules::default());
    let given = |(row, objects): (usize, Vec<Seen>)| {
        let [_, height, width] = batch.extent(row);
        objects.into_iter().map(|object| given(object, [height, width])).collect()
    };
    Some(Objects { samples: seen.into_iter().enumerate().map(given).collect(), flip_pairs: objects.flip_pairs.clone() })
}

fn given(seen: Seen, size: [usize; 2]) -> Object {
    let mut object = Object::new(seen.class, seen.origin, seen.bounds.map(f64::from), size);
    let points = seen.keypoints.into_iter();
    object.keypoints = points.map(|(at, visibility)| Keypoint { at: at.map(f64::from), visibility }).collect();
    object
}

/// Declares the inputs `boxes`, `box_classes`, `box_valid` and, with keypoints, `keypoints` and `keypoint_visible`.
pub(crate) fn objects_input<'g>(
    graph: &'g Graph,
    plan: &Plan,
    sides: [Value<'g>; 2],
    batch: &Side,
) -> Option<LoweredObjects<'g>> {
    let ObjectPlan { keypoints, flip_pairs, .. } = plan.objects.as_ref()?;
    let input = |name: &str, dtype, rest: &[usize]| {
        let places = [batch.clone(), Side::Named("objects")];
        let sides: Vec<Side> = places.into_iter().chain(rest.iter().map(|side| Side::Fixed(*side))).collect();
        graph.input(name, dtype, &sides)
    };
    let points = || {
        let places = input("keypoints", DataType::F32, &[*keypoints, 2]);
        [places, input("keypoint_visible", DataType::Bool, &[*keypoints])]
    };
    let inputs = ObjectInputs {
        boxes: input("boxes", DataType::F32, &[4]),
        classes: input("box_classes", DataType::I64, &[]),
        valid: input("box_valid", DataType::Bool, &[]),
        keypoints: (*keypoints > 0).then(points),
    };
    Some(LoweredObjects::new(&inputs, sides, *keypoints, flip_pairs))
}

/// Makes the objects the outputs `boxes_out`, `box_classes_out`, `box_weights_out`, `box_valid_out`, `box_ignore_out` where a rule marks them, and
/// `keypoints_out` and `keypoint_visible_out`.
pub(crate) fn objects_output(graph: &Graph, objects: Option<&LoweredObjects<'_>>, plan: &Plan, batch: &Side) {
    let (Some(objects), Some(ObjectPlan { rules, keypoints, .. })) = (objects, &plan.objects) else { return };
    let outputs = objects.outputs(rules);
    let output = |value: Value<'_>, name: &str, rest: &[usize]| {
        let places = [batch.clone(), Side::Named("objects_out")];
        let sides: Vec<Side> = places.into_iter().chain(rest.iter().map(|side| Side::Fixed(*side))).collect();
        graph.output(value, name, &sides);
    };
    output(outputs.boxes, "boxes_out", &[4]);
    output(outputs.classes, "box_classes_out", &[]);
    output(outputs.weights, "box_weights_out", &[]);
    output(outputs.valid, "box_valid_out", &[]);
    if rules.on_drop == OnDrop::Ignore {
        output(outputs.ignore, "box_ignore_out", &[]);
    }
    if let Some([places, visible]) = outputs.keypoints {
        output(places, "keypoints_out", &[*keypoints, 2]);
        output(visible, "keypoint_visible_out", &[*keypoints]);
    }
}

/// How far the objects of a file are from native ones, in pixels; infinite where there are others, none where the file lacks an output of the plan.
#[must_use]
pub fn object_difference(
    seen: &[Vec<Seen>],
    planned: &ObjectPlan,
    found: impl Fn(&str) -> Option<Tensor>,
) -> Option<f32> {
    let (Tensor::F32(boxes), Tensor::Bool(valid)) = (found("boxes_out")?, found("box_valid_out")?) else { return None };
    let (Tensor::I64(classes), Tensor::F32(weights)) = (found("box_classes_out")?, found("box_weights_out")?) else {
        return None;
    };
    let points = match (found("keypoints_out"), found("keypoint_visible_out")) {
        (Some(Tensor::F32(places)), Some(Tensor::Bool(visible))) => Some((places, visible)),
        _ if planned.keypoints == 0 => None,
        _ => return None,
    };
    let ignored = match found("box_ignore_out") {
        Some(Tensor::Bool(ignored)) => Some(ignored),
        _ if planned.rules.on_drop == OnDrop::Remove => None,
        _ => return None,
    };
    let mut largest = 0f32;
    // No number is as far as any.
    let mut apart =
        |a: f32, b: f32| largest = largest.max(if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() });
    for (row, objects) in seen.iter().enumerate() {
        let places: Vec<usize> = (0..valid.shape()[1]).filter(|place| valid[[row, *place]]).collect();
        if places.len() != objects.len() {
            return Some(f32::INFINITY);
        }
        for (place, object) in places.into_iter().zip(objects) {
            let alike = (weights[[row, place]] - object.weight).abs() <= 1e-6;
            if classes[[row, place]] != object.class as i64 || !alike {
                return Some(f32::INFINITY);
            }
            if ignored.as_ref().is_some_and(|ignored| ignored[[row, place]]) != object.ignore {
                return Some(f32::INFINITY);
            }
            (0..4).for_each(|edge| apart(boxes[[row, place, edge]], object.bounds[edge]));
            let Some((places, visible)) = &points else { continue };
            for (joint, (at, visibility)) in object.keypoints.iter().enumerate() {
                if visible[[row, place, joint]] != (*visibility > 0) {
                    return Some(f32::INFINITY);
                }
                (0..2).for_each(|axis| apart(places[[row, place, joint, axis]], at[axis]));
            }
        }
    }
    Some(largest)
}
