//! Steps as nodes of a graph, with their draws from where the caller wants them.

use std::cell::{Cell, RefCell};

use augraft_onnx::{DataType, Graph, Side, Value};
use augraft_operator::{Draws, Element, Lowered, Recording, Rows, Shape};
use augraft_pipeline::Step;

use crate::error::EngineError;

/// Where the draws of an exported file come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DrawSource {
    /// The file draws, addressed by its inputs `seed`, `epoch` and `index`.
    #[default]
    Graph,
    /// The draws are inputs `STEP/FIELD`.
    Inputs,
    /// The draws of one batch are constants.
    Baked,
}

impl std::str::FromStr for DrawSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Graph, Self::Inputs, Self::Baked];
        let found = all.into_iter().find(|source| source.name() == text);
        found.ok_or_else(|| format!("`{text}` is no source of draws; there are `graph`, `inputs` and `baked`"))
    }
}

impl DrawSource {
    /// Name on the command line and in the metadata of a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Inputs => "inputs",
            Self::Baked => "baked",
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Where the draws come from.
    pub draws: DrawSource,
    /// Version of the standard operators, 13 to 24 (18 to 24 with draws in the graph); a graft has that of its model.
    pub opset: i64,
    /// The samples (index in the data set) whose draws are constant; their number is the batch of the file.
    pub baked: Vec<u64>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { draws: DrawSource::Graph, opset: 18, baked: Vec::new() }
    }
}

impl ExportOptions {
    /// The batch of the file.
    pub(crate) fn batch(&self) -> Side {
        if self.draws == DrawSource::Baked { Side::Fixed(self.baked.len()) } else { Side::Named("N") }
    }
}

/// Where the columns of a step come from, while a graph is built.
pub(crate) enum Columns<'g> {
    Graph(Recording<'g>),
    /// How often the number of samples has changed.
    Inputs(Cell<usize>),
    /// The samples are those that the next step draws for.
    Baked {
        epoch: u32,
        index: RefCell<Vec<u64>>,
    },
}

impl<'g> Columns<'g> {
    /// Declares the inputs that address draws, where the file draws.
    pub(crate) fn new(graph: &'g Graph, options: &ExportOptions, epoch: u32) -> Result<Self, EngineError> {
        match options.draws {
            DrawSource::Graph => Ok(Self::Graph(Recording::new(graph))),
            DrawSource::Inputs => Ok(Self::Inputs(Cell::new(0))),
            DrawSource::Baked if options.baked.is_empty() => Err(EngineError::Unfit(
                "constant draws are those of one batch, and there is no data to take its size from; give it with `--batch N`"
                    .to_owned(),
            )),
            DrawSource::Baked => Ok(Self::Baked { epoch, index: RefCell::new(options.baked.clone()) }),
        }
    }

    /// Adds the nodes that make random words, once every step is written.
    pub(crate) fn finish(&self) {
        if let Self::Graph(recording) = self {
            recording.finish();
        }
    }

    /// The columns of a step over `batch`, each called `STEP/FIELD`.
    fn of(&'g self, graph: &'g Graph, step: &'g Step, sample: &Draws, batch: &Lowered<'g>) -> Vec<Value<'g>> {
        let name = |field: &str| format!("{}/{field}", step.id);
        match self {
            Self::Graph(recording) => {
                let columns = step.operator.record(recording, &step.key, batch);
                let fields = step.operator.columns().iter();
                columns.into_iter().zip(fields).map(|(value, field)| graph.name(value, &name(field.name))).collect()
            }
            Self::Inputs(changes) => {
                let (rows, before) = (step.operator.rows(), changes.get());
                changes.set(before + usize::from(rows != Rows::Same));
                // Views draw for themselves, and a half is cut off behind the draw.
                let batch = batch_name(if rows.halves() { before } else { changes.get() });
                let input = |(field, column): &(String, augraft_onnx::Tensor)| {
                    let rest = column.shape()[1..].iter().map(|side| Side::Fixed(*side));
                    let sides: Vec<Side> = std::iter::once(batch.clone()).chain(rest).collect();
                    graph.input(&name(field), column.dtype(), &sides)
                };
                sample.columns.iter().map(input).collect()
            }
            Self::Baked { epoch, index } => {
                let known = index.borrow().clone();
                let (drawn, _) = step.operator.draw_audited(&step.key, *epoch, &known, &batch.shape);
                index.replace(step.operator.rows().left(&known));
                drawn.columns.into_iter().map(|(field, column)| graph.named_constant(column, &name(&field))).collect()
            }
        }
    }
}

/// Writes `steps` over `batch`; what each leaves is called `STEP/out`, but for the last, which the caller names.
///
/// # Errors
/// When a step has no ONNX form.
pub(crate) fn emit_steps<'g>(
    graph: &'g Graph,
    columns: &'g Columns<'g>,
    steps: &'g [Step],
    mut batch: Lowered<'g>,
) -> Result<Lowered<'g>, EngineError> {
    for (at, step) in steps.iter().enumerate() {
        graph.set_scope(&step.id);
        graph.describe_scope(&step.id, &step.operator.summary());
        let (sample, _) = step.operator.draw_audited(&step.key, 0, &[0], &batch.shape);
        let drawn = columns.of(graph, step, &sample, &batch);
        if step.idle {
            continue;
        }
        let before = batch.images.id();
        batch = step.operator.lower(&drawn, &sample, batch).map_err(|issue| EngineError::step(&step.id, issue))?;
        if at + 1 < steps.len() && batch.images.id() != before {
            batch.images = graph.name(batch.images, &format!("{}/out", step.id));
        }
    }
    graph.set_scope("");
    Ok(batch)
}

/// The side of a batch whose number of samples has changed so often.
pub(crate) fn batch_name(changes: usize) -> Side {
    match changes {
        0 => Side::Named("N"),
        1 => Side::Named("M"),
        _ => Side::Numbered("M", changes),
    }
}

/// Element type of images in a graph.
pub(crate) fn dtype_of(shape: &Shape) -> DataType {
    if shape.element == Element::U8 { DataType::U8 } else { DataType::F32 }
}

/// Sides of images in a graph.
pub(crate) fn sides_of(shape: &Shape, batch: Side) -> Vec<Side> {
    let [height, width] = shape.size().map_or([Side::Named("H"), Side::Named("W")], |size| size.map(Side::Fixed));
    vec![batch, Side::Fixed(shape.channels), height, width]
}
