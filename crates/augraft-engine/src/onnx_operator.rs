//! An ONNX file with a YAML header as an operator.

mod ports;
mod setting;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use augraft_onnx::{DataType, Model, Tensor, Value, not_inlinable};
use augraft_operator::{
    AnyOperator, Batch, BatchDice, Column, Dice, Draws, Effects, Element, Entry, Field, Images, Issue, Kind, Lowered,
    Meaning, Parity, Partner, Probability, Recording, Scratch, Shape, StepKey, Values, first_paragraph, philox4x32,
    step_hash,
};
use augraft_pipeline::{HeaderRole, OperatorHeader, Parameter, Report};
use ndarray::{ArrayD, Axis, IxDyn};
use serde_json::{Map, Value as Json, json};

use self::ports::{Ports, kind_of, ports};
use self::setting::Setting;
use crate::compare::largest_difference;
use crate::inspect::bounded;
use crate::runtime::{Runtime, Session, Use};
use crate::tract::Tract;

/// Versions of the standard operators that an operator can be made of.
const OPSETS: std::ops::RangeInclusive<i64> = 13..=24;

/// Reads an operator from its header and its ONNX file.
///
/// Its name and the names of its columns live as long as the program.
///
/// # Errors
/// All problems of the header, and what the ONNX file lacks, at the place in the header that asks for it.
pub fn load_operator(path: &Path) -> Result<Entry, Report> {
    let header = OperatorHeader::read(path)?;
    let model =
        Model::load(&header.model).map_err(|error| header.problem("/model", "bad-model", error.to_string(), None))?;
    if let Some(reason) = not_inlinable(&model) {
        let help = "an operator is made of standard operators, so that it can be written into other files";
        return Err(header.problem("/model", "bad-model", reason, Some(help)));
    }
    if !OPSETS.contains(&model.opset()) {
        let message =
            format!("it has opset {}, and operators have {} to {}", model.opset(), OPSETS.start(), OPSETS.end());
        return Err(header.problem("/model", "bad-model", message, None));
    }
    let mut items: Vec<u32> = header.parameters.iter().map(|known| item_of(&known.name)).collect();
    items.sort_unstable();
    if items.windows(2).any(|pair| pair[0] == pair[1]) {
        let message = "two parameters would draw the same, because their names have one hash; rename one";
        return Err(header.problem("/parameters", "bad-name", message, None));
    }
    let session = Tract.session(&model, Use::Graph);
    let session = session.map_err(|error| header.problem("/model", "bad-model", error.to_string(), None))?;
    let ports = ports(&header, &model)?;
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let meaning = |name: &str| match &header.blend {
        Some([lam, _]) if lam == name => Meaning::Weight,
        Some([_, partner]) if partner == name => Meaning::Partner,
        _ => Meaning::Other,
    };
    let drawn = header.parameters.iter().filter_map(|known| {
        let kind = kind_of(known.distribution)?;
        Some(Column { name: leak(&known.name), kind, meaning: meaning(&known.name) })
    });
    let apply = Column { name: "apply", kind: Kind::Bool, meaning: Meaning::Decision };
    let columns: Vec<Column> = std::iter::once(apply).chain(drawn).collect();
    let (schema, since, origin) = (header.schema(), leak(&header.since), leak(&path.display().to_string()));
    let parameters = header.parameters.iter().map(|known| (known.clone(), Setting::of(known.distribution))).collect();
    let file = Arc::new(File {
        name: leak(&header.name),
        columns: Box::leak(columns.into_boxed_slice()),
        header,
        model,
        session,
        ports,
    });
    let operator = OnnxOperator { file, p: Probability::ALWAYS, parameters };
    if let Err(problem) = operator.try_out() {
        return Err(operator.file.header.problem("/model", "bad-model", problem, None));
    }
    Ok(Entry::loaded(Box::new(operator), schema, since, origin))
}

/// What an operator reads from its files.
struct File {
    name: &'static str,
    columns: &'static [Column],
    header: OperatorHeader,
    model: Model,
    session: Box<dyn Session>,
    ports: Ports,
}

/// Largest difference of a sample alone and in a batch: sums may have another order.
const MIXES: f32 = 1e-4;

/// A configured operator.
#[derive(Clone)]
struct OnnxOperator {
    file: Arc<File>,
    p: Probability,
    parameters: Vec<(Parameter, Setting)>,
}

