//! Random chains of steps: labels against pixels, and exported files against native runs.
//!
//! Two correct steps behind each other are where faults sat, so chains are drawn over all operators. `AUGRAFT_CHAINS` is their number; a failure
//! prints the pipeline and the number of the chain, which `AUGRAFT_CHAIN` runs alone; with both, chains are counted from there.

use std::collections::BTreeSet;

use augraft::engine::{DrawSource, ExportOptions, Verifier, export, run_steps};
use augraft::onnx::Model;
use augraft::operator::{
    Batch, Element, Images, Keypoint, Labels, Layout, Masks, Object, ObjectRules, Objects, OnDrop, Parity, Registry,
    Scratch, Shape, Values, philox4x32,
};
use augraft::pipeline::{Facts, ObjectPlan, Overrides, Plan, Step, plan};
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
fn chains(plain: bool, fits: impl Fn(&Plan, &Shape) -> bool) -> impl Iterator<Item = (u32, Plan, Shape)> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().expect("a number"));
    let (numbers, most) = match (number("AUGRAFT_CHAIN"), number("AUGRAFT_CHAINS")) {
        (Some(one), None) => (one..one + 1, 1),
        (first, most) => (first.unwrap_or(0)..u32::MAX, most.unwrap_or(CHAINS)),
    };
    let planned = move |chain| planned(chain, plain).map(|(plan, input)| (chain, plan, input));
    numbers.filter_map(planned).filter(move |(_, plan, input)| fits(plan, input)).take(most as usize)
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
            // Of what is shrunk to a few pixels, a row and a column are most.
            if let ("affine", Some(scale)) = (entry.name, fields.get_mut("scale")) {
                *scale = json!([0.4, 1.6]);
            }
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
        !plain || (effects.values == Values::Kept && !effects.opaque && (effects.mixes || !effects.labels))
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
    let images = Images::U8(Array4::from_shape_fn([SAMPLES, 3, height, width], color));
    Batch::new(images, Labels::one_hot(&classes, 3, &index), index)
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

/// How far the label of a chain may be from the pixels: a row and a column of the smallest grid where a step has resampled what was mixed.
fn tolerance(plan: &Plan) -> f64 {
    let first = plan.steps.iter().position(|step| step.effects.mixes).unwrap_or(plan.steps.len());
    let within = |step: &Step| matches!(step.operator.parity(), Parity::Within(_));
    let after = &plan.steps[first..];
    let resampled = after.iter().filter(|step| step.effects.moves && within(step)).count();
    // What is pasted in another size is made up of pixels that show two samples.
    let resized = after.iter().skip(1).filter(|step| step.operator.config()["form"] == "mmpretrain").count();
    let grids = after.iter().filter_map(|step| step.after.size());
    let row_and_column = |[height, width]: [usize; 2]| (height + width) as f64 / (height * width) as f64;
    let most = grids.map(row_and_column).fold(0.0, f64::max);
    let soft = after.iter().any(|step| step.effects.mixes && within(step));
    (resampled + resized) as f64 * most + if soft { 5e-5 } else { 1e-5 }
}

/// Whether samples fill their images until a step cuts them: what is filled in before counts as the sample itself, and has no color.
fn are_full_until_cut(plan: &Plan, input: &Shape) -> bool {
    // A step that never acts cuts nothing.
    let cuts = |step: &Step| step.effects.mixes && !step.effects.blends && !step.idle;
    let Some(last) = plan.steps.iter().rposition(|step| step.effects.mixes) else { return false };
    let first = plan.steps.iter().position(cuts).unwrap_or(last).min(last);
    let mut white = colored(input);
    if let Images::U8(images) = &mut white.images {
        images.fill(255);
    }
    run_steps(&plan.steps[..first], plan.epoch, &mut white, None, &mut Scratch::default()).expect("a run");
    matches!(&white.images, Images::F32(images) if images.iter().all(|value| *value > 0.999))
}

/// How far the label of a sample is from a share.
fn distance(soft: &Array2<f32>, row: usize, share: [f64; 3]) -> f64 {
    (0..3).map(|class| (share[class] - f64::from(soft[[row, class]])).abs()).fold(0.0, f64::max)
}

