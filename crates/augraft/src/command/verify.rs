//! `augraft verify`: a file of `export` or `graft` against the native steps.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use augraft_engine::{
    Backend, DrawSource, EngineError, FileFacts, OnnxRuntime, Optimization, Runtime, Tract, Verifier, load_model,
};
use augraft_onnx::{DataType, Dim, Model};
use augraft_operator::{
    Batch, Element, Images, Labels, Layout, Object, ObjectRules, Objects, Registry, Shape, Transfer, philox4x32,
};
use augraft_pipeline::{Device, EngineKind, ObjectPlan};
use ndarray::{Array3, Array4};

use super::arguments::PipelineArgs;
use super::prepare::{Given, Prepared, load, prepare_with, read};
use super::print::{counted, print};
use crate::failure::Failure;

/// Samples in a made batch, and the size of its images where the file leaves it open.
const MADE: usize = 5;
const OPEN: [usize; 2] = [45, 52];

/// Prints a table for each backend; fails when the file does not keep what the steps promise.
pub(super) fn verify(
    path: &Path,
    args: &PipelineArgs,
    named: Option<PathBuf>,
    batches: usize,
    registry: &Registry,
    color: bool,
) -> Result<(), Failure> {
    let file = Model::load(path)?;
    let facts = FileFacts::of(&file).map_err(|error| Failure::User(format!("{}: {error}", path.display())))?;
    let spec = read(&args.pipeline, registry)?;
    let given = if spec.data.is_some() { Given::default() } else { given(&file, &facts) };
    let mut prepared = prepare_with(spec, args, color, Given { model: named, ..given })?;
    if prepared.dataset.is_none() {
        prepared.plan.objects = objects_without_data(&file, prepared.spec.objects)?;
    }
    let batches = batches_of(&prepared, &facts, batches)?;
    let model = match prepared.plan.model.as_ref().filter(|_| facts.grafted) {
        Some(model) => Some(load_model(&model.file, &model.ports)?),
        None => None,
    };
    let library = args.engine.onnxruntime.as_deref();
    let mut backends = Vec::from(Backend::of_tract());
    let (mut text, mut broken, mut rest, mut has_onnxruntime) = (String::new(), 0, "", false);
    match OnnxRuntime::load(library, Device::Cpu, Optimization::Default) {
        Ok(runtime) => {
            backends.extend(Backend::of_onnxruntime(runtime, None));
            has_onnxruntime = true;
        }
        Err(error) if library.is_some() => return Err(error.into()),
        Err(error) => {
            rest = ", on tract alone";
            let _ = writeln!(text, "ONNX Runtime: not compared: {error}\n");
        }
    }
    let asked = args.engine.engine.or(prepared.plan.model.as_ref().map(|model| model.engine));
    let may_lack = asked == Some(EngineKind::Onnxruntime) && has_onnxruntime;
    let mut left_out = false;
    for backend in &backends {
        let runtime = &*backend.runtime;
        let is_tract = runtime.name() == Tract.name();
        if is_tract && left_out {
            continue;
        }
        let compared =
            Verifier::bind(&prepared.plan, &file, model.as_ref(), runtime, backend.purpose).and_then(|mut verifier| {
                batches.iter().try_for_each(|batch| verifier.compare(batch.clone()))?;
                Ok(verifier)
            });
        match compared {
            Ok(verifier) => {
                broken += verifier.findings().iter().filter(|finding| !finding.holds).count();
                text.push_str(&table(&backend.name, &verifier));
            }
            Err(error @ EngineError::Runtime { .. }) if is_tract && may_lack => {
                let _ = writeln!(text, "tract was left out: {error}\n");
                left_out = true;
                rest = ", on ONNX Runtime alone";
            }
            Err(error) => return Err(error.into()),
        }
    }
    print(&text)?;
    let path = path.display();
    if broken > 0 {
        let rows = if broken == 1 { "1 row is".to_owned() } else { format!("{broken} rows are") };
        return Err(Failure::Check(format!("{path}: {rows} beyond what the steps promise")));
    }
    let samples = counted(batches.iter().map(Batch::len).sum(), "sample");
    let batches = if batches.len() == 1 { "1 batch is".to_owned() } else { format!("{} batches are", batches.len()) };
    print(&format!("{path}: {samples} in {batches} as promised{rest}\n"))
}

