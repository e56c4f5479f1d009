//! Exported steps and a cut model on a CUDA device against the CPU: times, where the nodes ran, and whether the results agree.
//!
//! The device is that of `AUGRAFT_DEVICE`, `cuda:0` without it; with `cpu`, everything runs on a machine without a GPU. Fails when the device
//! gives other pixels than the native steps, or when something of the size of the images runs beside the device.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use augraft::engine::{
    AtSite, CutModel, ExportOptions, ModelForm, NodeRun, OnnxRuntime, Optimization, Runtime, Use, export,
    image_sized_on_cpu, profile, run_steps, time_on_device,
};
use augraft::onnx::{Model, Tensor};
use augraft::operator::{AnyOperator, Batch, Images, Issue, Labels, MixMode, Registry, Scratch, StepKey};
use augraft::pipeline::{Device, Facts, MapLayout, ModelFacts, Overrides, PipelineSpec, Plan, plan};
use augraft_mix::CutMix;
use ndarray::{Array2, Array4};

const SHAPE: [usize; 4] = [64, 3, 224, 224];
const CLASSES: usize = 1000;
const ROUNDS: usize = 11;
const NETWORK_ROUNDS: usize = 3;

const STEPS: [(&str, &str); 5] = [
    ("cutmix", "cutmix: {}"),
    ("cutmix, mode elem", "cutmix: { mode: elem }"),
    ("mixup", "mixup: {}"),
    ("cutout", "cutout: { length: 56 }"),
    ("horizontal_flip", "horizontal_flip: { p: 0.5 }"),
];

const MODEL: &str = "../../pipelines/models/efficientnet-lite0.onnx";
const SITE: &str = "/_blocks.10/Add_output_0";

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    let device = std::env::var("AUGRAFT_DEVICE").unwrap_or_else(|_| "cuda:0".to_owned());
    match report(&device) {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints everything, and returns what is wrong on the device.
fn report(device: &str) -> Result<Vec<String>, Failure> {
    let device: Device = device.parse()?;
    let cpu = OnnxRuntime::load(None, Device::Cpu, Optimization::Default)?;
    let on_device = OnnxRuntime::load(None, device, Optimization::Default)?;
    let (_, build) = OnnxRuntime::describe(None)?;
    println!("Device: {}.\nHost: {}.\nONNX Runtime: {build}.", device_name(device), host());
    let mut problems = Vec::new();
    steps(&cpu, &on_device, device, &mut problems)?;
    network(&cpu, &on_device, device, &mut problems)?;
    Ok(problems)
}

/// A device as the driver names it.
fn device_name(device: Device) -> String {
    let Device::Cuda(number) = device else { return device.to_string() };
    let query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader", "-i", &number.to_string()];
    let named = Command::new("nvidia-smi").args(query).output().ok().filter(|output| output.status.success());
    let named = named.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    format!("{device}, {named}")
}

fn host() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{}, {} threads", name.map_or("CPU", |(_, name)| name), rayon::current_num_threads())
}

