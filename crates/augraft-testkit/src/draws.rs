//! Draws recorded as a graph, against native draws.

use augraft_engine::EngineError;
use augraft_onnx::{DataType, Graph, Model, Side, Tensor};
use augraft_operator::{AnyOperator, Lowered, Recording, Shape, StepKey, step_hash};

use crate::Backend;

/// Rows of one run of the graph; partners make the cost of a run quadratic.
const ROWS: usize = 250;

/// How recorded and native draws compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawComparison {
    /// Rows that were drawn.
    pub rows: usize,
    /// Rows in which some column differs.
    pub different: usize,
}

/// Records the draw of `operator` under the step id `id` as a model: `seed`, `epoch`, `index` in, a column a field out.
///
/// # Errors
/// When the graph is not valid ONNX.
pub fn record_draws(operator: &dyn AnyOperator, id: &str, shape: &Shape) -> Result<Model, EngineError> {
    let graph = Graph::new(18);
    let recording = Recording::new(&graph);
    let batch = Lowered::new(graph.external("images", DataType::F32), None, shape.clone());
    let columns = operator.record(&recording, step_hash(id), &batch);
    for ((field, kind), value) in operator.columns().iter().zip(columns) {
        let sides: Vec<Side> = std::iter::once(Side::Named("N"))
            .chain(["items", "rows", "columns"].map(Side::Named))
            .take(kind.rank())
            .collect();
        graph.output(value, field, &sides);
    }
    recording.finish();
    Ok(Model::from_proto(graph.into_proto("draws", &[]))?)
}

/// Draws `rows` rows natively and in the recorded graph; an error says which column and row differ first, or why the graph does not run.
///
/// # Errors
/// When any draw differs or the backend fails.
pub fn compare_draws(
    operator: &dyn AnyOperator,
    shape: &Shape,
    backend: &Backend,
    rows: usize,
    seed: u64,
) -> Result<DrawComparison, String> {
    if operator.columns().is_empty() || shape.size().is_none() {
        return Ok(DrawComparison { rows: 0, different: 0 });
    }
    let failed = |error: EngineError| format!("recorded draw on {}: {error}", backend.name);
    let id = "step under test";
    let model = record_draws(operator, id, shape).map_err(failed)?;
    let session = backend.runtime.session(&model, backend.purpose).map_err(failed)?;
    let mut first = None;
    let mut compared = DrawComparison { rows: 0, different: 0 };
    let epoch = 3;
    for start in (0..rows).step_by(ROWS) {
        // Indices beyond 2^32 reach the high word of the counter.
        let index: Vec<u64> = (start..(start + ROWS).min(rows)).map(|row| row as u64 * 0x1234_5677).collect();
        let (native, twice) = operator.draw_audited(StepKey::new(seed, id), epoch, &index, shape);
        if let Some(word) = twice.first() {
            return Err(format!("reads the word {word:?} (row, block, word) twice"));
        }
        let inputs = [
            ("seed", Tensor::scalar(seed as i64)),
            ("epoch", Tensor::scalar(i64::from(epoch))),
            ("index", Tensor::vector(index.iter().map(|index| *index as i64).collect())),
        ];
        let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let recorded = session.run(&inputs).map_err(failed)?;
        for (row, sample) in index.iter().enumerate() {
            let differs = |((_, native), recorded): &(&(String, Tensor), &Tensor)| {
                recorded.dtype() != native.dtype() || recorded.rows(row..row + 1) != native.rows(row..row + 1)
            };
            if let Some(((field, native), recorded)) = native.columns.iter().zip(&recorded).find(differs) {
                compared.different += 1;
                first.get_or_insert_with(|| {
                    format!(
                        "{field} of index {}: native {:?}, recorded {:?}",
                        sample,
                        native.rows(row..row + 1),
                        recorded.rows(row..row + 1)
                    )
                });
            }
        }
        compared.rows += index.len();
    }
    match first {
        None => Ok(compared),
        Some(first) => Err(format!(
            "{} of {} recorded draws differ on {}, first {first}",
            compared.different, compared.rows, backend.name
        )),
    }
}
