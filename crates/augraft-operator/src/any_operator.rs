//! The face of operators that the rest of the system sees.

use std::any::Any;
use std::fmt::Debug;
use std::rc::Rc;

use augraft_onnx::{DataType, Value};

use crate::address::Rows;
use crate::batch::{Batch, NativeStep};
use crate::dice::{Dice, Extent};
use crate::draws::{Column, Draw, Draws, Field};
use crate::each_sample;
use crate::key::StepKey;
use crate::lowered::{Lowered, LoweredStep};
use crate::mixing::{LabelRule, Mixing};
use crate::motion::Motion;
use crate::numbers::Probability;
use crate::operator::Operator;
use crate::partner::Partner;
use crate::recorder::{Recorder, Recording, field_of_column, items_of};
use crate::scalar::{BatchDice, Row, Scalar};
use crate::schema::{schema_of, summary_of};
use crate::scratch::Scratch;
use crate::shape::{Effects, Issue, Parity, Shape, Values};

/// The object-safe face of an [`Operator`], implemented for each by a blanket.
pub trait AnyOperator: Debug + Send + Sync {
    /// Name in YAML.
    fn name(&self) -> &'static str;
    /// How closely the backends agree.
    fn parity(&self) -> Parity;
    /// What a step changes on a shape that `check` accepts.
    fn effects(&self, shape: &Shape) -> Effects;
    /// The probability with which it acts, as it asks its dice; none where it does not ask.
    fn probability(&self, shape: &Shape) -> Option<Probability>;
    /// How it chooses partners, as it asks its dice; none where it does not ask.
    fn partner(&self, shape: &Shape) -> Option<Partner>;
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
    /// Whether its labels come from masks, so that there must be some.
    fn needs_masks(&self, shape: &Shape) -> bool {
        let _ = shape;
        false
    }
    /// Columns of its draws.
    fn columns(&self) -> &'static [Column];
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
    /// Which samples of `batch` a draw should change.
    fn acting(&self, draws: &Draws, batch: &Batch) -> Vec<bool>;
    /// Whether its code for values changes some in `batch`, whatever it states.
    fn touches(&self, draws: &Draws, batch: &Batch) -> bool {
        let _ = (draws, batch);
        false
    }
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

/// What one draw of an operator comes to on a shape.
struct Stated<T: Operator> {
    draw: T::Draw<Row>,
    extent: Extent<Row>,
    probability: Option<Probability>,
    partner: Option<Partner>,
}

/// Draws for one sample of `shape`, where the operator accepts it; an open size is taken for one that is common.
fn stated<T: Operator>(operator: &T, shape: &Shape) -> Option<Stated<T>> {
    const COMMON: [usize; 2] = [224, 224];
    Operator::check(operator, shape).ok()?;
    let key = StepKey::new(0, T::NAME);
    let dice = BatchDice::new(&key, 0, &[0]).audited();
    let [height, width] = shape.size().unwrap_or(COMMON);
    let extent = native_extent([shape.channels, height, width], shape.image_size);
    let fields = Operator::draw(operator, dice.sample(0), &extent).into_fields();
    let draws = Draws::from_rows(<T::Draw<Row> as Draw<Row>>::COLUMNS, vec![fields]);
    let draw = draws.rows::<T::Draw<Row>>(1)?.pop()?;
    let extent = native_extent([shape.channels, height, width], shape.image_size);
    Some(Stated { draw, extent, probability: dice.asked(), partner: dice.asked_partner() })
}

impl<T: Operator> AnyOperator for T
where
    T::Draw<Row>: Sync,
{
    fn name(&self) -> &'static str {
        T::NAME
    }
    fn parity(&self) -> Parity {
        T::PARITY
    }

    fn effects(&self, shape: &Shape) -> Effects {
        let smooths = self.smoothing(shape.classes.max(1)).is_some();
        let Some(Stated { draw, extent, .. }) = stated(self, shape) else {
            return Effects { labels: smooths, ..Effects::of(T::VALUES) };
        };
        let dice = Scalar::ARITHMETIC;
        let mixing = self.mixing(dice, &draw, &extent);
        let motion = self.motion(dice, &draw, &extent);
        let (moves, permutes) = (!motion.is_stay(), motion.keeps_shares());
        let mixes = !matches!(mixing, Mixing::None);
        let whole = matches!(mixing, Mixing::Values { .. });
        let labels = smooths || mixes && !matches!(mixing, Mixing::Values { lam: None, .. });
        let blends = matches!(mixing, Mixing::Blend { .. });
        let masks = moves || mixes && !whole;
        let objects = masks || !self.erases(&draw).is_empty();
        Effects { moves, permutes, mixes, blends, labels, masks, objects, ..Effects::of(T::VALUES) }
    }

