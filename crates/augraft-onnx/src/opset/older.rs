//! What changed in single operators, opset 10 to 13.
//!
//! ONNX Runtime, which runs each version as it was, is the measure of what an old operator gives.

use super::scope::{Scope, Step, own_attribute};
use crate::attributes::{int_attribute, text_attribute};
use crate::nodes::outputs;
use crate::proto::{AttributeProto, NodeProto};

/// Rewrites one standard node as far as opset 13; an error is the end of a sentence that begins with the node.
pub(super) fn rewrite(node: &mut NodeProto, step: Step, scope: &mut Scope) -> Result<(), String> {
    match node.op_type() {
        "Slice" if step.crosses(10) => bounds_as_inputs(node, scope),
        "TopK" if step.crosses(10) => list_as_input(node, "k", scope),
        "Upsample" if step.crosses(10) => resize(node, step, scope),
        "Resize" if step.crosses(11) => resize(node, step, scope),
        "Resize" if step.crosses(13) => renamed_coordinates(node),
        "Dropout" if step.crosses(10) || step.crosses(12) => without_mask(node, step, scope),
        "Clip" if step.crosses(11) => limits_as_inputs(node, step, scope),
        "Pad" if step.crosses(11) => pads_as_inputs(node, step, scope),
        "Scatter" if step.crosses(11) => {
            node.op_type = Some("ScatterElements".into());
            Ok(())
        }
        "Softmax" | "LogSoftmax" | "Hardmax" if step.crosses(13) => over_rows(node, scope),
        "ReduceSum" | "Squeeze" | "Unsqueeze" if step.crosses(13) => list_as_input(node, "axes", scope),
        "Split" if step.crosses(13) => list_as_input(node, "split", scope),
        _ => Ok(()),
    }
}

/// Makes an attribute, a list or a number, the second input; without it there is none.
pub(super) fn list_as_input(node: &mut NodeProto, name: &str, scope: &mut Scope) -> Result<(), String> {
    let values = taken_ints(node, name)?;
    if node.input.len() != 1 {
        return Err(format!("has {} inputs instead of 1", node.input.len()));
    }
    // Reductions and `Squeeze` act on all axes then, in the old version as in the new one.
    if !values.is_empty() {
        node.input.push(scope.constants.list(name, &values));
    }
    Ok(())
}

/// Takes an attribute away and returns its integers.
fn taken_ints(node: &mut NodeProto, name: &str) -> Result<Vec<i64>, String> {
    let Some(attribute) = own_attribute(node, name)? else { return Ok(Vec::new()) };
    let values = attribute.i.map_or_else(|| attribute.ints.clone(), |single| vec![single]);
    node.attribute.retain(|attribute| attribute.name() != name);
    Ok(values)
}

fn taken_float(node: &mut NodeProto, name: &str) -> Result<Option<f32>, String> {
    let value = own_attribute(node, name)?.map(AttributeProto::f);
    node.attribute.retain(|attribute| attribute.name() != name);
    Ok(value)
}

fn text_of(node: &NodeProto, name: &str, default: &str) -> Result<String, String> {
    let found = own_attribute(node, name)?.map(|attribute| String::from_utf8_lossy(attribute.s()).into_owned());
    Ok(found.unwrap_or_else(|| default.to_owned()))
}

fn bounds_as_inputs(node: &mut NodeProto, scope: &mut Scope) -> Result<(), String> {
    let [starts, ends, axes] = ["starts", "ends", "axes"].map(|name| taken_ints(node, name));
    let (starts, ends, mut axes) = (starts?, ends?, axes?);
    if node.input.len() != 1 || starts.is_empty() || starts.len() != ends.len() {
        return Err(format!("has {} inputs, {} starts and {} ends", node.input.len(), starts.len(), ends.len()));
    }
    if axes.is_empty() {
        axes = (0..starts.len() as i64).collect();
    }
    let inputs = [("starts", &starts), ("ends", &ends), ("axes", &axes)];
    node.input.extend(inputs.map(|(name, values)| scope.constants.list(name, values)));
    Ok(())
}

/// `Upsample` of opset 9 and `Resize` of opset 10, whose place in the old image is that in the new one divided by the scale.
fn resize(node: &mut NodeProto, step: Step, scope: &mut Scope) -> Result<(), String> {
    let [_, scales] = &node.input[..] else {
        return Err(format!("has {} inputs instead of 2", node.input.len()));
    };
    let scales = scales.clone();
    // An `Upsample` makes nothing smaller.
    let mut rounding = Some("floor");
    if node.op_type() == "Resize" {
        let factors = scope.floats(&scales).unwrap_or_default();
        let (grows, shrinks) = (factors.iter().any(|&by| by > 1.0), factors.iter().any(|&by| by < 1.0));
        rounding = match (factors.is_empty() || grows && shrinks, shrinks) {
            (true, _) => None,
            (false, shrinks) => Some(if shrinks { "ceil" } else { "floor" }),
        };
    }
    node.op_type = Some("Resize".into());
    if step.to < 11 {
        return Ok(());
    }
    if text_of(node, "mode", "nearest")? == "nearest" {
        let problem = "takes the nearest pixel at scales that are computed, or larger in one direction and smaller in another; before opset 11 engines differ in which one that is; export the model with opset 11 or later";
        node.attribute.push(text_attribute("nearest_mode", rounding.ok_or(problem)?));
    }
    node.attribute.push(text_attribute("coordinate_transformation_mode", "asymmetric"));
    // The region is for another way to find coordinates; before opset 13 it must be there.
    let region = if step.to < 13 { scope.constants.no_floats("roi") } else { String::new() };
    node.input = vec![node.input.swap_remove(0), region, scales];
    Ok(())
}

