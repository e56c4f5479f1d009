//! Random chains of steps: labels against pixels, and exported files against native runs.
//!
//! Two correct steps behind each other are where faults sat, so chains are drawn over all operators. `AUGRAFT_CHAINS` is their number; a failure
//! prints the pipeline and the number of the chain, which `AUGRAFT_CHAIN` runs alone.

use augraft::engine::{DrawSource, ExportOptions, Verifier, export, run_steps};
use augraft::onnx::Model;
use augraft::operator::{
    AnyOperator, Batch, Element, Images, Keypoint, Labels, Layout, Masks, Object, ObjectRules, Objects, Parity,
    Registry, Scratch, Shape, Transfer, Values, philox4x32,
};
use augraft::pipeline::{Facts, ObjectPlan, Overrides, Plan, plan};
use augraft_testkit::{Backend, backends, batch, random_configurations};
use augraft_tests::{parse, workspace};
use ndarray::{Array2, Array4};
use serde_json::{Value, json};

/// Chains of the test command.
const CHAINS: u32 = 60;
/// Samples of a batch; donors are the second half.
const SAMPLES: usize = 6;
/// Classes of masks.
const MASK_CLASSES: usize = 3;

/// Numbers that depend on the chain alone.
struct Numbers {
    chain: u32,
    at: u32,
}

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.at += 1;
        philox4x32([self.at, self.chain, 0, 0], [11, 12])[0] as usize % bound.max(1)
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The chains that fit, as many as are wanted.
fn chains(plain: bool, fits: impl Fn(&Plan) -> bool) -> impl Iterator<Item = (u32, Plan, Shape)> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().expect("a number"));
    let (numbers, most) = match number("AUGRAFT_CHAIN") {
        Some(one) => (one..one + 1, 1),
        None => (0..u32::MAX, number("AUGRAFT_CHAINS").unwrap_or(CHAINS)),
    };
    let planned = move |chain| planned(chain, plain).map(|(plan, input)| (chain, plan, input));
    numbers.filter_map(planned).filter(move |(_, plan, _)| fits(plan)).take(most as usize)
}

/// A configuration of an operator, drawn from what its schema allows; `plain` leaves out what makes labels something else than the share of the pixels.
fn configured(name: &str, plain: bool, numbers: &mut Numbers) -> Option<Value> {
    let registry = Registry::linked();
    let entry = registry.get(name)?;
    let seed = numbers.below(1 << 20) as u32;
    let mut config = match numbers.below(3) {
        0 => entry.default_operator().config(),
        _ => random_configurations(entry, 1, seed).first()?.config(),
    };
    if let Value::Object(fields) = &mut config {
        // A chain of steps that rarely act, or whose images are larger than those of the other chains, shows little.
        if fields.contains_key("p") && numbers.below(2) == 0 {
            fields.insert("p".to_owned(), json!(0.7));
        }
        if let Some(size) = fields.get_mut("size").filter(|size| size.is_number() || size.is_array()) {
            *size = json!([4 + numbers.below(14), 4 + numbers.below(14)]);
        }
        if plain {
            for (name, value) in [
                ("label", json!("area")),
                ("lam", json!("corrected")),
                ("fill", json!(0.0)),
                ("multi_label", json!(false)),
                ("per_channel", json!(false)),
            ] {
                if name != "lam" || fields.get("lam").is_some_and(Value::is_string) {
                    fields.get_mut(name).into_iter().for_each(|field| *field = value.clone());
                }
            }
        }
    }
    Some(config)
}

