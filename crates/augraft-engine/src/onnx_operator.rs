//! An ONNX file with a YAML header as an operator.

mod ports;
mod setting;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use augraft_onnx::{Model, Tensor, Value, not_inlinable};
use augraft_operator::{
    AnyOperator, Batch, BatchDice, Dice, Draws, Element, Entry, Field, Images, Issue, Kind, Lowered, Parity,
    Probability, Recording, Role, Scratch, Shape, StepKey,
};
use augraft_pipeline::{OperatorHeader, Parameter, Report};
use ndarray::Axis;
use serde_json::{Map, Value as Json, json};

use self::ports::{Ports, kind_of, ports};
use self::setting::Setting;
use crate::runtime::{Runtime, Session, Use};
use crate::tract::Tract;

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
    let session = Tract.session(&model, Use::Graph);
    let session = session.map_err(|error| header.problem("/model", "bad-model", error.to_string(), None))?;
    let ports = ports(&header, &model)?;
    let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let drawn = header.parameters.iter().filter_map(|known| Some((leak(&known.name), kind_of(known.distribution)?)));
    let columns: Vec<(&'static str, Kind)> = std::iter::once(("apply", Kind::Bool)).chain(drawn).collect();
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
    Ok(Entry::loaded(Box::new(operator), schema, since, origin))
}

/// What an operator reads from its files.
struct File {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    header: OperatorHeader,
    model: Model,
    session: Box<dyn Session>,
    ports: Ports,
}

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
    /// Decides everything random for one sample, in the order of the columns; each parameter is an item of its own.
    fn drawn<D: Dice>(&self, dice: D) -> Vec<Field<D>> {
        let apply = dice.chance(0, self.p);
        let mut fields = vec![Field::Bool(apply)];
        for (at, (parameter, setting)) in (0u32..).zip(&self.parameters) {
            let item = dice.item(at);
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
    fn constant(&self, name: &str) -> Option<Tensor> {
        self.parameters.iter().find_map(|(parameter, setting)| match setting {
            Setting::Constant(value) if parameter.name == name => Some(Tensor::scalar(*value as f32)),
            _ => None,
        })
    }

    /// The images that the model makes of all samples.
    fn run(&self, images: &Tensor, draws: &Draws) -> Result<Tensor, Issue> {
        let missing = |name: &str| Issue::new("", format!("nothing was drawn for `{name}`"));
        let mut inputs = Vec::new();
        for (input, source) in &self.file.ports.inputs {
            let tensor = match source.as_str() {
                "images" => images.clone(),
                name => self.constant(name).or_else(|| draws.column(name).cloned()).ok_or_else(|| missing(name))?,
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
    fn role(&self) -> Role {
        self.file.header.role
    }
    fn summary(&self) -> String {
        self.file.header.description.lines().take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ")
    }
    fn columns(&self) -> &'static [(&'static str, Kind)] {
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

    fn draw(&self, key: StepKey, epoch: u32, batch: &Batch) -> Draws {
        let dice = BatchDice::new(key, epoch, &batch.index);
        Draws::from_rows(self.file.columns, (0..batch.len()).map(|row| self.drawn(dice.sample(row))).collect())
    }

    fn draw_audited(&self, key: StepKey, epoch: u32, index: &[u64], _: &Shape) -> (Draws, Vec<(usize, u32, u32)>) {
        let dice = BatchDice::new(key, epoch, index).audited();
        let rows = (0..index.len()).map(|row| self.drawn(dice.sample(row))).collect();
        (Draws::from_rows(self.file.columns, rows), dice.words_read_twice())
    }

    fn record<'g>(&self, recording: &'g Recording<'g>, hash: u64, _: &Lowered<'g>) -> Vec<Value<'g>> {
        self.drawn(recording.step(hash)).into_iter().map(|field| recording.column(field)).collect()
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
        if let Some([lam, partner]) = &self.file.header.blend {
            let (Some(Tensor::F32(lam)), Some(Tensor::I64(partner))) = (draws.column(lam), draws.column(partner))
            else {
                return Err(Issue::new("", "the draws are not those of this operator and batch"));
            };
            let partner: Vec<usize> = partner.iter().map(|row| usize::try_from(*row).unwrap_or_default()).collect();
            batch.labels.blend(lam.iter().copied().collect(), &partner);
        }
        Ok(())
    }

    fn lower<'g>(&self, columns: &[Value<'g>], _: &Draws, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let drawn = |name: &str| {
            let at = self.file.columns.iter().position(|(column, _)| *column == name);
            at.and_then(|at| columns.get(at).copied())
                .or_else(|| self.constant(name).map(|value| graph.constant(value)))
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
            (Some(labels), Some([lam, partner])) => Some(labels.blend(drawn(lam)?, drawn(partner)?)),
            (labels, _) => labels,
        };
        Ok(Lowered { images, labels, ..batch })
    }

    fn acting(&self, _: &Draws, n: usize) -> Vec<bool> {
        // Whether the model changes anything for a draw is its own matter.
        vec![false; n]
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

fn take_rows<T: Copy>(images: &mut ndarray::Array4<T>, made: &ndarray::ArrayD<T>, apply: impl Iterator<Item = bool>) {
    for ((mut own, made), apply) in images.axis_iter_mut(Axis(0)).zip(made.axis_iter(Axis(0))).zip(apply) {
        if apply {
            own.iter_mut().zip(made).for_each(|(own, made)| *own = *made);
        }
    }
}
