//! The plugin API: what an operator is, and the face that the rest of the system sees.

use std::any::Any;
use std::fmt::Debug;

use augraft_onnx::Value;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::{Batch, Scratch};
use crate::dice::{Dice, Extent};
use crate::draws::{Draw, Draws, Kind};
use crate::key::StepKey;
use crate::lowered::Lowered;
use crate::recorder::{Recorder, Recording, field_of_column, items_of};
use crate::registry::{schema_of, summary_of};
use crate::scalar::{BatchDice, Row, Scalar};
use crate::shape::{Issue, Parity, Role, Shape};

/// A transformation of a batch, split in `check` (shapes), `draw` (all randomness), `apply` (native) and `lower` (ONNX).
///
/// The type is the YAML configuration of the step; its doc comment is the reference page. Pixels and labels are a function of
/// (configuration, draw, input), the same in every backend.
pub trait Operator: Debug + Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Name in YAML, in `snake_case`.
    const NAME: &'static str;
    /// Version of augraft that brought it.
    const SINCE: &'static str;
    /// How closely the backends agree.
    const PARITY: Parity;
    /// What kind of change it makes.
    const ROLE: Role;
    /// What one draw decides.
    type Draw<D: Dice>: Draw<D>;

    /// Predicts the shape after the step.
    ///
    /// # Errors
    /// Says why the step cannot work on `shape`.
    fn check(&self, shape: &Shape) -> Result<Shape, Issue>;

    /// Decides everything random for one sample of size `extent`.
    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Self::Draw<D>;

    /// Changes the batch as drawn, in place where it can; one draw per sample.
    fn apply(&self, draws: &[Self::Draw<Row>], batch: &mut Batch, scratch: &mut Scratch);

    /// Writes the same change as ONNX nodes.
    ///
    /// # Errors
    /// When the operator or this shape has no ONNX form.
    fn lower<'g>(&self, draw: &Self::Draw<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue>;

    /// Whether a draw should change sample `row`: then an unchanged tensor is a defect.
    fn acts(&self, row: usize, draw: &Self::Draw<Row>) -> bool {
        let _ = (row, draw);
        false
    }
}