fn table(name: &str, verifier: &Verifier<'_>) -> String {
    let findings = verifier.findings();
    let width = findings.iter().map(|finding| finding.subject.name().len()).max().unwrap_or(0).max(4);
    let mut text =
        format!("{name}\n  {:width$}  {:>16}  {:>12}  {:>12}\n", "step", "draws differing", "largest", "allowed");
    for finding in findings {
        let draws = finding.draws.map_or_else(|| "-".to_owned(), |differ| format!("{differ} of {}", finding.samples));
        let largest = finding.largest.map_or_else(|| "-".to_owned(), |largest| format!("{largest:e}"));
        let mark = if finding.holds { "" } else { "  BEYOND" };
        let allowed = format!("{:e}", finding.allowed);
        let _ = writeln!(text, "  {:width$}  {draws:>16}  {largest:>12}  {allowed:>12}{mark}", finding.subject.name());
    }
    text.push('\n');
    text
}

/// The images that a file takes, for a pipeline without data.
fn given(file: &Model, facts: &FileFacts) -> Given {
    let ports = file.inputs();
    let side = |port: &str, axis: usize| {
        let port = ports.iter().find(|candidate| candidate.name == port)?;
        match port.shape.as_ref()?.get(axis)? {
            Dim::Fixed(side) => usize::try_from(*side).ok(),
            _ => None,
        }
    };
    let classes = side("labels", 1);
    let images = ports.iter().find(|port| port.name == "images").filter(|_| facts.before.is_empty());
    let input = images.map(|port| {
        let is_f32 = DataType::from_proto(port.dtype) == Some(DataType::F32);
        let layout = match (side("images", 2), side("images", 3)) {
            (Some(height), Some(width)) => Layout::Dense { height, width },
            _ => Layout::Open,
        };
        let element = if is_f32 { Element::F32 } else { Element::U8 };
        Shape { layout, channels: side("images", 1).unwrap_or(3), element, ..Shape::ragged(0) }
    });
    Given { input, classes, ..Given::default() }
}

/// What is known of the objects that a file takes, for a pipeline without data; none where it takes none.
fn objects_without_data(file: &Model, rules: ObjectRules) -> Result<Option<ObjectPlan>, Failure> {
    let takes = |name: &str| file.inputs().iter().any(|port| port.name == name);
    if let Some(name) = ["masks", "keypoints"].into_iter().find(|name| takes(name)) {
        // How many classes the masks have, and which keypoints change places in a mirror image, is said by the data alone.
        let message = format!("the file takes `{name}`, and the pipeline has no data that says what they are");
        return Err(Failure::user(format!("{message}; name the pipeline that the file was written from")));
    }
    Ok(takes("boxes").then(|| ObjectPlan { rules, keypoints: 0, flip_pairs: Vec::new() }))
}