#[test]
fn labels_are_the_shares_of_the_visible_pixels() {
    let (mut ran, mut samples, mut mixed, mut wrong) = (0, 0, 0, Vec::new());
    for (chain, plan, input) in chains(true, are_full_until_cut) {
        let mut batch = colored(&input);
        run_steps(&plan.steps, plan.epoch, &mut batch, None, &mut Scratch::default()).expect("a run");
        let (soft, allowed) = (batch.labels.soft(), tolerance(&plan));
        ran += 1;
        for (row, share) in shares(&batch).into_iter().enumerate() {
            let Some(share) = share else { continue };
            samples += 1;
            mixed += usize::from(share.iter().all(|weight| *weight < 0.99));
            let far = distance(&soft, row, share);
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
    eprintln!("{ran} chains, {samples} samples, {mixed} of them mixed");
    assert!(wrong.is_empty(), "{} of {ran} chains:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran == 1 || 3 * mixed > samples, "{mixed} of {samples} samples are mixed");
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
const TELLTALES: [(&str, [usize; 2]); 11] = [
    ("  - mosaic: { form: resize, mode: elem }\n", [98, 98]),
    ("  - gridmix: { mode: elem, grid: [2, 7] }\n", [49, 98]),
    ("  - gridmix: { grid: [1, 1], alpha: 668, p: 0.7, partner: flip }\n", [49, 49]),
    ("  - resize: { size: [17, 49], interpolation: nearest }\n  - cutmix\n", [49, 7]),
    ("  - random_crop: { size: 9 }\n  - affine: { degrees: 45 }\n  - mixup\n", [21, 21]),
    ("  - pad: { padding: 30, mode: symmetric }\n  - smoothmix\n", [7, 49]),
    ("  - cutmix: { mode: elem }\n  - center_crop: { size: 8 }\n  - pad: { padding: 5 }\n", [16, 16]),
    (
        "  - cutmix: { mode: elem }\n  - random_crop: { size: 8 }\n  - pad: { padding: 5 }\n  - horizontal_flip\n  - gridmix\n",
        [16, 12],
    ),
    ("  - gridmix: { mode: elem, grid: [2, 6] }\n  - resizemix: { mode: elem }\n", [22, 11]),
    (
        "  - repeat: { count: 3, steps: [cutmix: { mode: elem }] }\n  - resizemix: { mode: elem, form: mmpretrain }\n",
        [15, 12],
    ),
    ("  - repeat: { count: 2, steps: [mosaic: { mode: elem }] }\n  - resizemix: { mode: elem }\n", [20, 17]),
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
    let exports =
        |plan: &Plan, _: &Shape| plan.steps.iter().all(|step| !matches!(step.operator.parity(), Parity::NativeOnly(_)));
    let mut kinds = BTreeSet::new();
    for (chain, mut plan, input) in chains(false, exports) {
        let mut numbers = Numbers { chain, at: 1000 };
        let mut samples = batch(&input, SAMPLES);
        if numbers.below(2) == 0 {
            masked(&mut samples);
            plan.masks = Some(MASK_CLASSES);
        }
        if numbers.below(3) > 0 {
            let objects = annotated(&mut samples);
            let on_drop = *numbers.of(&[OnDrop::Remove, OnDrop::Ignore]);
            plan.objects = Some(ObjectPlan { rules: ObjectRules { on_drop, ..objects.rules }, ..objects });
        }
        let draws = *numbers.of(&[DrawSource::Graph, DrawSource::Inputs, DrawSource::Baked]);
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
        kinds.insert((draws.name(), plan.objects.is_some()));
        let backend = numbers.of(&backends);
        let found = differences(&plan, &file, &samples, backend);
        wrong.extend(found.into_iter().map(|found| format!("chain {chain}, draws {}: {found}", draws.name())));
    }
    eprintln!("{ran} chains");
    assert!(ran == 1 || kinds.len() == 6, "{kinds:?}");
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
        "label_smoothing: { smoothing: 0.3 }",
    ];
    let mut wrong = Vec::new();
    for (at, first) in mixing.iter().enumerate() {
        for (to, second) in mixing.iter().enumerate() {
            let turn = turns[(at + to) % turns.len()];
            let p = |name: &str| if name == "patchup" { "p: 1, block_size: 3, per_channel: false" } else { "p: 1" };
            let steps = format!("  - {first}: {{ {} }}\n  - {turn}\n  - {second}: {{ {} }}\n", p(first), p(second));
            let within = |name: &str| {
                matches!(registry.get(name).expect("an operator").default_operator().parity(), Parity::Within(_))
            };
            let allowed = if within(first) || within(second) { 5e-5 } else { 1e-5 };
            let smoothing = if turn.starts_with("label") { 0.3 } else { 0.0 };
            let (soft, shares) = labeled(&steps, [16, 16]);
            for (row, share) in shares.into_iter().enumerate() {
                let share = share.expect("visible pixels").map(|weight| weight * (1.0 - smoothing) + smoothing / 3.0);
                let far = distance(&soft, row, share);
                if far > allowed {
                    wrong.push(format!("{first}, {turn}, {second}: sample {row} by {far}"));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} pairs:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_cut_or_resampled_between_two_pastes_keeps_labels() {
    let row_and_column = 192.0 / 9216.0;
    for (step, allowed) in [
        ("center_crop: { size: 96 }", 1e-5),
        ("random_crop: { size: 96, padding: 9 }", 1e-5),
        ("pad: { padding: [3, 5] }", 1e-5),
        ("affine: { interpolation: nearest }", 1e-5),
        ("affine: { interpolation: bilinear }", row_and_column),
        ("resize: { size: 96 }", row_and_column),
        ("resized_crop: { size: 96, scale: [0.4, 0.9] }", row_and_column),
    ] {
        let steps = format!("  - cutmix: {{ mode: elem }}\n  - {step}\n  - gridmix: {{ mode: elem, grid: [2, 4] }}\n");
        let (soft, shares) = labeled(&steps, [104, 110]);
        let mut mixed = 0;
        for (row, share) in shares.into_iter().enumerate() {
            let share = share.expect("visible pixels");
            mixed += usize::from(share.iter().filter(|weight| **weight > 0.01).count() > 1);
            let far = distance(&soft, row, share);
            assert!(far <= allowed, "{step}: sample {row} by {far}, allowed is {allowed}");
        }
        assert!(mixed >= 3, "{step}: {mixed} samples are mixed");
    }
}

#[test]
fn a_choice_between_two_kinds_of_mixing_keeps_labels() {
    for mode in ["batch", "elem"] {
        let choice = format!("  - one_of: {{ mode: {mode}, steps: [cutmix: {{}}, mixup: {{}}] }}\n");
        let (soft, shares) = labeled(&format!("{choice}  - rot90\n  - gridmix: {{}}\n{choice}"), [16, 16]);
        for (row, share) in shares.into_iter().enumerate() {
            let far = distance(&soft, row, share.expect("visible pixels"));
            assert!(far <= 1e-5, "{mode}: sample {row} by {far}");
        }
    }
}

#[test]
fn a_sample_with_a_label_of_another_rule_is_one_source_behind_it() {
    let black = [None, Some(1.0), Some(0.5)];
    for (rule, own) in [
        "lam: nominal, lam_dist: { fixed: 0.8 }",
        "label: one_hot, lam_dist: { fixed: 0.8 }",
        "label: complete, lam_dist: { fixed: 0.8 }",
    ]
    .into_iter()
    .zip(black)
    {
        let first = format!("  - cutmix: {{ mode: elem, partner: roll, {rule} }}\n");
        let (before, _) = labeled(&first, [16, 16]);
        for row in before.outer_iter() {
            let own = own.unwrap_or(0.8);
            let mut sorted: Vec<f32> = row.iter().copied().collect();
            sorted.sort_by(f32::total_cmp);
            assert!((sorted[2] - own).abs() < 1e-6, "{rule}: {row}");
        }
        // The second step pastes a quarter of the sample before, or a half of each is blended: labels follow in these shares, whatever the pixels show.
        let (after, _) = labeled(
            &format!(
                "{first}  - horizontal_flip\n  - mixup: {{ mode: elem, partner: roll, lam_dist: {{ fixed: 0.75 }} }}\n"
            ),
            [16, 16],
        );
        let n = before.nrows();
        for row in 0..n {
            let share = [0, 1, 2].map(|class| {
                0.75 * f64::from(before[[row, class]]) + 0.25 * f64::from(before[[(row + n - 1) % n, class]])
            });
            let far = distance(&after, row, share);
            assert!(far <= 1e-5, "{rule}: sample {row} by {far}");
        }
    }
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
            let far = distance(&soft, row, share.expect("visible pixels"));
            assert!(far < 1e-5, "{steps}: sample {row} by {far}");
        }
    }
}