/// The steps of a chain as YAML.
fn steps(numbers: &mut Numbers, plain: bool) -> Vec<Value> {
    let registry = Registry::linked();
    let usable = |name: &&'static str| {
        let effects = registry.get(name).expect("a linked operator").effects();
        !plain || (effects.values == Values::Kept && !effects.opaque)
    };
    let names: Vec<&'static str> = registry.iter().map(|entry| entry.name).filter(usable).collect();
    let (mixing, others): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| registry.get(name).expect("a linked operator").effects().mixes);
    let count = 2 + numbers.below(4);
    let mut steps = Vec::new();
    if plain {
        steps.push(json!({ "normalize": "unit" }));
    }
    for _ in 0..count {
        let list = if numbers.below(2) == 0 { &mixing } else { &others };
        let name = *numbers.of(list);
        let Some(config) = configured(name, plain, numbers) else { continue };
        let step = json!({ name: config });
        steps.push(match numbers.below(8) {
            0 => {
                let other = *numbers.of(&mixing);
                let config = configured(other, plain, numbers).unwrap_or(Value::Null);
                json!({ "one_of": { "mode": "elem", "steps": [step, { other: config }] } })
            }
            1 => json!({ "repeat": { "count": 2 + numbers.below(2), "steps": [step] } }),
            _ => step,
        });
    }
    steps
}

/// The plan of a chain; none where the steps do not fit each other.
fn planned(chain: u32, plain: bool) -> Option<(Plan, Shape)> {
    let mut numbers = Numbers { chain, at: 0 };
    let square = numbers.below(2) == 0;
    let [height, width] = [6 + numbers.below(16), 6 + numbers.below(16)];
    let layout = Layout::Dense { height, width: if square { height } else { width } };
    let element = if plain || numbers.below(2) == 0 { Element::U8 } else { Element::F32 };
    let input = Shape { layout, channels: 3, element, classes: 3, image_size: None };
    let text = format!("augraft: 1\nseed: {chain}\nsteps: {}\n", Value::Array(steps(&mut numbers, plain)));
    let spec = parse(&text, &workspace().join("pipelines/chain.yaml")).ok()?;
    let facts = Facts { classes: 3, input: Some(input.clone()), ..Facts::default() };
    let none = |_: &_, _| Err(augraft::operator::Issue::new("", "there is no model"));
    let plan = plan(&spec, &Overrides::default(), &facts, &mut { none }).ok()?;
    let small = |shape: &Shape| shape.size().is_some_and(|[height, width]| height * width <= 64 * 64);
    let rows = plan.steps.iter().fold(SAMPLES, |rows, step| step.operator.rows().after(rows));
    let fits = rows <= 40 && plan.steps.iter().all(|step| small(&step.before) && small(&step.after));
    (fits && plan.steps.iter().any(|step| step.effects.mixes)).then_some((plan, input))
}

/// Images of one color each, red, green or blue, so that the mean of the channels is the label.
fn colored(shape: &Shape) -> Batch {
    let [height, width] = shape.size().expect("one size");
    let color = |(row, channel, _, _): (usize, usize, usize, usize)| if row % 3 == channel { 255 } else { 0 };
    let index: Vec<u64> = (0..SAMPLES as u64).map(|row| 7 * row + 2).collect();
    let classes: Vec<Option<usize>> = (0..SAMPLES).map(|row| Some(row % 3)).collect();
    Batch {
        images: Images::U8(Array4::from_shape_fn([SAMPLES, 3, height, width], color)),
        labels: Labels::one_hot(&classes, 3, &index),
        masks: None,
        objects: None,
        index,
        transfer: vec![Transfer::IDENTITY; 3],
        image_size: None,
    }
}

/// The share of each color in what is visible, for every sample; none where nothing is.
fn shares(batch: &Batch) -> Vec<Option<[f64; 3]>> {
    let Images::F32(images) = &batch.images else { panic!("floats") };
    let share = |image: ndarray::ArrayView3<'_, f32>| {
        let sums = [0, 1, 2].map(|channel| {
            image.index_axis(ndarray::Axis(0), channel).iter().map(|value| f64::from(*value)).sum::<f64>()
        });
        let all: f64 = sums.iter().sum();
        (all > 0.5).then(|| sums.map(|sum| sum / all))
    };
    images.outer_iter().map(share).collect()
}