fn steps(
    cpu: &OnnxRuntime,
    on_device: &OnnxRuntime,
    device: Device,
    problems: &mut Vec<String>,
) -> Result<(), Failure> {
    let [n, _, height, width] = SHAPE;
    println!("\nExported steps on f32 {SHAPE:?} with {CLASSES} classes, milliseconds, medians of {ROUNDS}.");
    println!(
        "\"On the device\" leaves the copies to the device and back out; \"from the host\" is a run of the engine.\n"
    );
    println!(
        "| step | CPU | on {device} | ratio | from the host | nodes on {device} | on the CPU | image-sized on the CPU | equals native |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut small_nodes = Vec::new();
    for (name, yaml) in STEPS {
        let case = Case::new(yaml)?;
        let inputs = case.inputs();
        let purpose = Use::OptimizedGraph;
        let host_time = time_on_device(cpu, &case.model, purpose, &inputs, ROUNDS)?;
        let device_time = time_on_device(on_device, &case.model, purpose, &inputs, ROUNDS)?;
        let session = on_device.session(&case.model, purpose)?;
        let outputs = session.run(&inputs)?;
        let from_host = median(ROUNDS, || session.run(&inputs).map(|_| ()))?;
        let nodes = profile(on_device, &case.model, purpose, &inputs, ROUNDS)?;
        let (small, image_sized) = image_sized_on_cpu(&nodes, n * height * width);
        let equal = same_bytes(&outputs, &case.expected);
        println!(
            "| `{name}` | {} | {} | {:.1} | {} | {} | {} | {} | {} |",
            milliseconds(host_time),
            milliseconds(device_time),
            ratio(host_time, device_time),
            milliseconds(from_host),
            nodes.iter().filter(|node| !node.is_on_cpu()).count(),
            nodes.iter().filter(|node| node.is_on_cpu()).count(),
            image_sized.len(),
            if equal { "yes" } else { "no" },
        );
        small_nodes.push(format!("- `{name}`: {}", listed(&small)));
        if !equal {
            problems.push(format!("{name}: {device} gives other images or labels than the native step"));
        }
        // On the CPU, everything is.
        if device != Device::Cpu {
            let problem = |node: &&NodeRun| format!("{name}: {} of images beside {device}", described(node));
            problems.extend(image_sized.iter().map(problem));
        }
    }
    println!("\nSmaller nodes on the CPU, and copies of small tensors:\n\n{}", small_nodes.join("\n"));
    Ok(())
}

/// An exported step with a batch, its draws, and what the native step makes of both.
struct Case {
    model: Model,
    inputs: Vec<(String, Tensor)>,
    expected: [Tensor; 2],
}

impl Case {
    fn new(yaml: &str) -> Result<Self, Failure> {
        let plan = planned(yaml)?;
        let mut batch = batch(images(), CLASSES);
        let mut inputs = tensors(&batch).map(|(name, tensor)| (name.to_owned(), tensor)).to_vec();
        let index = batch.index.iter().map(|index| *index as i64).collect();
        inputs.push(("seed".to_owned(), Tensor::scalar(plan.seed as i64)));
        inputs.push(("epoch".to_owned(), Tensor::scalar(i64::from(plan.epoch))));
        inputs.push(("index".to_owned(), Tensor::vector(index)));
        run_steps(&plan.steps, plan.epoch, &mut batch, None, &mut Scratch::default())?;
        Ok(Self { model: exported(&plan)?, inputs, expected: tensors(&batch).map(|(_, tensor)| tensor) })
    }

    fn inputs(&self) -> Vec<(&str, &Tensor)> {
        self.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect()
    }
}

/// The file that is measured: its inputs are the images, the labels and the draws.
fn exported(plan: &Plan) -> Result<Model, Failure> {
    Ok(export(plan, &ExportOptions::default())?)
}

/// The plan of one step on normalized images of the size of [`SHAPE`].
fn planned(yaml: &str) -> Result<Plan, Failure> {
    let text =
        format!("augraft: 1\nseed: 1\nsteps:\n  - resize: {{ size: {} }}\n  - normalize: half\n  - {yaml}\n", SHAPE[2]);
    let spec =
        PipelineSpec::parse(&text, Path::new("cuda.yaml"), &Registry::linked()).map_err(|report| report.to_string())?;
    let facts = Facts { classes: CLASSES, ..Facts::default() };
    let no_model = &mut |_: &_, _| Err::<ModelFacts, _>(Issue::new("", "the steps need no model"));
    let mut plan = plan(&spec, &Overrides::default(), &facts, no_model).map_err(|report| report.to_string())?;
    // What comes before only gives the step its shape.
    let step = plan.steps.split_off(2);
    plan.input = step[0].before.clone();
    plan.steps = step;
    Ok(plan)
}

fn images() -> Array4<f32> {
    // A linear generator is enough for pixels that all differ from their neighbors.
    let mut state = 1u32;
    Array4::from_shape_simple_fn(SHAPE, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    })
}

fn batch(images: Array4<f32>, classes: usize) -> Batch {
    let samples = images.dim().0;
    let index: Vec<u64> = (0..samples as u64).collect();
    let labels: Vec<_> = (0..samples).map(|row| Some(row % classes)).collect();
    let labels = Labels::one_hot(&labels, classes, &index);
    Batch::new(Images::F32(images), labels, index)
}

