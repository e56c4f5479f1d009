//! The ONNX form of an operator, against its native form on the same draws.

use augraft_engine::{Backend, EngineError, largest_difference};
use augraft_onnx::{DataType, Graph, Model, Side, Tensor, Value};
use augraft_operator::{
    AnyOperator, Batch, Element, Images, Lowered, LoweredLabels, Parity, Rows, Scratch, Shape, StepKey,
};

use crate::fixtures::batch;
use crate::followers::{Followers, objects_input, objects_output};

/// Batches of the suite: none, one, even, odd.
const BATCHES: [usize; 4] = [0, 1, 2, 5];

/// Lowers `operator` as a model: `images`, `labels` and the columns of its draws in, `images_out` and `labels_out` out.
///
/// # Errors
/// When the operator has no ONNX form for `shape`.
pub fn lower_operator(operator: &dyn AnyOperator, shape: &Shape, opset: i64) -> Result<Model, EngineError> {
    lowered_with(operator, shape, opset, Followers::default())
}

/// The same with what follows the images, under the names that files have.
pub(crate) fn lowered_with(
    operator: &dyn AnyOperator,
    shape: &Shape,
    opset: i64,
    followers: Followers,
) -> Result<Model, EngineError> {
    let (sample, _) = operator.draw_audited(&StepKey::new(9, "sizes"), 0, &[0], shape);
    let refused = |issue: augraft_operator::Issue| EngineError::Step {
        step: operator.name().to_owned(),
        message: issue.message,
        help: issue.help,
    };
    let graph = Graph::new(opset);
    let sides = |shape: &Shape| {
        let [height, width] = shape.size().map_or([Side::Named("H"), Side::Named("W")], |size| size.map(Side::Fixed));
        [Side::Named("N"), Side::Fixed(shape.channels), height, width]
    };
    let images = graph.input("images", dtype_of(shape), &sides(shape));
    let labels = graph.input("labels", DataType::F32, &[Side::Named("N"), Side::Fixed(shape.classes)]);
    let drawn = if matches!(operator.rows(), Rows::Views(_)) { "M" } else { "N" };
    let column = |(field, column): &(String, Tensor)| {
        let rest = column.shape()[1..].iter().map(|side| Side::Fixed(*side));
        let sides: Vec<Side> = std::iter::once(Side::Named(drawn)).chain(rest).collect();
        graph.input(field, column.dtype(), &sides)
    };
    let columns: Vec<Value<'_>> = sample.columns.iter().map(column).collect();
    let mut before = Lowered::new(images, Some(LoweredLabels::new(labels)), shape.clone());
    before.masks = followers.masks.map(|content| content.input(&graph, &sides(shape)));
    before.objects = followers.objects.then(|| objects_input(&graph, before.sides));
    let lowered = operator.lower(&columns, &sample, before).map_err(refused)?;
    let after = if operator.rows() == Rows::Same { "N" } else { "M" };
    let mut images_out = sides(&lowered.shape);
    images_out[0] = Side::Named(after);
    graph.output(lowered.images, "images_out", &images_out);
    if let Some(labels) = lowered.labels {
        graph.output(labels.soft().map_err(refused)?, "labels_out", &[Side::Named(after), Side::Fixed(shape.classes)]);
    }
    if let Some(objects) = &lowered.objects {
        objects_output(&graph, objects, after);
    }
    if let Some(masks) = lowered.masks {
        let channels = if masks.images.dtype() == DataType::U8 { 1 } else { masks.classes };
        let mut sides = sides(&Shape { channels, ..lowered.shape });
        sides[0] = Side::Named(after);
        graph.output(masks.images, "masks_out", &sides);
    }
    Ok(Model::from_proto(graph.into_proto(operator.name(), &[]))?)
}

/// Element type of images in a graph.
pub(crate) fn dtype_of(shape: &Shape) -> DataType {
    if shape.element == Element::U8 { DataType::U8 } else { DataType::F32 }
}