/// How far the label of a chain may be from the pixels, and the size of what shows it.
fn tolerance(plan: &Plan, [height, width]: [usize; 2]) -> f64 {
    let first = plan.steps.iter().position(|step| step.effects.mixes).unwrap_or(plan.steps.len());
    let cut = |step: &&augraft::pipeline::Step| step.effects.moves && !is_turn(&*step.operator);
    let cuts = plan.steps[first..].iter().filter(cut).count();
    // A row and a column of pixels for each step that resamples; pastes that resize show whole pixels.
    let row_and_column = (height + width) as f64 / (height * width) as f64;
    let soft = plan.steps.iter().any(|step| matches!(step.operator.parity(), Parity::Within(_)) && step.effects.mixes);
    let resized =
        plan.steps.iter().filter(|step| step.effects.mixes && step.operator.config()["form"] == "mmpretrain").count();
    (cuts + resized) as f64 * row_and_column + if soft { 5e-5 } else { 1e-5 }
}

/// Whether samples fill their images until they are surely cut: what is padded before counts as the sample itself, and has no color.
fn fills_before_mixing(plan: &Plan) -> bool {
    let cuts = |step: &augraft::pipeline::Step| step.effects.mixes && !step.effects.blends && !step.idle;
    let before = plan.steps.iter().take_while(|step| !cuts(step) || step.operator.config()["p"] != json!(1.0));
    let inside = |name: &str| matches!(name, "resize" | "resized_crop");
    before.filter(|step| step.effects.moves).all(|step| is_turn(&*step.operator) || inside(step.name))
}

fn is_turn(operator: &dyn AnyOperator) -> bool {
    matches!(operator.name(), "dihedral" | "horizontal_flip" | "vertical_flip" | "rot90" | "transpose" | "views")
}

fn smoothed(plan: &Plan, mut label: [f64; 3]) -> [f64; 3] {
    for step in plan.steps.iter().filter(|step| step.name == "label_smoothing") {
        let share = step.operator.config()["smoothing"].as_f64().expect("a share");
        label = label.map(|weight| weight * (1.0 - share) + share / 3.0);
    }
    label
}

#[test]
fn labels_are_the_shares_of_the_visible_pixels() {
    let (mut ran, mut wrong) = (0, Vec::new());
    for (chain, plan, input) in chains(true, fills_before_mixing) {
        let mut batch = colored(&input);
        run_steps(&plan.steps, plan.epoch, &mut batch, None, &mut Scratch::default()).expect("a run");
        let [_, height, width] = batch.extent(0);
        let (soft, allowed) = (batch.labels.soft(), tolerance(&plan, [height, width]));
        ran += 1;
        for (row, share) in shares(&batch).into_iter().enumerate() {
            let Some(share) = share else { continue };
            let share = smoothed(&plan, share);
            let far = (0..3).map(|class| (share[class] - f64::from(soft[[row, class]])).abs()).fold(0.0, f64::max);
            if far > allowed {
                wrong.push(format!(
                    "chain {chain}, sample {row}: {share:?} is not {} (by {far:.2e}, allowed is {allowed:.2e})\n{}",
                    soft.row(row),
                    plan.text
                ));
                break;
            }
        }
    }
    eprintln!("{ran} chains");
    assert!(wrong.is_empty(), "{} of {ran} chains:\n{}", wrong.len(), wrong.join("\n"));
}

/// Masks of rectangles of class ids, some of no class.
fn masked(batch: &mut Batch) {
    let [_, height, width] = batch.extent(0);
    let id = |(row, _, y, x): (usize, usize, usize, usize)| {
        ((row + 3 * y / height + 2 * x / width) % (MASK_CLASSES + 1)) as u8
    };
    let ids = Array4::from_shape_fn([batch.len(), 1, height, width], id);
    batch.masks = Some(Masks { images: Images::U8(ids), classes: MASK_CLASSES });
}

