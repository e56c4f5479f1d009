//! What steps inside of an ONNX file cost, in ONNX Runtime on one thread: against the plain model, and against memcpy of the tensor.
//!
//! Ratios are of medians of runs taken in turn. `AUGRAFT_SHARED` names the folder with the single-precision EfficientNet-Lite0; without it the embedded
//! model with 8-bit weights is measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use augraft::engine::{
    DrawSource, ExportOptions, OnnxRuntime, Optimization, Timed, Use, export, graft, inspect, profile, time_in_turn,
};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor};
use augraft::operator::{Element, Layout, Registry, Shape};
use augraft::pipeline::{Device, Facts, ModelSpec, Overrides, PipelineSpec, Plan, plan};
use ndarray::{ArrayD, IxDyn};

type Failure = Box<dyn Error>;

const SITE: &str = "/_blocks.10/Add_output_0";
const ROUNDS: usize = 21;

fn main() -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let runtime = OnnxRuntime::load(None, Device::Cpu, Optimization::Default)?;
    overhead(&runtime)?;
    against_memcpy(&runtime)?;
    size_of_a_file()?;
    time_to_write(&runtime)
}

/// The fused file against the plain model at batch 32.
fn overhead(runtime: &OnnxRuntime) -> Result<(), Failure> {
    let file = model_file();
    let model = Model::load(&file)?;
    println!("{} at batch 32, over the plain model", file.display());
    let at_site = |step: &str| {
        format!(
            "steps: []\nmodel:\n  file: \"{}\"\n  engine: onnxruntime\n  steps:\n    - at: \"{SITE}\"\n      {step}\n",
            file.display()
        )
    };
    let at_input =
        |step: &str| format!("steps:\n  - {step}\nmodel: {{ file: \"{}\", engine: onnxruntime }}\n", file.display());
    let cases = [
        ("cutmix: { p: 0 } at the site", at_site("cutmix: { p: 0 }"), 1.0),
        ("cutmix: { p: 1e-9 } at the site, drawn and never acting", at_site("cutmix: { p: 1.0e-9 }"), 1.0),
        ("cutmix at the site", at_site("cutmix: { mode: elem }"), 3.0),
        ("cutmix at the input", at_input("cutmix: { mode: elem }"), 5.0),
    ];
    let images =
        Tensor::F32(ArrayD::from_shape_fn(IxDyn(&[32, 3, 224, 224]), |at| (at[1] + at[2] * at[3]) as f32 % 7.0 - 3.0));
    for (name, steps, bound) in cases {
        let plan = planned(
            &steps,
            Shape { layout: Layout::Dense { height: 224, width: 224 }, element: Element::F32, ..Shape::ragged(0) },
        )?;
        let fused = graft(&plan, &model, &ExportOptions::default())?.model;
        let inputs = addressed(images.clone(), 1000);
        let plain = Timed { model: &model, inputs: vec![("images", &images)] };
        let fused = Timed { model: &fused, inputs: inputs.iter().map(|(name, tensor)| (*name, tensor)).collect() };
        let [plain, fused] = time_in_turn(runtime, Use::Network, &[plain, fused], ROUNDS)?[..] else { continue };
        let share = 100.0 * (fused.as_secs_f64() / plain.as_secs_f64() - 1.0);
        println!("  {name}: {share:+.2} % (at most {bound} %), {plain:.1?} plain");
    }
    Ok(())
}

/// An exported step against memcpy of the tensor that it changes.
fn against_memcpy(runtime: &OnnxRuntime) -> Result<(), Failure> {
    println!("exported steps on f32 [64,3,224,224], against memcpy of the tensor");
    let images =
        Tensor::F32(ArrayD::from_shape_fn(IxDyn(&[64, 3, 224, 224]), |at| (at[0] + at[1] + at[2] + at[3]) as f32));
    let copied = memcpy(&images);
    for step in ["cutmix", "cutmix: { mode: elem }", "mixup", "cutout: { length: 112 }", "horizontal_flip"] {
        let plan = planned(
            &format!("steps:\n  - {step}\n"),
            Shape { layout: Layout::Dense { height: 224, width: 224 }, element: Element::F32, ..Shape::ragged(10) },
        )?;
        let file = export(&plan, &ExportOptions::default())?;
        let inputs = addressed(images.clone(), 10);
        let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let timed = Timed { model: &file, inputs: inputs.clone() };
        let [time] = time_in_turn(runtime, Use::OptimizedGraph, &[timed], ROUNDS)?[..] else { continue };
        println!(
            "  {step}: {:.2}x memcpy ({time:.1?} against {copied:.1?})",
            time.as_secs_f64() / copied.as_secs_f64()
        );
        let mut nodes = profile(runtime, &file, Use::OptimizedGraph, &inputs, 5)?;
        nodes.sort_by_key(|node| std::cmp::Reverse(node.microseconds));
        for node in nodes.iter().take(3) {
            let share = node.microseconds as f64 / 1e6 / copied.as_secs_f64();
            println!("    {} {}: {share:.2}x memcpy", node.op_type, node.name);
        }
    }
    Ok(())
}