/// One batch through the native form of an operator: what its lowered form gets, and what that must give.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// `images`, `labels` and the columns of the draws.
    pub inputs: Vec<(String, Tensor)>,
    /// Images and labels.
    pub outputs: [Tensor; 2],
}

impl Expectation {
    /// Draws and applies `operator` natively for `n` samples.
    ///
    /// # Errors
    /// When the operator refuses its own draws.
    pub fn of(operator: &dyn AnyOperator, shape: &Shape, n: usize) -> Result<Self, String> {
        let before = batch(shape, n);
        let draws = operator.draw(&StepKey::new(9, "lowered"), 1, &before);
        let (images, labels) = (images_of(&before), Tensor::F32(before.labels.soft().into_dyn()));
        let mut inputs = vec![("images".to_owned(), images), ("labels".to_owned(), labels)];
        if n == 0 {
            // Natively, a batch without samples does not know the sizes of its columns.
            let (sample, _) = operator.draw_audited(&StepKey::new(9, "sizes"), 0, &[0], shape);
            inputs.extend(sample.columns.into_iter().map(|(field, column)| (field, column.rows(0..0))));
        } else {
            inputs.extend(draws.columns.clone());
        }
        let mut native = before;
        operator.apply(&draws, &mut native, &mut Scratch::default()).map_err(|issue| issue.message)?;
        Ok(Self { inputs, outputs: [images_of(&native), Tensor::F32(native.labels.soft().into_dyn())] })
    }

    /// Says how the outputs of the lowered form differ beyond a parity.
    #[must_use]
    pub fn problem(&self, outputs: &[Tensor], parity: Parity) -> Option<String> {
        if outputs.len() != self.outputs.len() {
            return Some(format!("gives {} outputs", outputs.len()));
        }
        let mut pairs = ["images", "labels"].into_iter().zip(self.outputs.iter().zip(outputs));
        pairs.find_map(|(name, (expected, actual))| Some(format!("{name}: {}", difference(expected, actual, parity)?)))
    }
}

/// Whether an operator has an ONNX form for a shape.
#[must_use]
pub fn is_lowered(operator: &dyn AnyOperator, shape: &Shape) -> bool {
    shape.uniform().is_ok() && operator.check(shape).is_ok() && !matches!(operator.parity(), Parity::NativeOnly(_))
}

/// Runs the native and the lowered form on the same draws and compares pixels and labels within the declared parity.
#[must_use]
pub fn compare_lowering(operator: &dyn AnyOperator, shape: &Shape, backend: &Backend) -> Vec<String> {
    if !is_lowered(operator, shape) {
        return Vec::new();
    }
    let compare = || -> Result<(), String> {
        let model = match lower_operator(operator, shape, 18) {
            // An operator may need to know the size, but then it says so.
            Err(EngineError::Step { message, .. }) if shape.dense().is_err_and(|issue| issue.message == message) => {
                return Ok(());
            }
            model => model.map_err(|error| error.to_string())?,
        };
        let session = backend.runtime.session(&model, backend.purpose).map_err(|error| error.to_string())?;
        for n in BATCHES {
            let expected = Expectation::of(operator, shape, n)?;
            let inputs: Vec<_> = expected.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            let outputs = session.run(&inputs).map_err(|error| format!("batch of {n}: {error}"))?;
            if let Some(text) = expected.problem(&outputs, operator.parity()) {
                return Err(format!("batch of {n}: {text}"));
            }
        }
        Ok(())
    };
    let problem = |text: String| format!("{} {} on {}: {text}", operator.config(), shape.describe(), backend.name);
    compare().err().map(problem).into_iter().collect()
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
    let largest = largest_difference(expected, actual);
    let allowed = match (parity, expected.dtype()) {
        (Parity::Within(_), DataType::U8) => 1.0,
        (Parity::Within(bound), _) => bound,
        _ => 0.0,
    };
    (largest > allowed || largest.is_nan()).then(|| format!("differs by {largest:e}, allowed is {allowed:e}"))
}
