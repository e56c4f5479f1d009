//! What the reuse of prefixes saves an experiment, in ONNX Runtime: against a loop that runs the whole model for every setting, and against the least
//! that must run (each image once to the last site, every setting from its site to the end, and the acts).
//!
//! Ratios are of medians of runs taken in turn in one process. `AUGRAFT_SHARED` names the folder with the single-precision EfficientNet-Lite0 and the
//! photos; without it the embedded model and photos are measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use augraft::data::{Dataset, Source};
use augraft::engine::{Boundary, CutModel, ModelForm, OnnxRuntime, Optimization, inspect};
use augraft::experiment::{Cost, Executor, ExperimentPlan, Parts, prepare};
use augraft::onnx::{Model, multiply_adds, pooled_map};
use augraft::operator::{Images, Issue, Registry};
use augraft::pipeline::{Device, Facts, MapLayout, Overrides, PipelineSpec, Plan, plan};
use ndarray::{Array4, s};

type Failure = Box<dyn Error>;
/// Changes a map by another one, as a setting says.
type ActOf = dyn Fn(&mut Array4<f32>, &Array4<f32>, usize);

const ROUNDS: usize = 3;
const BATCH: usize = 8;
const PAIRS: usize = 16;
const SITES: [&str; 5] = [
    "/_blocks.0/_project_conv/Conv_output_0",
    "/_blocks.2/Add_output_0",
    "/_blocks.6/Add_output_0",
    "/_blocks.10/Add_output_0",
    "/_blocks.14/Add_output_0",
];

/// `in_between_by_depth` with five sites and ten settings.
const BY_DEPTH: &str = "  interventions:
    - name: mixup
      at: [\"/_blocks.0/_project_conv/Conv_output_0\", \"/_blocks.2/Add_output_0\", \"/_blocks.6/Add_output_0\", \"/_blocks.10/Add_output_0\", \"/_blocks.14/Add_output_0\"]
      sweep: { lam: { from: 0.0, to: 0.9, steps: 10 } }
      apply: [{ lerp: { lam: $lam } }]
  metrics: [neither_error]
";
/// `patching` with four sites and sixteen cells.
const PATCHING: &str = "  interventions:
    - name: cell
      at: [\"/_blocks.2/Add_output_0\", \"/_blocks.6/Add_output_0\", \"/_blocks.10/Add_output_0\", \"/_blocks.14/Add_output_0\"]
      base: [paste]
      sweep: { row: [0, 1, 2, 3], column: [0, 1, 2, 3] }
      apply: [{ replace: { region: { grid: [4, 4], row: $row, column: $column } } }]
  metrics: [recovered]
";

fn main() -> Result<(), Failure> {
    let shared = std::env::var_os("AUGRAFT_SHARED").map(PathBuf::from);
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let (file, photos) = match &shared {
        Some(shared) => (shared.join("models/efficientnet-lite0.onnx"), shared.join("data/imagenet-sample")),
        None => (embedded.join("models/efficientnet-lite0.onnx"), embedded.join("data/photos")),
    };
    println!("{} on {}, {PAIRS} pairs, {BATCH} at a time", file.display(), photos.display());
    let runtime = OnnxRuntime::load(None, Device::Cpu, Optimization::Default)?;
    let model = Model::load(&file)?;
    for (name, experiment, sites, settings) in [
        ("in_between_by_depth, 5 sites x 10 settings", BY_DEPTH, &SITES[..], 10),
        ("patching, 4 sites x 16 cells", PATCHING, &SITES[1..], 16),
    ] {
        let pipeline = planned(&file, &photos, experiment)?;
        let plan = experiment_plan(&runtime, &model, &pipeline.0, &pipeline.1, &photos)?;
        let sites_of = sites.iter().map(|site| ((*site).to_owned(), MapLayout::Nchw)).collect();
        let network = CutModel::bind(&runtime, &model, ModelForm { sites: sites_of, ..ModelForm::default() })?;
        let acts: &ActOf = if settings == 10 { &lerp } else { &cell };
        let images = network.start(&Images::F32(noise(BATCH)))?;
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(timed(|| ours(&plan, &runtime, &model))?);
            times[1].push(timed(|| naive(&network, &images, sites.len(), settings, acts))?);
            times[2].push(timed(|| least(&network, &images, sites.len(), settings, acts))?);
        }
        let [ours, naive, least] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2].as_secs_f64()
        });
        println!(
            "  {name}: {:.2}x faster than the naive loop (3 wanted), {:.2}x of the least (at most 1.15)",
            naive / ours,
            ours / least
        );
        println!("    {ours:.1} s, naive {naive:.1} s, least {least:.1} s");
    }
    Ok(())
}

/// One experiment, without what happens once: cutting the model, and the report.
fn ours(plan: &ExperimentPlan, runtime: &OnnxRuntime, model: &Model) -> Result<Duration, Failure> {
    let cost = Cost::of(plan, 4e9)?;
    let mut executor = Executor::bind(plan, runtime, model, cost.holds)?;
    let started = Instant::now();
    for chunk in 0..plan.chunks(0) {
        executor.chunk(0, chunk)?;
    }
    Ok(started.elapsed())
}