    fn probability(&self, shape: &Shape) -> Option<Probability> {
        stated(self, shape)?.probability
    }

    fn partner(&self, shape: &Shape) -> Option<Partner> {
        stated(self, shape)?.partner
    }

    fn summary(&self) -> String {
        summary_of(&schema_of::<T>(T::PRESETS))
    }
    fn rows(&self) -> Rows {
        Operator::rows(self)
    }
    fn needs_masks(&self, shape: &Shape) -> bool {
        stated(self, shape).is_some_and(|stated| self.label(&stated.draw).rule == LabelRule::VisibleMask)
    }
    fn columns(&self) -> &'static [Column] {
        <T::Draw<Row> as Draw<Row>>::COLUMNS
    }
    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Operator::check(self, shape)
    }

    fn draw(&self, key: &StepKey, epoch: u32, batch: &Batch) -> Draws {
        let rows = Operator::rows(self);
        let (index, of) = (rows.drawn(&batch.index), if let Rows::Views(views) = rows { views } else { 1 });
        let dice = BatchDice::new(key, epoch, &index);
        let extent = |row: usize| native_extent(batch.extent(row / of), batch.image_size);
        let audited = BatchDice::new(key, epoch, &index).audited();
        if cfg!(debug_assertions) && !index.is_empty() {
            let _ = Operator::draw(self, audited.sample(0), &extent(0));
            let twice = audited.words_read_twice();
            assert!(
                twice.is_empty(),
                "the draw of `{}` uses a lane twice; as (sample, block, word): {twice:?}",
                T::NAME
            );
        }
        let draw = |row| Operator::draw(self, dice.sample(row), &extent(row)).into_fields();
        Draws::from_rows(self.columns(), (0..index.len()).map(draw).collect())
    }

    fn draw_audited(&self, key: &StepKey, epoch: u32, index: &[u64], shape: &Shape) -> (Draws, Vec<(usize, u32, u32)>) {
        let index = Operator::rows(self).drawn(index);
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
        let drawn = Operator::draw(self, dice, &lowered_extent(dice, batch));
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
        let dice = Scalar::ARITHMETIC;
        let extents: Vec<_> = (0..batch.len()).map(|row| native_extent(batch.extent(row), batch.image_size)).collect();
        let drawn = || rows.iter().zip(&extents);
        let mixings: Vec<Mixing<Row>> = drawn().map(|(draw, extent)| self.mixing(dice, draw, extent)).collect();
        let regions = match mixings.first() {
            Some(Mixing::Region { .. }) => self.regions(&rows, &batch.images),
            _ => Vec::new(),
        };
        let mut motions: Vec<Motion<Row>> = drawn().map(|(draw, extent)| self.motion(dice, draw, extent)).collect();
        if batch.is_empty() {
            // The size of no images changes too.
            let any = stated(self, &batch.shape());
            motions.extend(any.map(|any| self.motion(dice, &any.draw, &any.extent)));
        }
        let labels = rows.iter().map(|draw| self.label(draw)).collect();
        let holes = rows.iter().map(|draw| self.erases(draw)).collect();
        let smoothing = self.smoothing(batch.labels.classes());
        Operator::apply(self, &rows, batch, scratch);
        if T::VALUES != Values::Kept {
            change_values(self, &rows, batch);
        }
        batch.follow(&NativeStep { motions, mixings, regions, labels, holes, smoothing }, scratch);
        if Operator::rows(self).halves() {
            batch.select(&Operator::rows(self).of(batch.len()));
        }
        Ok(())
    }

    fn lower<'g>(&self, columns: &[Value<'g>], sample: &Draws, mut batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        if let Parity::NativeOnly(reason) = T::PARITY {
            return Err(Issue::new("", format!("runs natively only, because {reason}"))
                .help("leave the step out of what is exported"));
        }
        let draw = |real: DataType, unsqueezed: bool| {
            let items = sample.columns.iter().map(|(_, tensor)| items_of(tensor));
            let fields = columns.iter().zip(self.columns()).zip(items).map(|((column, known), items)| {
                let field = field_of_column(known.kind, *column, items);
                let shaped = |value: Value<'g>| if unsqueezed { value.unsqueeze(&[1, 2, 3]) } else { value };
                match field {
                    Field::Real(value) => Field::Real(shaped(value.cast(real))),
                    Field::Reals(value) => Field::Reals(value.cast(real)),
                    Field::Int(value) => Field::Int(shaped(value)),
                    Field::Bool(value) => Field::Bool(shaped(value)),
                    field => field,
                }
            });
            let draw: Option<T::Draw<Recorder<'g>>> = Draw::from_fields(fields.collect());
            draw.ok_or_else(|| Issue::new("", "the draws are not those of this operator"))
        };
        let drawn = draw(DataType::F32, false)?;
        if let Rows::Views(views) = Operator::rows(self) {
            batch = batch.replicate(views);
        }
        let dice = Recorder::arithmetic(batch.images.graph());
        let (wide, extent) = (draw(DataType::F64, false)?, lowered_extent(dice, &batch));
        let mixing = Rc::new(self.mixing(dice, &wide, &extent));
        let region = self.lower_region(&drawn, &batch)?;
        let motion = Rc::new(self.motion(dice, &wide, &extent));
        let (label, smoothing, holes) = (self.label(&wide), self.smoothing(batch.shape.classes), self.erases(&wide));
        let mut batch = Operator::lower(self, &drawn, batch)?;
        if Self::VALUES != Values::Kept {
            let flat = draw(DataType::F32, true)?;
            if let Some(changed) = self.lower_change(&flat, &batch)? {
                batch.images = flat.decision().map_or(changed, |acts| match acts.constant_bool() {
                    Some(true) => changed,
                    _ => acts.select(changed, batch.images),
                });
            }
        }
        let batch = batch.follow(LoweredStep { motion, mixing, region, label, holes, smoothing })?;
        Ok(if Operator::rows(self).halves() { batch.halve() } else { batch })
    }

    fn acting(&self, draws: &Draws, batch: &Batch) -> Vec<bool> {
        let rows = draws.rows::<T::Draw<Row>>(batch.len()).unwrap_or_default();
        let acts = |(row, draw): (usize, &T::Draw<Row>)| {
            let extent = native_extent(batch.extent(row), batch.image_size);
            let mixing = self.mixing(Scalar::ARITHMETIC, draw, &extent);
            let motion = self.motion(Scalar::ARITHMETIC, draw, &extent);
            self.acts(row, draw) || mixing.shows_others(row) || motion.turns()
        };
        rows.iter().enumerate().map(acts).collect()
    }

    fn touches(&self, draws: &Draws, batch: &Batch) -> bool {
        let mut before = batch.clone();
        if let Rows::Views(views) = Operator::rows(self) {
            before.replicate(views);
        }
        let rows = draws.rows::<T::Draw<Row>>(before.len()).unwrap_or_default();
        let mut after = before.clone();
        Operator::apply(self, &rows, &mut after, &mut Scratch::default());
        change_values(self, &rows, &mut after);
        after.images != before.images
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

/// Changes the values of the samples whose draws act.
fn change_values<T: Operator>(operator: &T, rows: &[T::Draw<Row>], batch: &mut Batch)
where
    T::Draw<Row>: Sync,
{
    each_sample!(batch.images, rows, |draw, image| {
        if draw.decision().unwrap_or(true) {
            operator.change(draw, &mut image);
        }
    });
}

fn lowered_extent<'g>(dice: Recorder<'g>, batch: &Lowered<'g>) -> Extent<Recorder<'g>> {
    let [height, width] = batch.sides;
    let image_size = batch.shape.image_size.map(|size| size.map(|side| dice.int(side as i64)));
    let [image_height, image_width] = image_size.unwrap_or(batch.sides);
    Extent { channels: dice.int(batch.shape.channels as i64), height, width, image_height, image_width }
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