/// Bytes and nodes of a file with three kinds of steps.
fn size_of_a_file() -> Result<(), Failure> {
    for alpha in ["1", "0.4"] {
        let steps = format!(
            "steps:\n  - horizontal_flip\n  - vertical_flip\n  - normalize\n  - cutmix: {{ alpha: {alpha} }}\n  - mixup: {{ alpha: {alpha} }}\n"
        );
        let plan = planned(&steps, Shape { layout: Layout::Dense { height: 224, width: 224 }, ..Shape::ragged(1000) })?;
        let file = export(&plan, &ExportOptions::default())?;
        let nodes = file.proto().graph.as_ref().map_or(0, |graph| graph.node.len());
        println!(
            "flips, cutmix and mixup at alpha {alpha}: {} bytes (at most 100000), {nodes} nodes (at most 400)",
            file.to_bytes().len()
        );
    }
    Ok(())
}

/// Seconds to export and to graft into a model of 100 MB, read and inspected from its file.
fn time_to_write(runtime: &OnnxRuntime) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("augraft-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("large.onnx");
    std::fs::write(&file, large_model()?.to_bytes())?;
    let start = Instant::now();
    let steps = format!(
        "steps:\n  - cutmix\nmodel:\n  file: \"{}\"\n  steps:\n    - at: relu.4\n      cutmix: {{}}\n",
        file.display()
    );
    let plan = planned(
        &steps,
        Shape { layout: Layout::Dense { height: 56, width: 56 }, element: Element::F32, ..Shape::ragged(10) },
    )?;
    let planned = start.elapsed();
    let model = Model::load(&file)?;
    let grafted = graft(&plan, &model, &ExportOptions { draws: DrawSource::Graph, ..ExportOptions::default() })?;
    std::fs::write(folder.join("grafted.onnx"), grafted.model.to_bytes())?;
    let whole = start.elapsed();
    let start = Instant::now();
    std::fs::write(folder.join("export.onnx"), export(&plan, &ExportOptions::default())?.to_bytes())?;
    let size = std::fs::metadata(&file)?.len() / 1_000_000;
    println!(
        "a graft into {size} MB: {whole:.2?}, {planned:.2?} of it to look at the model (at most 2 s); an export: {:.2?}",
        start.elapsed()
    );
    let _ = runtime;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// Eleven convolutions of 512 channels on maps that shrink to 7 x 7.
fn large_model() -> Result<Model, Failure> {
    let graph = Graph::new(18);
    let sides = [Side::Named("N"), Side::Fixed(3), Side::Fixed(56), Side::Fixed(56)];
    let mut map = graph.input("images", DataType::F32, &sides);
    for layer in 0..12usize {
        let (channels, side) = if layer == 0 { (3, 8) } else { (512, 3) };
        let weights = ArrayD::from_shape_fn(IxDyn(&[512, channels, side, side]), |at| {
            ((at[0] * 31 + at[1] * 7 + at[2] + layer) % 13) as f32 * 0.01 - 0.06
        });
        let weights = graph.named_constant(Tensor::F32(weights), &format!("weights.{layer}"));
        let stride: i64 = if layer == 0 { 8 } else { 1 };
        let pad: i64 = i64::from(layer > 0);
        let attributes = vec![
            augraft::onnx::ints_attribute("strides", &[stride; 2]),
            augraft::onnx::ints_attribute("pads", &[pad; 4]),
        ];
        map = graph.node("Conv", &[map, weights], attributes, DataType::F32).unary("Relu");
    }
    let scores = map.unary("GlobalAveragePool").unary("Flatten");
    graph.output(scores, "logits", &[Side::Named("N"), Side::Fixed(512)]);
    Ok(Model::from_proto(graph.into_proto("large", &[]))?)
}

fn planned(steps: &str, input: Shape) -> Result<Plan, Failure> {
    let text = format!("augraft: 1\nseed: 1\n{steps}");
    let spec = PipelineSpec::parse(&text, Path::new("bench.yaml"), &Registry::linked())
        .map_err(|report| report.to_string())?;
    let facts = Facts { classes: input.classes, input: Some(input), ..Facts::default() };
    let look = &mut |model: &ModelSpec, size| {
        let runtime = augraft::engine::open(model.engine, model.device, None)?;
        Ok::<_, augraft::engine::EngineError>(inspect(&*runtime, &Model::load(&model.file)?, size)?.facts())
    };
    Ok(plan(&spec, &Overrides::default(), &facts, look).map_err(|report| report.to_string())?)
}

/// Inputs of a file that draws: images, one-hot labels when it takes them, seed, epoch, index.
fn addressed(images: Tensor, classes: usize) -> Vec<(&'static str, Tensor)> {
    let n = images.shape()[0];
    let labels = ArrayD::from_shape_fn(IxDyn(&[n, classes]), |at| f32::from(u8::from(at[0] % classes == at[1])));
    vec![
        ("images", images),
        ("labels", Tensor::F32(labels)),
        ("seed", Tensor::scalar(1i64)),
        ("epoch", Tensor::scalar(0i64)),
        ("index", Tensor::vector((0..n as i64).collect())),
    ]
}

/// Median time to copy the tensor into memory that is there.
fn memcpy(images: &Tensor) -> Duration {
    let Tensor::F32(from) = images else { return Duration::ZERO };
    let from = from.as_slice().unwrap_or_default();
    let mut to = vec![0f32; from.len()];
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(&mut to).copy_from_slice(black_box(from));
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

fn model_file() -> PathBuf {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/models/efficientnet-lite0.onnx");
    std::env::var_os("AUGRAFT_SHARED")
        .map_or(embedded, |shared| Path::new(&shared).join("models/efficientnet-lite0.onnx"))
}