/// The object-safe face of an [`Operator`], implemented for each by a blanket.
pub trait AnyOperator: Debug + Send + Sync {
    /// Name in YAML.
    fn name(&self) -> &'static str;
    /// How closely the backends agree.
    fn parity(&self) -> Parity;
    /// What kind of change it makes.
    fn role(&self) -> Role;
    /// What it does, in one sentence.
    fn summary(&self) -> String;
    /// The oldest opset that it can be written for.
    fn oldest_opset(&self) -> i64 {
        9
    }
    /// Columns of its draws.
    fn columns(&self) -> &'static [(&'static str, Kind)];
    /// See [`Operator::check`].
    ///
    /// # Errors
    /// Says why the step cannot work on `shape`.
    fn check(&self, shape: &Shape) -> Result<Shape, Issue>;
    /// Draws for the samples of a batch, natively.
    fn draw(&self, key: StepKey, epoch: u32, batch: &Batch) -> Draws;
    /// Draws for samples of one size; `audit` receives the words that were read twice.
    fn draw_audited(&self, key: StepKey, epoch: u32, index: &[u64], shape: &Shape) -> (Draws, Vec<(usize, u32, u32)>);
    /// Records the draw for the samples of a batch into a graph; one value per column, N first.
    fn record<'g>(&self, recording: &'g Recording<'g>, hash: u64, batch: &Lowered<'g>) -> Vec<Value<'g>>;
    /// Changes the batch as drawn.
    ///
    /// # Errors
    /// When the columns are not those of this operator.
    fn apply(&self, draws: &Draws, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), Issue>;
    /// Writes the change as ONNX nodes; `columns` are the draws as values, `sample` a native draw that shows their sizes.
    ///
    /// # Errors
    /// When the operator or this shape has no ONNX form.
    fn lower<'g>(&self, columns: &[Value<'g>], sample: &Draws, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue>;
    /// Which samples a draw should change.
    fn acting(&self, draws: &Draws, n: usize) -> Vec<bool>;
    /// The configuration as JSON, defaults filled in.
    fn config(&self) -> serde_json::Value;
    /// The same operator with another configuration.
    ///
    /// # Errors
    /// When the configuration does not fit its schema.
    fn with_config(&self, config: serde_json::Value) -> Result<Box<dyn AnyOperator>, serde_json::Error>;
    /// The configuration itself.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Operator> AnyOperator for T {
    fn name(&self) -> &'static str {
        T::NAME
    }
    fn parity(&self) -> Parity {
        T::PARITY
    }
    fn role(&self) -> Role {
        T::ROLE
    }
    fn summary(&self) -> String {
        summary_of(&schema_of::<T>())
    }
    fn columns(&self) -> &'static [(&'static str, Kind)] {
        <T::Draw<Row> as Draw<Row>>::COLUMNS
    }
    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Operator::check(self, shape)
    }

    fn draw(&self, key: StepKey, epoch: u32, batch: &Batch) -> Draws {
        let dice = BatchDice::new(key, epoch, &batch.index);
        let draw = |row| Operator::draw(self, dice.sample(row), &native_extent(batch.extent(row), batch.image_size));
        Draws::from_rows(self.columns(), (0..batch.len()).map(|row| draw(row).into_fields()).collect())
    }

    fn draw_audited(&self, key: StepKey, epoch: u32, index: &[u64], shape: &Shape) -> (Draws, Vec<(usize, u32, u32)>) {
        let dice = BatchDice::new(key, epoch, index).audited();
        let [height, width] = shape.size().unwrap_or([1, 1]);
        let extent = native_extent([shape.channels, height, width], shape.image_size);
        let draw = |row| Operator::draw(self, dice.sample(row), &extent).into_fields();
        (Draws::from_rows(self.columns(), (0..index.len()).map(draw).collect()), dice.words_read_twice())
    }

    fn record<'g>(&self, recording: &'g Recording<'g>, hash: u64, batch: &Lowered<'g>) -> Vec<Value<'g>> {
        let dice = recording.step(hash);
        let [height, width] = batch.sides;
        let image_size = batch.shape.image_size.map(|size| size.map(|side| dice.int(side as i64)));
        let [image_height, image_width] = image_size.unwrap_or(batch.sides);
        let channels = dice.int(batch.shape.channels as i64);
        let extent = Extent { channels, height, width, image_height, image_width };
        let drawn = Operator::draw(self, dice, &extent);
        drawn.into_fields().into_iter().map(|field| recording.column(field)).collect()
    }

    fn apply(&self, draws: &Draws, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), Issue> {
        let rows = draws.rows::<T::Draw<Row>>(batch.len());
        let rows = rows.ok_or_else(|| Issue::new("", "the draws are not those of this operator and batch"))?;
        Operator::apply(self, &rows, batch, scratch);
        Ok(())
    }

    fn lower<'g>(&self, columns: &[Value<'g>], sample: &Draws, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        if let Parity::NativeOnly(reason) = T::PARITY {
            return Err(Issue::new("", format!("runs natively only, because {reason}"))
                .help("leave the step out of what is exported"));
        }
        let kinds = <T::Draw<Recorder<'g>> as Draw<Recorder<'g>>>::COLUMNS.iter().map(|(_, kind)| *kind);
        let items = sample.columns.iter().map(|(_, tensor)| items_of(tensor));
        let fields =
            columns.iter().zip(kinds).zip(items).map(|((column, kind), items)| field_of_column(kind, *column, items));
        let draw = Draw::from_fields(fields.collect())
            .ok_or_else(|| Issue::new("", "the draws are not those of this operator"))?;
        Operator::lower(self, &draw, batch)
    }

    fn acting(&self, draws: &Draws, n: usize) -> Vec<bool> {
        let rows = draws.rows::<T::Draw<Row>>(n).unwrap_or_default();
        rows.iter().enumerate().map(|(row, draw)| self.acts(row, draw)).collect()
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn with_config(&self, config: serde_json::Value) -> Result<Box<dyn AnyOperator>, serde_json::Error> {
        serde_json::from_value::<T>(config).map(|operator| Box::new(operator) as Box<dyn AnyOperator>)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn native_extent<'a>([channels, height, width]: [usize; 3], image_size: Option<[usize; 2]>) -> Extent<Scalar<'a>> {
    let [image_height, image_width] = image_size.unwrap_or([height, width]);
    Extent {
        channels: channels as i64,
        height: height as i64,
        width: width as i64,
        image_height: image_height as i64,
        image_width: image_width as i64,
    }
}