fn tensors(batch: &Batch) -> [(&'static str, Tensor); 2] {
    let Images::F32(images) = &batch.images else { unreachable!("the steps leave f32") };
    [("images", Tensor::F32(images.clone().into_dyn())), ("labels", Tensor::F32(batch.labels.soft().into_dyn()))]
}

/// Bit for bit, as exact operators promise.
fn same_bytes(outputs: &[Tensor], expected: &[Tensor]) -> bool {
    let bits = |a: &Tensor, b: &Tensor| match (a.as_f32(), b.as_f32()) {
        (Some(a), Some(b)) => a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
        _ => false,
    };
    outputs.len() == expected.len() && outputs.iter().zip(expected).all(|(a, b)| bits(a, b))
}

fn network(
    cpu: &OnnxRuntime,
    on_device: &OnnxRuntime,
    device: Device,
    problems: &mut Vec<String>,
) -> Result<(), Failure> {
    let model = Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL))?;
    let form = ModelForm { sites: vec![(SITE.to_owned(), MapLayout::Nchw)], ..ModelForm::default() };
    let bound = |runtime, form| CutModel::bind(runtime, &model, form);
    let whole = [bound(cpu, ModelForm::default())?, bound(on_device, ModelForm::default())?];
    let parts = [bound(cpu, form.clone())?, bound(on_device, form)?];
    let images = Images::F32(images());
    println!("\nEfficientNet-Lite0 on f32 {SHAPE:?}, from the host, milliseconds, medians of {NETWORK_ROUNDS}.\n");
    println!("| model | CPU | {device} | ratio | largest difference of logits | largest logit |");
    println!("|---|---|---|---|---|---|");
    let mut row = |name: &str, [host, there]: &[CutModel; 2], at: &mut AtSite<'_>| {
        let mut run = |model: &CutModel| model.finish(&model.through(model.start(&images)?, at)?);
        let (expected, logits) = (run(host)?, run(there)?);
        let host_time = median(NETWORK_ROUNDS, || run(host).map(|_| ()))?;
        let device_time = median(NETWORK_ROUNDS, || run(there).map(|_| ()))?;
        println!(
            "| {name} | {} | {} | {:.1} | {:.1e} | {:.1} |",
            milliseconds(host_time),
            milliseconds(device_time),
            ratio(host_time, device_time),
            largest_difference(&expected, &logits),
            expected.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        );
        if logits.iter().any(|logit| !logit.is_finite()) {
            problems.push(format!("{name}: the logits on {device} are not all numbers"));
        }
        Ok::<_, Failure>(logits)
    };
    let whole = row("whole", &whole, &mut |_, map| Ok(map))?;
    let cut = row("cut, nothing between", &parts, &mut |_, map| Ok(map))?;
    row("cut, `cutmix` between", &parts, &mut |_, map| Ok(mixed(map)))?;
    let drift = largest_difference(&whole, &cut);
    println!("\nWhole against cut on {device}: largest difference of logits {drift:.1e}.");
    Ok(())
}

/// `CutMix` on a feature map, with the same draws every time.
fn mixed(map: Array4<f32>) -> Array4<f32> {
    let operator: &dyn AnyOperator = &CutMix { mode: MixMode::Elem, ..CutMix::default() };
    let mut batch = Batch { image_size: Some([SHAPE[2], SHAPE[3]]), ..batch(map, CLASSES) };
    let draws = operator.draw(&StepKey::new(1, "graft"), 0, &batch);
    operator.apply(&draws, &mut batch, &mut Scratch::default()).expect("the draws fit");
    let Images::F32(map) = batch.images else { unreachable!("CutMix leaves f32") };
    map
}

/// A NaN counts as the largest difference.
fn largest_difference(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.max_by(f32::total_cmp).unwrap_or(f32::NAN)
}

fn median<E>(rounds: usize, mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut time = || {
        let start = Instant::now();
        run().map(|()| start.elapsed())
    };
    let mut times = (0..rounds).map(|_| time()).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[rounds / 2])
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn ratio(time: Duration, to: Duration) -> f64 {
    time.as_secs_f64() / to.as_secs_f64()
}

/// Operators with how often they ran.
fn listed(nodes: &[&NodeRun]) -> String {
    let mut kinds: Vec<&str> = nodes.iter().map(|node| node.op_type.as_str()).collect();
    kinds.sort_unstable();
    let counted = kinds.chunk_by(|a, b| a == b).map(|kind| format!("{} {}", kind.len(), kind[0]));
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

fn described(node: &NodeRun) -> String {
    format!("`{}` ({} {:?})", node.name, node.op_type, node.shapes)
}