impl std::fmt::Debug for OnnxOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.file.name, self.config())
    }
}

impl OnnxOperator {
    fn role(&self) -> HeaderRole {
        self.file.header.role
    }

    /// Decides everything random for one sample, in the order of the columns; each parameter is an item by its name, so that others do not move it.
    fn drawn<D: Dice>(&self, dice: D) -> Vec<Field<D>> {
        let apply = dice.acts(0, self.p);
        let mut fields = vec![Field::Bool(apply)];
        for (parameter, setting) in &self.parameters {
            let item = dice.item(item_of(&parameter.name));
            let weight = |value| match &self.file.header.blend {
                Some([lam, _]) if *lam == parameter.name => item.select(apply, value, item.real(1.0)),
                _ => value,
            };
            fields.push(match setting {
                Setting::Uniform([low, high]) => Field::Real(weight(item.between(0, *low, *high))),
                Setting::Integer([low, high]) => {
                    Field::Int(item.int(*low) + item.below(0, item.int(high.abs_diff(*low) as i64 + 1)))
                }
                Setting::Beta(alpha) => Field::Real(weight(item.beta(0, alpha))),
                Setting::Chance(p) => Field::Bool(item.chance(0, *p)),
                Setting::Partner(partner) => Field::Int(item.partner(0, *partner)),
                Setting::Constant(_) => continue,
            });
        }
        fields
    }

    /// The value of a parameter that is not drawn.
    fn constant(&self, name: &str) -> Option<f32> {
        self.parameters.iter().find_map(|(parameter, setting)| match setting {
            Setting::Constant(value) if parameter.name == name => Some(*value as f32),
            _ => None,
        })
    }

    /// Runs the model on a few images: it must give images of their size, and those of each sample from that sample alone, unless it mixes.
    fn try_out(&self) -> Result<(), String> {
        let sides = self.file.ports.sides.map(|side| side.and_then(|side| usize::try_from(side).ok()));
        let sides = [3, sides[0].unwrap_or(3), sides[1].unwrap_or(11), sides[2].unwrap_or(14)];
        bounded(&sides).map_err(|error| error.to_string())?;
        let images = pseudo_random(&sides, self.file.ports.element);
        let rows = |index: std::ops::Range<u64>| {
            let index: Vec<u64> = index.collect();
            let key = StepKey::new(1, self.file.name);
            let dice = BatchDice::new(&key, 0, &index);
            Draws::from_rows(self.file.columns, (0..index.len()).map(|row| self.drawn(dice.sample(row))).collect())
        };
        let together = self.run(&images, &rows(0..3)).map_err(|issue| issue.message)?;
        if together.as_f32().is_some_and(|made| made.iter().any(|value| value.is_nan())) {
            return Err("it makes NaN of images of 0 to 1".to_owned());
        }
        if self.role() == HeaderRole::Mix {
            return Ok(());
        }
        for row in 0..3 {
            let alone = self.run(&images.rows(row..row + 1), &rows(row as u64..row as u64 + 1));
            let alone = alone.map_err(|issue| issue.message)?;
            let difference = largest_difference(&alone, &together.rows(row..row + 1));
            if difference > MIXES {
                return Err(format!(
                    "what it makes of a sample depends on the others in the batch (by {difference:e}), which only the role `mix` may"
                ));
            }
        }
        Ok(())
    }

    /// The images that the model makes of all samples.
    fn run(&self, images: &Tensor, draws: &Draws) -> Result<Tensor, Issue> {
        let missing = |name: &str| Issue::new("", format!("nothing was drawn for `{name}`"));
        let mut inputs = Vec::new();
        for (input, source) in &self.file.ports.inputs {
            let tensor = match source.as_str() {
                "images" => images.clone(),
                name => {
                    let constant = self.constant(name).map(|value| Tensor::vector(vec![value; images.shape()[0]]));
                    constant.or_else(|| draws.column(name).cloned()).ok_or_else(|| missing(name))?
                }
            };
            inputs.push((input.as_str(), tensor));
        }
        let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let outputs = self.file.session.run(&inputs).map_err(|error| Issue::new("", error.to_string()))?;
        let made = outputs.into_iter().nth(self.file.ports.output);
        let made = made.filter(|made| made.shape() == images.shape() && made.dtype() == images.dtype());
        made.ok_or_else(|| Issue::new("", "the model does not give images of the size and type that it gets"))
    }
}