/// A way of finding coordinates that opset 13 left out, and inputs that stood for nothing.
fn renamed_coordinates(node: &mut NodeProto) -> Result<(), String> {
    const COORDINATES: &str = "coordinate_transformation_mode";
    const ROUNDING: &str = "nearest_mode";
    let coordinates = text_of(node, COORDINATES, "half_pixel")?;
    if let Some(region) = node.input.get_mut(1).filter(|_| coordinates != "tf_crop_and_resize") {
        region.clear();
    }
    if node.input.get(3).is_some_and(|sizes| !sizes.is_empty()) {
        // Beside sizes only an empty list of scales was allowed.
        node.input[2].clear();
    }
    if coordinates != "tf_half_pixel_for_nn" {
        return Ok(());
    }
    let mode = text_of(node, "mode", "nearest")?;
    if mode != "nearest" || text_of(node, ROUNDING, "round_prefer_floor")? != "floor" {
        return Err("uses `tf_half_pixel_for_nn` otherwise than with `nearest_mode: floor`, and opset 13 has it no more; export the model with opset 13 or later".into());
    }
    // The floor of x + 1/2 is x, rounded with halves up.
    node.attribute.retain(|attribute| !matches!(attribute.name(), COORDINATES | ROUNDING));
    node.attribute.extend([text_attribute(COORDINATES, "half_pixel"), text_attribute(ROUNDING, "round_prefer_ceil")]);
    Ok(())
}

/// Outside of training the mask of what is kept was all false, and is all true since opset 12.
fn without_mask(node: &mut NodeProto, step: Step, scope: &Scope) -> Result<(), String> {
    if outputs(node).skip(1).any(|mask| scope.is_used(mask)) {
        return Err("gives the mask of what is kept, which opsets 10 and 12 changed; export the model for inference, or with opset 12 or later".into());
    }
    node.output.truncate(1);
    if step.crosses(12) {
        // Without training, the share that is dropped has no meaning.
        own_attribute(node, "ratio")?;
        node.attribute.retain(|attribute| attribute.name() != "ratio");
    }
    Ok(())
}

fn limits_as_inputs(node: &mut NodeProto, step: Step, scope: &mut Scope) -> Result<(), String> {
    let limits = [taken_float(node, "min")?, taken_float(node, "max")?];
    let [values] = &node.input[..] else {
        return Err(format!("has {} inputs instead of 1", node.input.len()));
    };
    let values = values.clone();
    for (name, limit) in ["min", "max"].into_iter().zip(limits) {
        node.input.push(limit.map_or(Ok(String::new()), |limit| number_like(&values, name, limit, step, scope))?);
    }
    while node.input.last().is_some_and(String::is_empty) {
        node.input.pop();
    }
    Ok(())
}

fn pads_as_inputs(node: &mut NodeProto, step: Step, scope: &mut Scope) -> Result<(), String> {
    let (pads, value) = (taken_ints(node, "pads")?, taken_float(node, "value")?);
    let [values] = &node.input[..] else {
        return Err(format!("has {} inputs instead of 1", node.input.len()));
    };
    let values = values.clone();
    node.input.push(scope.constants.list("pads", &pads));
    if let Some(value) = value.filter(|value| value.to_bits() != 0) {
        node.input.push(number_like(&values, "value", value, step, scope)?);
    }
    Ok(())
}

/// The name of a number of the type that the tensor `like` has.
fn number_like(like: &str, name: &str, value: f32, step: Step, scope: &mut Scope) -> Result<String, String> {
    let number = scope.constants.float(name, value);
    if scope.single {
        return Ok(number);
    }
    if step.to < 15 {
        return Err(format!(
            "needs `{name}` as a tensor of the type of '{like}', which can be told from opset 15 on; export the model with opset {}",
            step.to
        ));
    }
    let cast = scope.constants.name(&format!("{like}/{name}"));
    let inputs = vec![number, like.to_owned()];
    scope.before.push(NodeProto { input: inputs, ..made_by("CastLike", cast.clone()) });
    Ok(cast)
}

/// Before opset 13, all axes from one on were taken together.
fn over_rows(node: &mut NodeProto, scope: &mut Scope) -> Result<(), String> {
    let axis = own_attribute(node, "axis")?.map_or(1, AttributeProto::i);
    let ([values], [result]) = (&node.input[..], &node.output[..]) else {
        return Err(format!("has {} inputs and {} outputs instead of 1", node.input.len(), node.output.len()));
    };
    let rank = scope.rank(values).or_else(|| scope.rank(result)).map(|rank| rank as i64);
    if axis == -1 || rank.is_some_and(|rank| axis == rank - 1) {
        if own_attribute(node, "axis")?.is_none() {
            node.attribute.push(int_attribute("axis", axis));
        }
        return Ok(());
    }
    let (values, result) = (values.clone(), result.clone());
    let [sides, flat, rows] = ["shape", "flat", "rows"].map(|what| scope.constants.name(&format!("{result}/{what}")));
    let read = |name: &str| vec![name.to_owned()];
    scope.before.push(NodeProto { input: read(&values), ..made_by("Shape", sides.clone()) });
    let attribute = vec![int_attribute("axis", axis)];
    scope.before.push(NodeProto { input: read(&values), attribute, ..made_by("Flatten", flat.clone()) });
    scope.after.push(NodeProto { input: vec![rows.clone(), sides], ..made_by("Reshape", result) });
    node.attribute = vec![int_attribute("axis", -1)];
    (node.input, node.output) = (vec![flat], vec![rows]);
    Ok(())
}

fn made_by(op: &str, output: String) -> NodeProto {
    NodeProto { op_type: Some(op.to_owned()), output: vec![output], ..NodeProto::default() }
}
