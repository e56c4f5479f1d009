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
    let tensor = typed(&array, dtype);
    tensor.ok_or_else(|| format!("a value of `{}` is none of its type, {dtype:?}", port.name))
}

/// Numbers as a type; none where one is no number of that type.
fn typed(array: &ArrayD<f64>, dtype: DataType) -> Option<Tensor> {
    macro_rules! whole {
        ($variant:ident, $native:ty) => {{
            let exact = |number: &f64| number.fract() == 0.0 && <$native>::try_from(*number as i128).is_ok();
            array.iter().all(exact).then(|| Tensor::$variant(array.mapv(|number| number as $native)))
        }};
    }
    match dtype {
        DataType::Bool => {
            let is_truth = array.iter().all(|number| [0.0, 1.0].contains(number));
            is_truth.then(|| Tensor::Bool(array.mapv(|number| number != 0.0)))
        }
        DataType::U8 => whole!(U8, u8),
        DataType::I8 => whole!(I8, i8),
        DataType::I32 => whole!(I32, i32),
        DataType::I64 => whole!(I64, i64),
        DataType::U64 => whole!(U64, u64),
        DataType::F16 => Some(Tensor::F16(array.mapv(half::f16::from_f64))),
        DataType::F32 => Some(Tensor::F32(array.mapv(|number| number as f32))),
        DataType::F64 => Some(Tensor::F64(array.clone())),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_type_does_not_hold_are_no_values() {
        let of = |number: f64, dtype| typed(&ArrayD::from_elem(IxDyn(&[1]), number), dtype).is_some();
        assert!(
            of(255.0, DataType::U8) && of(-128.0, DataType::I8) && of(1.0, DataType::Bool) && of(0.5, DataType::F32)
        );
        assert!(!of(256.0, DataType::U8) && !of(0.5, DataType::I64) && !of(2.0, DataType::Bool));
        assert!(!of(-1.0, DataType::U64) && !of(f64::NAN, DataType::I32));
    }
}