/// The whole model for every setting of every batch of pairs, and once for the clean run.
fn naive(
    network: &CutModel,
    images: &Boundary,
    sites: usize,
    settings: usize,
    act: &ActOf,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    for _ in 0..PAIRS / BATCH {
        for place in 1..=sites {
            for setting in 0..settings {
                let at = network.advance(images, place)?;
                network.finish(&acted(network, &at, setting, act)?)?;
            }
        }
        network.finish(images)?;
    }
    Ok(started.elapsed())
}

/// Each batch once through all sites, and every setting from its site to the end.
fn least(
    network: &CutModel,
    images: &Boundary,
    sites: usize,
    settings: usize,
    act: &ActOf,
) -> Result<Duration, Failure> {
    // Patching runs two images of every pair to the sites: the clean one and the corrupt one.
    let prefixes = if settings == 16 { 2 } else { 1 };
    let started = Instant::now();
    for _ in 0..PAIRS / BATCH {
        let mut at = images.clone();
        for place in 1..=sites {
            for _ in 1..prefixes {
                network.advance(&at, place)?;
            }
            at = network.advance(&at, place)?;
            for setting in 0..settings {
                network.finish(&acted(network, &at, setting, act)?)?;
            }
        }
        for _ in 0..prefixes {
            network.finish(&at)?;
        }
    }
    Ok(started.elapsed())
}

fn acted(network: &CutModel, at: &Boundary, setting: usize, act: &ActOf) -> Result<Boundary, Failure> {
    let mut map: Array4<f32> = network.map(at)?;
    let other = map.clone();
    act(&mut map, &other, setting);
    Ok(network.with_map(at.clone(), map)?)
}

fn lerp(map: &mut Array4<f32>, other: &Array4<f32>, setting: usize) {
    let lam = setting as f32 / 10.0;
    map.zip_mut_with(other, |value, other| *value = lam * *value + (1.0 - lam) * other);
}

fn cell(map: &mut Array4<f32>, other: &Array4<f32>, setting: usize) {
    let (_, _, height, width) = map.dim();
    let span = |at: usize, side: usize| at * side / 4..(at + 1) * side / 4;
    let place = s![.., .., span(setting / 4, height), span(setting % 4, width)];
    map.slice_mut(place).assign(&other.slice(place));
}

fn timed(run: impl FnOnce() -> Result<Duration, Failure>) -> Result<Duration, Failure> {
    run()
}

/// Images of pseudo-random values.
fn noise(count: usize) -> Array4<f32> {
    let mut place = 0;
    Array4::from_shape_simple_fn([count, 3, 224, 224], || {
        place += 1;
        let [word, ..] = augraft::operator::philox4x32([place, 0, 0, 0], [5, 5]);
        (word >> 8) as f32 / 4_194_304.0 - 2.0
    })
}

/// The file of an experiment, parsed and planned as a pipeline.
fn planned(model: &Path, photos: &Path, experiment: &str) -> Result<(PipelineSpec, Plan), Failure> {
    let text = format!(
        "augraft: 1\ndata: {{ folder: \"{}\", batch: {BATCH} }}\nsteps:\n  - resize: {{ size: 224 }}\n  - normalize: imagenet\nmodel: {{ file: \"{}\", engine: onnxruntime }}\nexperiment:\n  over: {{ pairs: {PAIRS} }}\n{experiment}",
        photos.display(),
        model.display()
    );
    let spec = PipelineSpec::parse(&text, Path::new("bench.yaml"), &Registry::linked())?;
    let runtime = OnnxRuntime::load(None, Device::Cpu, Optimization::Default)?;
    let pipeline = plan(&spec, &Overrides::default(), &Facts::default(), &mut |model, size| {
        let inspected = Model::load(&model.file).map_err(Into::into).and_then(|file| inspect(&runtime, &file, size));
        inspected
            .map(|inspection| inspection.facts())
            .map_err(|error: augraft::engine::EngineError| Issue::new("", error.to_string()))
    })?;
    Ok((spec, pipeline))
}

fn experiment_plan(
    runtime: &OnnxRuntime,
    model: &Model,
    spec: &PipelineSpec,
    pipeline: &Plan,
    photos: &Path,
) -> Result<ExperimentPlan, Failure> {
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/models/classes.txt");
    let named = photos.ends_with("photos").then_some(classes);
    let dataset = Dataset::open_with_classes(&Source::Folder(photos.to_owned()), named.as_deref())?;
    let inspection = inspect(runtime, model, Some([224, 224]))?;
    let shapes: BTreeMap<String, Vec<usize>> =
        inspection.sites.iter().filter_map(|site| Some((site.name.clone(), site.shape.clone()?))).collect();
    // The folder of photos has its own class names: only times are measured.
    let mut facts = inspection.facts();
    facts.classes = dataset.classes().len();
    Ok(prepare(Parts {
        spec,
        pipeline,
        dataset,
        open: &|spec, _, pointer| Err(spec.problem(pointer, "bad-data", "the benchmark has no other sets", None)),
        registry: &Registry::linked(),
        facts: &facts,
        macs_after: inspection.sites.iter().map(|site| (site.name.clone(), site.macs_after)).collect(),
        multiply_adds: multiply_adds(model, &shapes),
        pooled: pooled_map(model),
    })?)
}