/// The first batches of the data, or made ones; those of the constant draws where the file has some.
fn batches_of(prepared: &Prepared, facts: &FileFacts, count: usize) -> Result<Vec<Batch>, Failure> {
    let is_baked = facts.draws == DrawSource::Baked;
    let Some(dataset) = &prepared.dataset else {
        let made = |number: usize| {
            let index = (0..MADE).map(|row| (number * MADE + row) as u64).collect();
            made_batch(prepared, if is_baked { facts.baked.clone() } else { index })
        };
        return Ok((0..if is_baked { 1 } else { count }).map(made).collect());
    };
    let (_, data, order) = prepared.data()?;
    if let Some(beyond) = facts.baked.iter().find(|index| **index >= dataset.len() as u64) {
        let message = format!("the draws of sample {beyond} are baked in, but there are {} samples", dataset.len());
        return Err(Failure::user(format!("{message}; name the pipeline that the file was written from")));
    }
    let indices = |number: usize| order.indices(number, dataset.len());
    let wanted: Vec<Vec<u64>> = if is_baked {
        // The second half of a batch with partners from the data set is read along.
        let own = if prepared.spec.donors().next().is_some() { facts.baked.len() / 2 } else { facts.baked.len() };
        vec![facts.baked[..own].to_vec()]
    } else {
        (0..count.min(order.len(dataset.len()))).map(indices).collect()
    };
    let loaded = wanted.iter().map(|indices| load(&prepared.plan, dataset, data, indices).map(|(batch, _)| batch));
    let batches: Vec<Batch> = loaded.collect::<Result<_, _>>()?;
    let full: Vec<Batch> = batches.into_iter().filter(|batch| !batch.is_empty()).collect();
    if full.is_empty() { Err(Failure::user("no image of the first batches could be read")) } else { Ok(full) }
}

/// Samples of pseudo-random pixels with the indices `index`, every class in turn.
fn made_batch(prepared: &Prepared, index: Vec<u64>) -> Batch {
    let shape = &prepared.plan.input;
    let (n, channels) = (index.len(), shape.channels);
    let word = |at: [usize; 4]| {
        let place = at.iter().fold(0u32, |place, at| place.wrapping_mul(8191).wrapping_add(*at as u32));
        philox4x32([place, index[at[0]] as u32, 0, 0], [3, 4])[0]
    };
    let byte = |at: [usize; 4]| (word(at) >> 24) as u8;
    let [height, width] = shape.size().unwrap_or(OPEN);
    let images = match (shape.layout, shape.element) {
        (Layout::Ragged, _) => {
            let image = |row: usize| {
                let sides = [64 + 13 * row, 80 + 7 * row, channels];
                Array3::from_shape_fn(sides, |(y, x, c)| byte([row, c, y, x]))
            };
            Images::Ragged((0..n).map(image).collect())
        }
        (_, Element::U8) => {
            Images::U8(Array4::from_shape_fn([n, channels, height, width], |(n, c, y, x)| byte([n, c, y, x])))
        }
        (_, Element::F32) => {
            let float = |at| (word(at) >> 8) as f32 / 4_194_304.0 - 2.0;
            Images::F32(Array4::from_shape_fn([n, channels, height, width], |(n, c, y, x)| float([n, c, y, x])))
        }
    };
    let classes: Vec<Option<usize>> = (0..n).map(|row| Some(row % shape.classes.max(1))).collect();
    let labels = Labels::one_hot(&classes, shape.classes, &index);
    // Floats stand for pixels that were scaled to 0 to 1.
    let scale = if shape.element == Element::F32 { 1.0 / 255.0 } else { 1.0 };
    let transfer = vec![Transfer { scale, bias: 0.0 }; channels];
    let mut batch = Batch { transfer, ..Batch::new(images, labels, index) };
    let samples = || (0..n).map(|row| made_objects(batch.index[row], batch.extent(row), row)).collect();
    batch.objects = prepared.plan.objects.as_ref().map(|_| Objects { samples: samples(), flip_pairs: Vec::new() });
    batch
}

/// Pseudo-random boxes in an image: none in the first of four samples, up to three in the others.
fn made_objects(index: u64, [_, height, width]: [usize; 3], row: usize) -> Vec<Object> {
    let made = |number: usize| {
        let words = philox4x32([number as u32, index as u32, 0, 1], [3, 4]);
        let span = |from: u32, to: u32, side: usize| {
            let low = from as usize % side.max(1);
            [low, low + 1 + to as usize % (side - low).max(1)].map(|edge| edge as f64)
        };
        let [[left, right], [top, bottom]] = [span(words[0], words[1], width), span(words[2], words[3], height)];
        Object::new(number, (index, number as u64), [left, top, right, bottom], [height, width])
    };
    (0..row % 4).map(made).collect()
}
