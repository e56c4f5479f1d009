//! Steps as nodes of a graph, with their draws from where the caller wants them.

use augraft_onnx::{DataType, Graph, Side, Value};
use augraft_operator::{Draws, Element, Lowered, Recording, Role, Shape};
use augraft_pipeline::Step;

use crate::error::EngineError;

/// Mixing steps of a file between two sites; the nodes of its labels grow threefold with each.
const MAX_MIXES: usize = 5;

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
    /// Version of the standard operators, 13 to 21 (18 to 21 with draws in the graph); a graft has that of its model.
    pub opset: i64,
    /// The samples (index in the data set) whose draws are baked in; their number is the batch of the file.
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
    Inputs,
    Baked { epoch: u32, index: Vec<u64> },
}

impl<'g> Columns<'g> {
    /// Declares the inputs that address draws, where the file draws.
    pub(crate) fn new(graph: &'g Graph, options: &ExportOptions, epoch: u32) -> Result<Self, EngineError> {
        match options.draws {
            DrawSource::Graph => Ok(Self::Graph(Recording::new(graph))),
            DrawSource::Inputs => Ok(Self::Inputs),
            DrawSource::Baked if options.baked.is_empty() => Err(EngineError::Unfit(
                "baked draws are those of one batch, and there is no data to take its size from; give it with `--batch N`"
                    .to_owned(),
            )),
            DrawSource::Baked => Ok(Self::Baked { epoch, index: options.baked.clone() }),
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
                columns.into_iter().zip(fields).map(|(value, (field, _))| graph.name(value, &name(field))).collect()
            }
            Self::Inputs => {
                let batch = Side::Named("N");
                let input = |(field, column): &(String, augraft_onnx::Tensor)| {
                    let rest = column.shape()[1..].iter().map(|side| Side::Fixed(*side));
                    let sides: Vec<Side> = std::iter::once(batch.clone()).chain(rest).collect();
                    graph.input(&name(field), column.dtype(), &sides)
                };
                sample.columns.iter().map(input).collect()
            }
            Self::Baked { epoch, index } => {
                let (drawn, _) = step.operator.draw_audited(&step.key, *epoch, index, &batch.shape);
                drawn.columns.into_iter().map(|(field, column)| graph.named_constant(column, &name(&field))).collect()
            }
        }
    }
}

/// Writes `steps` over `batch`; what each leaves is called `STEP/out`, but for the last, which the caller names.
///
/// # Errors
/// When a step has no ONNX form, or there are too many that mix.
pub(crate) fn emit_steps<'g>(
    graph: &'g Graph,
    columns: &'g Columns<'g>,
    steps: &'g [Step],
    mut batch: Lowered<'g>,
) -> Result<Lowered<'g>, EngineError> {
    let mixing = steps.iter().filter(|step| step.operator.role() == Role::Mix && !never_acts(step));
    if let Some(step) = mixing.clone().nth(MAX_MIXES) {
        let message = format!(
            "an exported file holds at most {MAX_MIXES} mixing steps, because its labels follow every overlap of their boxes"
        );
        let help = Some("leave the step out of what is exported".to_owned());
        return Err(EngineError::Step { step: step.id.clone(), message, help });
    }
    for (at, step) in steps.iter().enumerate() {
        graph.set_scope(&step.id);
        graph.describe_scope(&step.id, &step.operator.summary());
        let (sample, _) = step.operator.draw_audited(&step.key, 0, &[0], &batch.shape);
        let drawn = columns.of(graph, step, &sample, &batch);
        if never_acts(step) {
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

/// Whether the configuration says that the step is the identity: every operator with a `p` keeps that promise at 0.
fn never_acts(step: &Step) -> bool {
    step.operator.config()["p"].as_f64() == Some(0.0) && step.before == step.after
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
