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
    /// What `compat: NAME` sets: names of peers with their options as JSON, which options beside `compat` win over.
    const PRESETS: &'static [(&'static str, &'static str)] = &[];
    /// What one draw decides.
    type Draw<D: Dice>: Draw<D>;

    /// How the number of samples changes.
    fn rows(&self) -> Rows {
        Rows::Same
    }

    /// Whether it blends values of several samples, so that masks of class ids must become shares of classes first.
    fn blends(&self) -> bool {
        false
    }

    /// Whether its labels come from masks, so that there must be some.
    fn needs_masks(&self) -> bool {
        false
    }

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

    /// Changes the masks as drawn: `masks` is a batch whose images are class ids (u8 `[N,1,H,W]`) or shares of classes (f32 `[N,K,H,W]`).
    ///
    /// What moves pixels or mixes samples does to masks what it does to images; an operator that resamples must take the nearest pixel here.
    fn apply_masks(&self, draws: &[Self::Draw<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        if matches!(Self::ROLE, Role::Geometry | Role::Mix) {
            self.apply(draws, masks, scratch);
        }
    }

    /// Writes [`apply_masks`](Self::apply_masks) as ONNX nodes.
    ///
    /// # Errors
    /// As [`lower`](Self::lower).
    fn lower_masks<'g>(&self, draw: &Self::Draw<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        if matches!(Self::ROLE, Role::Geometry | Role::Mix) { self.lower(draw, masks) } else { Ok(masks) }
    }

    /// Whether a draw should change sample `row`: then an unchanged tensor is a defect.
    fn acts(&self, row: usize, draw: &Self::Draw<Row>) -> bool {
        let _ = (row, draw);
        false
    }
}

/// How a step changes the number of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// As many as before.
    Same,
    /// Every sample becomes this many (1 to 64), one after the other, each with draws of its own.
    Views(usize),
    /// The first half of the batch, the middle sample included.
    Half,
    /// The same, and the second half held a sample of the data set for each of the first.
    Donors,
}

impl Rows {
    /// Whether the first half of the batch is left.
    pub(crate) fn halves(self) -> bool {
        matches!(self, Rows::Half | Rows::Donors)
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
    /// See [`Operator::rows`].
    fn rows(&self) -> Rows {
        Rows::Same
    }
    /// See [`Operator::blends`].
    fn blends(&self) -> bool {
        false
    }
    /// See [`Operator::needs_masks`].
    fn needs_masks(&self) -> bool {
        false
    }
    /// Columns of its draws.
    fn columns(&self) -> &'static [(&'static str, Kind)];
    /// See [`Operator::check`].
    ///
    /// # Errors
    /// Says why the step cannot work on `shape`.
    fn check(&self, shape: &Shape) -> Result<Shape, Issue>;
    /// Draws for the samples of a batch, natively.
    fn draw(&self, key: &StepKey, epoch: u32, batch: &Batch) -> Draws;
    /// Draws for samples of one size; `audit` receives the words that were read twice.
    fn draw_audited(&self, key: &StepKey, epoch: u32, index: &[u64], shape: &Shape) -> (Draws, Vec<(usize, u32, u32)>);
    /// Records the draw for the samples of a batch into a graph; one value per column, N first.
    fn record<'g>(&self, recording: &'g Recording<'g>, key: &'g StepKey, batch: &Lowered<'g>) -> Vec<Value<'g>>;
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
    fn rows(&self) -> Rows {
        Operator::rows(self)
    }
    fn blends(&self) -> bool {
        Operator::blends(self)
    }
    fn needs_masks(&self) -> bool {
        Operator::needs_masks(self)
    }
    fn columns(&self) -> &'static [(&'static str, Kind)] {
        <T::Draw<Row> as Draw<Row>>::COLUMNS
    }
    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Operator::check(self, shape)
    }

    fn draw(&self, key: &StepKey, epoch: u32, batch: &Batch) -> Draws {
        let (index, views) = viewed(&batch.index, Operator::rows(self));
        let dice = BatchDice::new(key, epoch, &index);
        let extent = |row: usize| native_extent(batch.extent(row / views), batch.image_size);
        let draw = |row| Operator::draw(self, dice.sample(row), &extent(row)).into_fields();
        Draws::from_rows(self.columns(), (0..index.len()).map(draw).collect())
    }

    fn draw_audited(&self, key: &StepKey, epoch: u32, index: &[u64], shape: &Shape) -> (Draws, Vec<(usize, u32, u32)>) {
        let (index, _) = viewed(index, Operator::rows(self));
        let dice = BatchDice::new(key, epoch, &index).audited();
        let [height, width] = shape.size().unwrap_or([1, 1]);
        let extent = native_extent([shape.channels, height, width], shape.image_size);
        let draw = |row| Operator::draw(self, dice.sample(row), &extent).into_fields();
        (Draws::from_rows(self.columns(), (0..index.len()).map(draw).collect()), dice.words_read_twice())
    }

    fn record<'g>(&self, recording: &'g Recording<'g>, key: &'g StepKey, batch: &Lowered<'g>) -> Vec<Value<'g>> {
        if let Rows::Views(views) = Operator::rows(self) {
            recording.replicate(views);
        }
        let dice = recording.step(key);
        let [height, width] = batch.sides;
        let image_size = batch.shape.image_size.map(|size| size.map(|side| dice.int(side as i64)));
        let [image_height, image_width] = image_size.unwrap_or(batch.sides);
        let channels = dice.int(batch.shape.channels as i64);
        let extent = Extent { channels, height, width, image_height, image_width };
        let drawn = Operator::draw(self, dice, &extent);
        let columns = drawn.into_fields().into_iter().map(|field| recording.column(field)).collect();
        if Operator::rows(self).halves() {
            recording.halve();
        }
        columns
    }

    fn apply(&self, draws: &Draws, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), Issue> {
        if let Rows::Views(views) = Operator::rows(self) {
            batch.replicate(views);
        }
        let rows = draws.rows::<T::Draw<Row>>(batch.len());
        let rows = rows.ok_or_else(|| Issue::new("", "the draws are not those of this operator and batch"))?;
        Operator::apply(self, &rows, batch, scratch);
        let masks = batch.take_masks(Operator::blends(self));
        if let Some(mut masks) = masks {
            self.apply_masks(&rows, &mut masks, scratch);
            batch.put_masks(masks);
        }
        if Operator::rows(self).halves() {
            batch.select(&(0..batch.len().div_ceil(2)).collect::<Vec<_>>());
        }
        Ok(())
    }

    fn lower<'g>(&self, columns: &[Value<'g>], sample: &Draws, mut batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
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
        if let Rows::Views(views) = Operator::rows(self) {
            batch = batch.replicate(views);
        }
        let masks = batch.clone().take_masks(Operator::blends(self));
        let mut batch = Operator::lower(self, &draw, batch)?;
        if let Some(masks) = masks {
            batch.put_masks(self.lower_masks(&draw, masks)?);
        }
        Ok(if Operator::rows(self).halves() { batch.halve() } else { batch })
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

/// The index of every sample after a step that makes views, and how many it makes.
fn viewed(index: &[u64], rows: Rows) -> (std::borrow::Cow<'_, [u64]>, usize) {
    match rows {
        Rows::Views(views) => (crate::batch::replicated(index, views).into(), views),
        Rows::Same | Rows::Half | Rows::Donors => (index.into(), 1),
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