/// Objects with keypoints in every sample but the last, some of them reaching to the border.
fn annotated(batch: &mut Batch) -> ObjectPlan {
    let [_, height, width] = batch.extent(0);
    let [h, w] = [height, width].map(|side| side as f64);
    let object = |row: usize, number: usize| {
        let share = |step: usize| ((row * 5 + number * 3 + step * 7) % 11) as f64 / 11.0;
        let (left, top) = (share(0) * 0.8 * w, share(1) * 0.8 * h);
        let bounds = [left, top, left + (0.1 + share(2)) * (w - left) * 0.9, top + (0.1 + share(3)) * (h - top) * 0.9];
        let mut object = Object::new(number % 3, (batch.index[row], number as u64), bounds, [height, width]);
        let at = [[left, top], [bounds[2], bounds[3]], [0.5 * (left + bounds[2]), top]];
        object.keypoints = at.into_iter().map(|at| Keypoint { at, visibility: 2 }).collect();
        object
    };
    let samples =
        (0..batch.len()).map(|row| (0..(row + 3) % (batch.len() + 2) % 4).map(|number| object(row, number)).collect());
    let flip_pairs = vec![[0, 1]];
    batch.objects = Some(Objects { samples: samples.collect(), flip_pairs: flip_pairs.clone() });
    let rules = ObjectRules { min_side: 0.7, min_visibility: 0.13, ..ObjectRules::default() };
    ObjectPlan { rules, keypoints: 3, flip_pairs }
}

/// What a file makes of the samples in another way than its plan natively.
fn differences(plan: &Plan, file: &Model, samples: &Batch, backend: &Backend) -> Vec<String> {
    let compared = Verifier::bind(plan, file, None, &*backend.runtime, backend.purpose).and_then(|mut verifier| {
        verifier.compare(samples.clone())?;
        Ok(verifier.findings().to_vec())
    });
    let said = |what: String| format!("{what} on {}\n{}", backend.name, plan.text);
    match compared {
        Err(error) => vec![said(error.to_string())],
        Ok(findings) => {
            let broken = findings.into_iter().filter(|finding| !finding.holds);
            broken.map(|finding| said(format!("{finding:?}"))).collect()
        }
    }
}

/// Quotients of whole numbers and shares of 1, which engines compute by way of reciprocals, and objects that are turned after they were lost.
const TELLTALES: [(&str, [usize; 2]); 5] = [
    ("  - mosaic: { form: resize, mode: elem }\n", [98, 98]),
    ("  - gridmix: { mode: elem, grid: [2, 7] }\n", [49, 98]),
    ("  - resize: { size: [17, 49], interpolation: nearest }\n  - cutmix\n", [49, 7]),
    ("  - random_crop: { size: 9 }\n  - affine: { degrees: 45 }\n  - mixup\n", [21, 21]),
    ("  - pad: { padding: 30, mode: symmetric }\n  - smoothmix\n", [7, 49]),
];

