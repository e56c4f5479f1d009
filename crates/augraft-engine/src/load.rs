//! A model as a file says it is to be used: one image input, and its answer first.

use std::collections::BTreeMap;
use std::path::Path;

use augraft_onnx::{DataType, Dim, Model, Port, Tensor, answering_with, with_constant_inputs};
use augraft_pipeline::{ModelPorts, OutputName};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::error::EngineError;

/// Reads a model, gives the inputs that `ports` names their values, and puts the output that it names first.
///
/// # Errors
/// When the file is no model, or has no such input or output, or a value does not fit its input; the message begins with the field.
pub fn load_model(path: &Path, ports: &ModelPorts) -> Result<Model, EngineError> {
    with_ports(Model::load(path)?, ports)
}

/// The same of a model that is read.
///
/// # Errors
/// As [`load_model`].
pub fn with_ports(model: Model, ports: &ModelPorts) -> Result<Model, EngineError> {
    let declared = model.inputs();
    let mut values = BTreeMap::new();
    for (name, value) in &ports.inputs {
        let Some(port) = declared.iter().find(|port| port.name == *name) else {
            let names: Vec<&str> = declared.iter().map(|port| port.name.as_str()).collect();
            return Err(EngineError::Port {
                field: format!("inputs/{name}"),
                message: format!("the model has no input `{name}`; it has {}", names.join(", ")),
            });
        };
        let tensor =
            constant(port, value).map_err(|message| EngineError::Port { field: format!("inputs/{name}"), message })?;
        values.insert(name.clone(), tensor);
    }
    let model = if values.is_empty() { model } else { with_constant_inputs(&model, &values)? };
    let Some(which) = &ports.output.which else { return Ok(model) };
    let outputs: Vec<String> = model.outputs().into_iter().map(|port| port.name).collect();
    let named = match which {
        OutputName::Name(name) => outputs.iter().find(|output| *output == name),
        OutputName::Position(position) => outputs.get(*position),
    };
    match named {
        Some(name) => Ok(answering_with(&model, name)?),
        None => Err(EngineError::Port {
            field: "output".to_owned(),
            message: format!("the model has no such output; it has {}", outputs.join(", ")),
        }),
    }
}

/// A value as the tensor that an input takes: a number fills it, lists are its rows.
fn constant(port: &Port, value: &Value) -> Result<Tensor, String> {
    let Some(dtype) = DataType::from_proto(port.dtype) else {
        return Err(format!("the input `{}` has an element type that takes no value here", port.name));
    };
    let (mut sides, mut numbers) = (Vec::new(), Vec::new());
    collect(value, 0, &mut sides, &mut numbers)?;
    let declared = port.shape.clone().unwrap_or_default();
    if sides.is_empty() {
        let fixed = |(axis, dim): (usize, &Dim)| match dim {
            Dim::Fixed(side) => usize::try_from(*side).ok(),
            // One row, which is repeated for each sample.
            _ if axis == 0 => Some(1),
            _ => None,
        };
        let filled: Option<Vec<usize>> = declared.iter().enumerate().map(fixed).collect();
        sides = filled
            .ok_or_else(|| format!("the input `{}` leaves its shape open; write its values as lists", port.name))?;
        numbers = vec![numbers[0]; sides.iter().product()];
    } else if sides.len() + 1 == declared.len() && !matches!(declared[0], Dim::Fixed(_)) {
        sides.insert(0, 1);
    }
    let fits = |(side, dim): (&usize, &Dim)| match dim {
        Dim::Fixed(fixed) => u64::try_from(*side) == Ok(*fixed),
        _ => true,
    };
    if sides.len() != declared.len() || !sides.iter().zip(&declared).all(fits) {
        return Err(format!("the value of `{}` has the shape {sides:?}, which its input does not take", port.name));
    }
    let array = ArrayD::from_shape_vec(IxDyn(&sides), numbers).map_err(|error| error.to_string())?;
    Ok(match dtype {
        DataType::Bool => Tensor::Bool(array.mapv(|number| number != 0.0)),
        DataType::U8 => Tensor::U8(array.mapv(|number| number as u8)),
        DataType::I8 => Tensor::I8(array.mapv(|number| number as i8)),
        DataType::I32 => Tensor::I32(array.mapv(|number| number as i32)),
        DataType::I64 => Tensor::I64(array.mapv(|number| number as i64)),
        DataType::U64 => Tensor::U64(array.mapv(|number| number as u64)),
        DataType::F16 => Tensor::F16(array.mapv(half::f16::from_f64)),
        DataType::F32 => Tensor::F32(array.mapv(|number| number as f32)),
        DataType::F64 => Tensor::F64(array),
    })
}

/// The numbers in nested lists, row by row, and the lengths of the lists.
fn collect(value: &Value, depth: usize, sides: &mut Vec<usize>, numbers: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Bool(truth) => numbers.push(f64::from(u8::from(*truth))),
        Value::Number(number) => numbers.push(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(items) => {
            if sides.len() == depth && numbers.is_empty() {
                sides.push(items.len());
            }
            if sides.get(depth) != Some(&items.len()) {
                return Err("its lists have different lengths".to_owned());
            }
            items.iter().try_for_each(|item| collect(item, depth + 1, sides, numbers))?;
        }
        _ => return Err("a value is a number, or lists of numbers".to_owned()),
    }
    Ok(())
}
