//! What changed in single operators, opset 14 to 24; in 22 to 24 nothing that a node of before notices.
//!
//! Operators that only gained element types, or attributes whose default keeps the old meaning, are not here.

use super::older;
use super::scope::{Scope, Step, own_attribute};
use crate::attributes::{int_attribute, text_attribute};
use crate::nodes::is_standard;
use crate::proto::{AttributeProto, NodeProto};

/// Rewrites one node; an error is the end of a sentence that begins with the node.
pub(super) fn rewrite(node: &mut NodeProto, step: Step, scope: &mut Scope) -> Result<(), String> {
    if !is_standard(node.domain()) {
        return Ok(());
    }
    older::rewrite(node, step, scope)?;
    match node.op_type() {
        "BatchNormalization" if step.crosses(14) => without_statistics(node),
        "RoiAlign" if step.crosses(16) => old_coordinates(node),
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean" | "ReduceMin"
        | "ReduceProd" | "ReduceSumSquare"
            if step.crosses(18) =>
        {
            older::list_as_input(node, "axes", scope)
        }
        "Split" if step.crosses(18) => counted_outputs(node),
        "DFT" if step.crosses(20) => axis_as_input(node, scope),
        "GridSample" if step.crosses(20) => renamed_mode(node),
        "GroupNormalization" if step.crosses(21) => {
            Err("scales groups, and from opset 21 on it scales channels; export the model with opset 21".into())
        }
        "Scatter" | "Upsample" => Err("was removed before opset 13; export the model again".into()),
        _ => Ok(()),
    }
}

/// The outputs for training changed in number and meaning; the one for inference did not.
fn without_statistics(node: &NodeProto) -> Result<(), String> {
    if node.output.iter().skip(1).any(|name| !name.is_empty()) {
        return Err("gives statistics for training, which opset 14 changed; export the model for inference".into());
    }
    Ok(())
}

/// The default became `half_pixel`, which moves every box by half a pixel.
fn old_coordinates(node: &mut NodeProto) -> Result<(), String> {
    const MODE: &str = "coordinate_transformation_mode";
    if own_attribute(node, MODE)?.is_none() {
        node.attribute.push(text_attribute(MODE, "output_half_pixel"));
    }
    Ok(())
}

fn counted_outputs(node: &mut NodeProto) -> Result<(), String> {
    const COUNT: &str = "num_outputs";
    if node.input.get(1).is_some_and(|sizes| !sizes.is_empty()) || own_attribute(node, COUNT)?.is_some() {
        return Ok(());
    }
    node.input.truncate(1);
    node.attribute.push(int_attribute(COUNT, node.output.len() as i64));
    Ok(())
}

/// The axis was 1 where none was given, and is the last but one as an input.
fn axis_as_input(node: &mut NodeProto, scope: &mut Scope) -> Result<(), String> {
    let axis = own_attribute(node, "axis")?.map_or(1, AttributeProto::i);
    node.attribute.retain(|attribute| attribute.name() != "axis");
    if !(1..=2).contains(&node.input.len()) {
        return Err(format!("has {} inputs instead of 1 or 2", node.input.len()));
    }
    node.input.resize(2, String::new());
    node.input.push(scope.constants.scalar("axis", axis));
    Ok(())
}

fn renamed_mode(node: &mut NodeProto) -> Result<(), String> {
    own_attribute(node, "mode")?;
    for mode in node.attribute.iter_mut().filter(|attribute| attribute.name() == "mode") {
        match mode.s() {
            b"bilinear" => *mode = text_attribute("mode", "linear"),
            b"bicubic" => *mode = text_attribute("mode", "cubic"),
            _ => {}
        }
    }
    Ok(())
}
