//! Draws in a graph, against native draws.

use augraft_engine::{Backend, EngineError};
use augraft_onnx::{Graph, Model, Side, Tensor};
use augraft_operator::{AnyOperator, Column, Gate, Layout, Lowered, Partner, Recording, Rows, Shape, StepKey};

use augraft_pipeline::Step;

use crate::fixtures::{batch, known};
use crate::lowering::{dtype_of, images_of};

/// Rows of one run of a graph where partners make its cost quadratic, and where they do not.
const ROWS: [usize; 2] = [250, 4000];

/// Epoch of the draws that are compared.
const EPOCH: u32 = 3;

/// How recorded and native draws compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawComparison {
    /// Rows that were drawn.
    pub rows: usize,
    /// Rows in which some column differs.
    pub different: usize,
}

/// A model that draws what one step draws: `seed`, `epoch`, `index` in, the columns of the step out, in order.
#[derive(Debug)]
pub struct DrawFile {
    /// The model.
    pub model: Model,
    /// Id of the step.
    pub id: String,
}

/// Records the draw of `operator` under the step id `id` as a model.
///
/// # Errors
/// When the graph is not valid ONNX.
pub fn record_draws(operator: &dyn AnyOperator, id: &str, shape: &Shape) -> Result<DrawFile, EngineError> {
    let key = StepKey::new(0, id);
    let graph = Graph::new(18);
    let recording = Recording::new(&graph);
    let images = match shape.layout {
        // Where the size is open, the images say what it is.
        Layout::Open => {
            let sides = [Side::Named("N"), Side::Fixed(shape.channels), Side::Named("H"), Side::Named("W")];
            graph.input("images", dtype_of(shape), &sides)
        }
        _ => graph.external("images", dtype_of(shape)),
    };
    let batch = Lowered::new(images, None, shape.clone());
    let columns = operator.record(&recording, &key, &batch);
    for (Column { name: field, kind, .. }, value) in operator.columns().iter().zip(columns) {
        let drawn = if matches!(operator.rows(), Rows::Views(_)) { "M" } else { "N" };
        let sides: Vec<Side> = std::iter::once(Side::Named(drawn))
            .chain(["items", "rows", "columns"].map(Side::Named))
            .take(kind.rank())
            .collect();
        graph.output(value, field, &sides);
    }
    recording.finish();
    Ok(DrawFile { model: Model::from_proto(graph.into_proto("draws", &[]))?, id: id.to_owned() })
}

/// Draws `rows` rows natively and in the file for each of `seeds`; an error says which column and row differ first, or why the file does not run.
///
/// # Errors
/// When any draw differs, a word is read twice, or the backend fails.
pub fn compare_draws(
    operator: &dyn AnyOperator,
    shape: &Shape,
    file: &DrawFile,
    backend: &Backend,
    rows: usize,
    seeds: &[u64],
) -> Result<DrawComparison, String> {
    compare(operator, &[], shape, file, backend, rows, seeds)
}

/// The same for a step of a plan, with the combinators around it.
///
/// # Errors
/// As [`compare_draws`].
pub fn compare_step_draws(
    step: &Step,
    shape: &Shape,
    file: &DrawFile,
    backend: &Backend,
    rows: usize,
    seeds: &[u64],
) -> Result<DrawComparison, String> {
    compare(&*step.operator, step.key.gates(), shape, file, backend, rows, seeds)
}

fn compare(
    operator: &dyn AnyOperator,
    gates: &[Gate],
    shape: &Shape,
    file: &DrawFile,
    backend: &Backend,
    rows: usize,
    seeds: &[u64],
) -> Result<DrawComparison, String> {
    if operator.columns().is_empty() {
        return Ok(DrawComparison { rows: 0, different: 0 });
    }
    let failed = |error: EngineError| format!("draws in the graph on {}: {error}", backend.name);
    let session = backend.runtime.session(&file.model, backend.purpose).map_err(failed)?;
    let empty = with_images(address(1, &[]), shape, 0);
    let empty: Vec<_> = empty.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    if session.run(&empty).map_err(failed)?.iter().any(|column| column.shape().first() != Some(&0)) {
        return Err(format!("a batch of none has draws on {}", backend.name));
    }
    let is_ranked = matches!(operator.partner(shape), Some(Partner::Permute | Partner::Derange));
    let chunk = if is_ranked { ROWS[0] } else { ROWS[1] };
    let mut first = None;
    let mut compared = DrawComparison { rows: 0, different: 0 };
    for &seed in seeds {
        for start in (0..rows).step_by(chunk) {
            // Indices beyond 2^32 reach the high word of the counter.
            let index: Vec<u64> = (start..(start + chunk).min(rows)).map(|row| row as u64 * 0x1234_5677).collect();
            let (native, twice) =
                operator.draw_audited(&StepKey::new(seed, &file.id).within(gates), EPOCH, &index, &known(shape));
            if let Some(word) = twice.first() {
                return Err(format!("reads the word {word:?} (row, block, word) twice"));
            }
            let inputs = with_images(address(seed, &index), shape, index.len());
            let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
            let recorded = session.run(&inputs).map_err(failed)?;
            compared.rows += index.len();
            if recorded.len() != native.columns.len() {
                return Err(format!(
                    "{} columns instead of {} on {}",
                    recorded.len(),
                    native.columns.len(),
                    backend.name
                ));
            }
            if native.columns.iter().map(|(_, column)| column).eq(&recorded) {
                continue;
            }
            for (row, sample) in index.iter().enumerate() {
                let differs = |((_, native), recorded): &(&(String, Tensor), &Tensor)| {
                    recorded.dtype() != native.dtype() || recorded.rows(row..row + 1) != native.rows(row..row + 1)
                };
                if let Some(((field, native), recorded)) = native.columns.iter().zip(&recorded).find(differs) {
                    compared.different += 1;
                    first.get_or_insert_with(|| {
                        let [native, recorded] = [native, recorded].map(|column| column.rows(row..row + 1));
                        format!("{field} of index {sample}, seed {seed}: native {native:?}, in the graph {recorded:?}")
                    });
                }
            }
        }
    }
    match first {
        None => Ok(compared),
        Some(first) => Err(format!(
            "{} of {} draws in the graph differ on {}, first {first}",
            compared.different, compared.rows, backend.name
        )),
    }
}

/// Adds images where their size is open, so that it says what it is.
fn with_images(mut inputs: Vec<(String, Tensor)>, shape: &Shape, n: usize) -> Vec<(String, Tensor)> {
    if shape.layout == Layout::Open {
        inputs.push(("images".to_owned(), images_of(&batch(shape, n))));
    }
    inputs
}

/// The inputs that address the draws of the samples `index`.
#[must_use]
pub fn address(seed: u64, index: &[u64]) -> Vec<(String, Tensor)> {
    let index = index.iter().map(|index| *index as i64).collect();
    let inputs = [
        ("seed", Tensor::scalar(seed as i64)),
        ("epoch", Tensor::scalar(i64::from(EPOCH))),
        ("index", Tensor::vector(index)),
    ];
    inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}