#[test]
fn exact_quotients_and_lost_objects_are_the_same_in_every_engine() {
    let mut wrong = Vec::new();
    for (steps, [height, width]) in TELLTALES {
        let layout = Layout::Dense { height, width };
        let input = Shape { layout, channels: 3, element: Element::F32, classes: 3, image_size: None };
        let facts = Facts { classes: 3, input: Some(input.clone()), ..Facts::default() };
        let mut plan = augraft_tests::plan_of(&format!("augraft: 1\nseed: 3\nsteps:\n{steps}"), &facts);
        let mut samples = batch(&input, SAMPLES);
        masked(&mut samples);
        plan.masks = Some(MASK_CLASSES);
        plan.objects = Some(annotated(&mut samples));
        let options = ExportOptions { baked: samples.index.clone(), ..ExportOptions::default() };
        let file = export(&plan, &options).expect("a file");
        wrong.extend(backends().iter().flat_map(|backend| differences(&plan, &file, &samples, backend)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exported_chains_are_what_runs_natively() {
    let backends = backends();
    let (mut ran, mut wrong) = (0, Vec::new());
    let exports = |plan: &Plan| plan.steps.iter().all(|step| !matches!(step.operator.parity(), Parity::NativeOnly(_)));
    for (chain, mut plan, input) in chains(false, exports) {
        let mut samples = batch(&input, SAMPLES);
        if chain % 2 == 0 {
            masked(&mut samples);
            plan.masks = Some(MASK_CLASSES);
        }
        if chain % 3 != 0 {
            let objects = annotated(&mut samples);
            let rules = ObjectRules { ignore: chain % 4 < 2, ..objects.rules };
            plan.objects = Some(ObjectPlan { rules, ..objects });
        }
        let draws = [DrawSource::Graph, DrawSource::Inputs, DrawSource::Baked][chain as usize % 3];
        let options = ExportOptions { draws, baked: samples.index.clone(), ..ExportOptions::default() };
        let file = match export(&plan, &options) {
            Ok(file) => file,
            // What a file cannot hold is refused by name.
            Err(error) if error.to_string().contains("at most 32 sources") => continue,
            Err(error) => {
                wrong.push(format!("chain {chain}: {error}\n{}", plan.text));
                continue;
            }
        };
        ran += 1;
        let backend = &backends[chain as usize / 2 % backends.len()];
        let found = differences(&plan, &file, &samples, backend);
        wrong.extend(found.into_iter().map(|found| format!("chain {chain}, draws {}: {found}", draws.name())));
    }
    eprintln!("{ran} chains");
    assert!(wrong.is_empty(), "{} faults in {ran} chains:\n{}", wrong.len(), wrong.join("\n"));
}

/// The labels of one sample of a batch of basis colors after steps.
fn labeled(steps: &str, size: [usize; 2]) -> (Array2<f32>, Vec<Option<[f64; 3]>>) {
    let input = Shape {
        layout: Layout::Dense { height: size[0], width: size[1] },
        channels: 3,
        element: Element::U8,
        classes: 3,
        image_size: None,
    };
    let facts = Facts { classes: 3, input: Some(input.clone()), ..Facts::default() };
    let plan = augraft_tests::plan_of(&format!("augraft: 1\nseed: 3\nsteps:\n  - normalize: unit\n{steps}"), &facts);
    let mut batch = colored(&input);
    run_steps(&plan.steps, 0, &mut batch, None, &mut Scratch::default()).expect("a run");
    (batch.labels.soft(), shares(&batch))
}

#[test]
fn every_pair_of_mixing_steps_with_a_turn_between_keeps_labels() {
    let registry = Registry::linked();
    let mixing: Vec<&str> = registry
        .iter()
        .filter(|entry| entry.effects().mixes && entry.effects().values == Values::Kept)
        .map(|entry| entry.name)
        .collect();
    assert!(mixing.len() >= 9, "{mixing:?}");
    let turns = [
        "rot90: {}",
        "transpose: { p: 0.5 }",
        "views: { count: 2 }",
        "horizontal_flip: {}",
        "label_smoothing: { smoothing: 0.0 }",
    ];
    let mut wrong = Vec::new();
    for (at, first) in mixing.iter().enumerate() {
        for (to, second) in mixing.iter().enumerate() {
            let turn = turns[(at + to) % turns.len()];
            let p = |name: &str| if name == "patchup" { "p: 1, block_size: 3, per_channel: false" } else { "p: 1" };
            let steps = format!("  - {first}: {{ {} }}\n  - {turn}\n  - {second}: {{ {} }}\n", p(first), p(second));
            let (soft, shares) = labeled(&steps, [16, 16]);
            for (row, share) in shares.into_iter().enumerate() {
                let share = share.expect("visible pixels");
                let far = (0..3).map(|class| (share[class] - f64::from(soft[[row, class]])).abs()).fold(0.0, f64::max);
                if far > 5e-5 {
                    wrong.push(format!("{first}, {turn}, {second}: sample {row} by {far}"));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} pairs:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn halves_and_partners_from_the_data_set_keep_labels() {
    for steps in [
        "  - cutmix: { mode: half, partner: flip }\n  - horizontal_flip: { p: 0.5 }\n  - gridmix: {}\n",
        "  - cutmix: { partner: dataset }\n  - rot90\n  - resizemix: {}\n",
        "  - mixup: { mode: half, partner: flip }\n  - cutmix: {}\n  - center_crop: { size: 8 }\n  - mixup: {}\n",
        "  - repeat: { count: 16, steps: [cutmix: {}] }\n",
        "  - repeat: { count: 5, steps: [mosaic: {}] }\n",
    ] {
        let (soft, shares) = labeled(steps, [16, 16]);
        for (row, share) in shares.into_iter().enumerate() {
            let share = share.expect("visible pixels");
            assert!(
                (0..3).all(|class| (share[class] - f64::from(soft[[row, class]])).abs() < 1e-5),
                "{steps}: {share:?} {}",
                soft.row(row)
            );
        }
    }
}