impl AnyOperator for OnnxOperator {
    fn name(&self) -> &'static str {
        self.file.name
    }
    fn parity(&self) -> Parity {
        self.file.header.parity
    }
    fn effects(&self, _: &Shape) -> Effects {
        match self.role() {
            HeaderRole::Geometry => Effects { moves: true, permutes: false, opaque: true, ..Effects::of(Values::Kept) },
            HeaderRole::Mix => Effects { mixes: true, labels: true, opaque: true, ..Effects::of(Values::Kept) },
            HeaderRole::Color => Effects::of(Values::Changed),
            HeaderRole::Erase => Effects::of(Values::Erased),
        }
    }
    fn probability(&self, _: &Shape) -> Option<Probability> {
        Some(self.p)
    }
    fn partner(&self, _: &Shape) -> Option<Partner> {
        let partner = |(_, setting): &(Parameter, Setting)| match setting {
            Setting::Partner(partner) => Some(*partner),
            _ => None,
        };
        self.parameters.iter().find_map(partner)
    }
    fn summary(&self) -> String {
        first_paragraph(&self.file.header.description)
    }
    fn oldest_opset(&self) -> i64 {
        self.file.model.opset()
    }
    fn columns(&self) -> &'static [Column] {
        self.file.columns
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        let ports = &self.file.ports;
        if shape.element != ports.element {
            let (wanted, help) = match ports.element {
                Element::F32 => ("f32", "put `normalize` before it"),
                Element::U8 => ("bytes", "put it before `normalize`"),
            };
            return Err(Issue::new("", format!("works on {wanted}")).help(help));
        }
        let [height, width] = shape.size().map_or([None, None], |size| size.map(Some));
        for (what, wanted, given) in [
            ("channels", ports.sides[0], Some(shape.channels)),
            ("rows", ports.sides[1], height),
            ("columns", ports.sides[2], width),
        ] {
            if wanted.is_some_and(|wanted| given.is_none_or(|given| given as u64 != wanted)) {
                let (wanted, given) =
                    (wanted.unwrap_or(0), given.map_or("an open number".to_owned(), |given| given.to_string()));
                return Err(Issue::new("", format!("needs {wanted} {what}, but the images have {given}")));
            }
        }
        Ok(shape.clone())
    }

    fn draw(&self, key: &StepKey, epoch: u32, batch: &Batch) -> Draws {
        let dice = BatchDice::new(key, epoch, &batch.index);
        Draws::from_rows(self.file.columns, (0..batch.len()).map(|row| self.drawn(dice.sample(row))).collect())
    }

    fn draw_audited(&self, key: &StepKey, epoch: u32, index: &[u64], _: &Shape) -> (Draws, Vec<(usize, u32, u32)>) {
        let dice = BatchDice::new(key, epoch, index).audited();
        let rows = (0..index.len()).map(|row| self.drawn(dice.sample(row))).collect();
        (Draws::from_rows(self.file.columns, rows), dice.words_read_twice())
    }

    fn record<'g>(&self, recording: &'g Recording<'g>, key: &'g StepKey, _: &Lowered<'g>) -> Vec<Value<'g>> {
        self.drawn(recording.step(key)).into_iter().map(|field| recording.column(field)).collect()
    }

    fn apply(&self, draws: &Draws, batch: &mut Batch, _: &mut Scratch) -> Result<(), Issue> {
        let Some(Tensor::Bool(apply)) = draws.column("apply") else {
            return Err(Issue::new("", "the draws are not those of this operator and batch"));
        };
        if batch.is_empty() {
            return Ok(());
        }
        match &mut batch.images {
            Images::U8(images) => {
                let Tensor::U8(made) = self.run(&Tensor::U8(images.clone().into_dyn()), draws)? else { return Ok(()) };
                take_rows(images, &made, apply.iter().copied());
            }
            Images::F32(images) => {
                let Tensor::F32(made) = self.run(&Tensor::F32(images.clone().into_dyn()), draws)? else {
                    return Ok(());
                };
                take_rows(images, &made, apply.iter().copied());
            }
            Images::Ragged(_) => return Err(Issue::new("", "needs images of one size")),
        }
        if self.role() == HeaderRole::Geometry {
            batch.labels.forget_places();
        }
        if let Some([lam, partner]) = &self.file.header.blend {
            let (Some(Tensor::F32(lam)), Some(Tensor::I64(partner))) = (draws.column(lam), draws.column(partner))
            else {
                return Err(Issue::new("", "the draws are not those of this operator and batch"));
            };
            let partner: Vec<usize> = partner.iter().map(|row| usize::try_from(*row).unwrap_or_default()).collect();
            batch.labels.blend(&lam.iter().map(|lam| f64::from(*lam)).collect::<Vec<_>>(), &partner);
        }
        Ok(())
    }

    fn lower<'g>(&self, columns: &[Value<'g>], _: &Draws, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let batch_side = batch.images.shape().slice(0, 0, 1);
        let drawn = |name: &str| {
            let at = self.file.columns.iter().position(|column| column.name == name);
            at.and_then(|at| columns.get(at).copied())
                .or_else(|| self.constant(name).map(|value| graph.constant(Tensor::scalar(value)).expand(batch_side)))
                .ok_or_else(|| Issue::new("", format!("nothing was drawn for `{name}`")))
        };
        let mut inputs = Vec::new();
        for (input, source) in &self.file.ports.inputs {
            inputs.push((input.as_str(), if source == "images" { batch.images } else { drawn(source)? }));
        }
        let made = graph.inline(&self.file.model, &inputs).map_err(|error| Issue::new("", error.to_string()))?;
        let made =
            made.get(self.file.ports.output).copied().ok_or_else(|| Issue::new("", "the model has no images"))?;
        let images = drawn("apply")?.unsqueeze(&[1, 2, 3]).select(made, batch.images);
        let labels = match (batch.labels.clone(), &self.file.header.blend) {
            (Some(labels), Some([lam, partner])) => {
                Some(labels.blend(drawn(lam)?.cast(DataType::F64), drawn(partner)?)?)
            }
            (Some(labels), None) if self.role() == HeaderRole::Geometry => Some(labels.forget_places()?),
            (labels, _) => labels,
        };
        Ok(Lowered { images, labels, ..batch })
    }

    fn acting(&self, draws: &Draws, batch: &Batch) -> Vec<bool> {
        match draws.column("apply") {
            Some(Tensor::Bool(apply)) => apply.iter().copied().collect(),
            _ => vec![false; batch.len()],
        }
    }

    fn config(&self) -> Json {
        let parameters = self.parameters.iter().map(|(parameter, setting)| (parameter.name.clone(), setting.to_json()));
        Json::Object(std::iter::once(("p".to_owned(), json!(self.p.get()))).chain(parameters).collect())
    }

    fn with_config(&self, config: Json) -> Result<Box<dyn AnyOperator>, serde_json::Error> {
        let given: Map<String, Json> = serde_json::from_value(config)?;
        let mut operator = self.clone();
        for (name, value) in &given {
            let known = operator.parameters.iter_mut().find(|(parameter, _)| parameter.name == *name);
            match known {
                Some((_, setting)) => *setting = setting.read(value)?,
                None if name == "p" => operator.p = serde_json::from_value(value.clone())?,
                None => return Err(serde::de::Error::custom(format!("unknown field `{name}`"))),
            }
        }
        Ok(Box::new(operator))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The item of the dice that a parameter is, by its name.
fn item_of(name: &str) -> u32 {
    (step_hash(name) & 0xf_ffff) as u32
}

fn pseudo_random(sides: &[usize], element: Element) -> Tensor {
    let mut place = 0;
    let mut next = || {
        place += 1;
        philox4x32([place, 0, 0, 0], [3, 5])[0]
    };
    match element {
        Element::U8 => Tensor::U8(ArrayD::from_shape_simple_fn(IxDyn(sides), || (next() >> 24) as u8)),
        Element::F32 => Tensor::F32(ArrayD::from_shape_simple_fn(IxDyn(sides), || (next() >> 8) as f32 / 16_777_216.0)),
    }
}

fn take_rows<T: Copy>(images: &mut ndarray::Array4<T>, made: &ndarray::ArrayD<T>, apply: impl Iterator<Item = bool>) {
    for ((mut own, made), apply) in images.axis_iter_mut(Axis(0)).zip(made.axis_iter(Axis(0))).zip(apply) {
        if apply {
            own.iter_mut().zip(made).for_each(|(own, made)| *own = *made);
        }
    }
}
