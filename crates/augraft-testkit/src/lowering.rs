//! The ONNX form of an operator, against its native form on the same draws.

use augraft_engine::EngineError;
use augraft_onnx::{DataType, Graph, Model, Side, Tensor, Value};
use augraft_operator::{
    AnyOperator, Batch, Draws, Element, Images, Lowered, LoweredLabels, Parity, Scratch, Shape, StepKey,
};

use crate::Backend;
use crate::fixtures::batch;

/// Lowers `operator` as a model: `images`, `labels` and the columns of its draws in, `images_out` and `labels_out` out.
///
/// # Errors
/// When the operator has no ONNX form for `shape`.
pub fn lower_operator(operator: &dyn AnyOperator, shape: &Shape, sample: &Draws) -> Result<Model, EngineError> {
    let refused = |issue: augraft_operator::Issue| EngineError::Step {
        step: operator.name().to_owned(),
        message: issue.message,
        help: issue.help,
    };
    let graph = Graph::new(18);
    let [height, width] = shape.dense().map_err(refused)?;
    let sides =
        |channels, height, width| [Side::Named("N"), Side::Fixed(channels), Side::Fixed(height), Side::Fixed(width)];
    let dtype = if shape.element == Element::U8 { DataType::U8 } else { DataType::F32 };
    let images = graph.input("images", dtype, &sides(shape.channels, height, width));
    let labels = graph.input("labels", DataType::F32, &[Side::Named("N"), Side::Fixed(shape.classes)]);
    let column = |(field, column): &(String, Tensor)| {
        let rest = column.shape()[1..].iter().map(|side| Side::Fixed(*side));
        let sides: Vec<Side> = std::iter::once(Side::Named("N")).chain(rest).collect();
        graph.input(field, column.dtype(), &sides)
    };
    let columns: Vec<Value<'_>> = sample.columns.iter().map(column).collect();
    let lowered = operator
        .lower(&columns, sample, Lowered::new(images, Some(LoweredLabels::new(labels)), shape.clone()))
        .map_err(refused)?;
    let [height, width] = lowered.shape.dense().map_err(refused)?;
    graph.output(lowered.images, "images_out", &sides(lowered.shape.channels, height, width));
    if let Some(labels) = lowered.labels {
        graph.output(labels.soft(), "labels_out", &[Side::Named("N"), Side::Fixed(shape.classes)]);
    }
    Ok(Model::from_proto(graph.into_proto(operator.name(), &[]))?)
}

/// Runs the native and the lowered form on the same draws and compares pixels and labels within the declared parity.
#[must_use]
pub fn compare_lowering(operator: &dyn AnyOperator, shape: &Shape, backend: &Backend) -> Vec<String> {
    if shape.size().is_none() || matches!(operator.parity(), Parity::NativeOnly(_)) {
        return Vec::new();
    }
    let problem = |text: String| vec![format!("{} on {}: {text}", shape.describe(), backend.name)];
    for n in [1, 2, 5] {
        let before = batch(shape, n);
        let draws = operator.draw(StepKey::new(9, "lowered"), 1, &before);
        let model = match lower_operator(operator, shape, &draws) {
            Ok(model) => model,
            Err(error) => return problem(error.to_string()),
        };
        let mut native = before.clone();
        if let Err(issue) = operator.apply(&draws, &mut native, &mut Scratch::default()) {
            return problem(issue.message);
        }
        let (images, labels) = (images_of(&before), Tensor::F32(before.labels.soft.clone().into_dyn()));
        let mut inputs = vec![("images", &images), ("labels", &labels)];
        inputs.extend(draws.columns.iter().map(|(field, column)| (field.as_str(), column)));
        let outputs = backend.runtime.session(&model, backend.purpose).and_then(|session| session.run(&inputs));
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(error) => return problem(error.to_string()),
        };
        let expected = [images_of(&native), Tensor::F32(native.labels.soft.clone().into_dyn())];
        for ((name, expected), actual) in ["images", "labels"].into_iter().zip(&expected).zip(&outputs) {
            if let Some(text) = difference(expected, actual, operator.parity()) {
                return problem(format!("{name} of a batch of {n}: {text}"));
            }
        }
    }
    Vec::new()
}

/// The pixels of a dense batch as a tensor.
pub(crate) fn images_of(batch: &Batch) -> Tensor {
    match &batch.images {
        Images::U8(images) => Tensor::U8(images.clone().into_dyn()),
        Images::F32(images) => Tensor::F32(images.clone().into_dyn()),
        Images::Ragged(_) => Tensor::vector(Vec::<u8>::new()),
    }
}

/// Says how two tensors differ beyond a parity.
fn difference(expected: &Tensor, actual: &Tensor, parity: Parity) -> Option<String> {
    if expected.dtype() != actual.dtype() || expected.shape() != actual.shape() {
        return Some(format!(
            "{:?} {:?} became {:?} {:?}",
            expected.dtype(),
            expected.shape(),
            actual.dtype(),
            actual.shape()
        ));
    }
    let largest = match (expected, actual) {
        (Tensor::F32(a), Tensor::F32(b)) => a
            .iter()
            .zip(b)
            .map(|(a, b)| if a.to_bits() == b.to_bits() { 0.0 } else { (a - b).abs() })
            .max_by(f32::total_cmp)
            .unwrap_or(0.0),
        (Tensor::U8(a), Tensor::U8(b)) => a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b))).fold(0.0, f32::max),
        _ => return Some("an element type that images do not have".to_owned()),
    };
    let allowed = match (parity, expected.dtype()) {
        (Parity::Within(_), DataType::U8) => 1.0,
        (Parity::Within(bound), _) => bound,
        _ => 0.0,
    };
    (largest > allowed || largest.is_nan()).then(|| format!("differs by {largest:e}, allowed is {allowed:e}"))
}
