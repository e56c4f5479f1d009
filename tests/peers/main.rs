//! Given their draws, our operators do what other libraries do; given their numbers, ours draw the same boxes.

mod boxes;
mod case;
mod scripted;

use std::collections::{BTreeMap, BTreeSet};

use augraft::operator::{AnyOperator, Batch, Entry, Registry, Scratch, StepKey};

use crate::boxes::{Compared, compare_box};
use crate::case::{Case, Vectors, all, distance, flat};

/// Operators of the vectors that are still to come.
const NOT_COVERED: &[&str] = &[
    "autocontrast",
    "brightness",
    "contrast",
    "equalize",
    "gaussian_blur",
    "hue",
    "invert",
    "posterize",
    "saturation",
    "sharpness",
    "solarize",
];

/// The names that `compat` of a mixing operator has.
const PRESETS: &[&str] = &[
    "official",
    "torchvision",
    "timm-2020",
    "timm-1.0.31",
    "kornia-0.9",
    "mmpretrain",
    "openmixup",
    "keras",
    "composer",
];

/// Draws whose numbers are none of ours, and why.
const LEFT_OUT: &[&str] = &[
    "composer cutmix (centers beyond the border, lam 0.35, center -3, 11): composer draws one center more where the side is odd",
    "keras-cv cutmix (boxes inside): its corners in halves of pixels are no rule of ours",
    "keras-cv cutmix (boxes over the border): its corners in halves of pixels are no rule of ours",
    "torchvision random_erasing (sides by area and aspect): a side of a whole and a half goes to even, and up in ours",
];

/// Draws of an operator of which some surely changes a batch.
const EPOCHS: u32 = 8;

/// Every case that has an operator of ours.
fn covered(vectors: &[Vectors]) -> impl Iterator<Item = (&Vectors, &Case, &'static Entry)> {
    let registry = Registry::linked();
    let cases = vectors.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case)));
    cases.filter_map(move |(file, case)| registry.get(&case.operator).map(|entry| (file, case, entry)))
}

#[test]
fn given_draws_change_batches_as_peers_do() {
    let vectors = all();
    let mut tally: BTreeMap<(&str, Verdict), usize> = BTreeMap::new();
    let mut broken = Vec::new();
    for (file, case, entry) in covered(&vectors) {
        match compare(case, entry) {
            Ok(verdict) => *tally.entry((entry.name, verdict)).or_default() += 1,
            Err(problem) => broken.push(format!("{} {} ({}): {problem}", file.peer, case.operator, case.what)),
        }
    }
    for ((operator, verdict), cases) in tally {
        eprintln!("{operator}: {cases} {}", verdict.text());
    }
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn only_known_operators_are_not_covered() {
    let vectors = all();
    let registry = Registry::linked();
    let cases = vectors.iter().flat_map(|file| &file.cases);
    let missing: BTreeSet<&str> =
        cases.map(|case| &*case.operator).filter(|name| registry.get(name).is_none()).collect();
    eprintln!("not covered: {}", missing.iter().copied().collect::<Vec<_>>().join(", "));
    assert_eq!(missing, NOT_COVERED.iter().copied().collect());
}

#[test]
fn numbers_of_peers_become_their_boxes() {
    let vectors = all();
    let (mut rows, mut left_out, mut broken) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (file, case, entry) in covered(&vectors).filter(|(_, case, _)| !case.drawn.is_empty()) {
        let name = format!("{} {} ({})", file.peer, case.operator, case.what);
        let operator = parse(case, entry).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        for row in 0..case.output_shape[0] {
            match compare_box(case, &*operator, row) {
                Compared::Same => *rows.entry((&*file.peer, entry.name)).or_insert(0) += 1,
                Compared::LeftOut(reason) => drop(left_out.insert(format!("{name}: {reason}"))),
                Compared::Broken(problem) => broken.push(format!("{name}, sample {row}: {problem}")),
            }
        }
    }
    for ((peer, operator), same) in &rows {
        eprintln!("{peer} {operator}: {same} draws");
    }
    for name in &left_out {
        eprintln!("not covered: {name}");
    }
    assert!(broken.is_empty(), "{} draws:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(left_out.iter().map(|name| &**name).collect::<Vec<_>>(), LEFT_OUT);
}

#[test]
fn mixing_has_a_preset_for_every_peer() {
    for name in ["cutmix", "mixup"] {
        let entry = Registry::linked().get(name).expect("an operator");
        let known: Vec<&str> = entry.presets.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(known, PRESETS, "{name}");
        let vectors = all();
        let used: BTreeSet<&str> = covered(&vectors)
            .filter(|(_, case, _)| case.operator == name)
            .filter_map(|(_, case, _)| case.config["compat"].as_str())
            .collect();
        assert_eq!(used, PRESETS.iter().copied().collect(), "{name}");
    }
}

/// How a case ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Equal,
    Within,
    Defect,
    Refused,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Verdict::Equal => "with equal pixels",
            Verdict::Within => "within the bound of the peer's arithmetic",
            Verdict::Defect => "that differ as they should",
            Verdict::Refused => "that the peer refuses and ours runs",
        }
    }
}

/// The operator of a case; what it cannot read or run is a problem.
fn parse(case: &Case, entry: &Entry) -> Result<Box<dyn AnyOperator>, String> {
    let operator = entry.parse(case.config.clone()).map_err(|error| error.to_string())?;
    operator.check(&case.batch().shape()).map_err(|issue| issue.message)?;
    Ok(operator)
}

fn compare(case: &Case, entry: &Entry) -> Result<Verdict, String> {
    let operator = parse(case, entry)?;
    let mut batch = case.batch();
    for (name, config) in &case.before {
        let step = Registry::linked().get(name).and_then(|entry| entry.parse(config.clone()).ok());
        apply_drawn(&*step.ok_or_else(|| format!("{name} cannot be read"))?, 0, &mut batch)?;
    }
    if case.raises.is_some() {
        return refused(case, &*operator, batch);
    }
    let draws = case.draws(&*operator)?;
    operator.apply(&draws, &mut batch, &mut Scratch::default()).map_err(|issue| issue.message)?;
    let (shape, pixels) = flat(&batch.images);
    if shape != case.output_shape {
        return Err(format!("{shape:?} and not {:?}", case.output_shape));
    }
    let away = distance(&pixels, &case.output);
    agrees(case, "output", away, case.output_within)?;
    if let Some(labels) = &case.labels_out {
        let ours: Vec<f32> = batch.labels.soft().iter().copied().collect();
        agrees(case, "labels_out", distance(&ours, labels), case.labels_within)?;
        if let Some(known) = &case.labels_ours {
            let away = distance(&ours, known);
            if away > case.labels_within {
                return Err(format!("labels are {away} from what ours are said to be"));
            }
        }
    }
    Ok(match (&case.defect, away == 0.0) {
        (Some(_), _) => Verdict::Defect,
        (None, true) => Verdict::Equal,
        (None, false) => Verdict::Within,
    })
}

/// Whether `field` is as near to the peer's as the case says: within the bound, or beyond it where ours must differ.
fn agrees(case: &Case, field: &str, away: f64, within: f64) -> Result<(), String> {
    let differs = case.differs.iter().any(|name| name == field);
    match (away > within, differs) {
        (true, false) => Err(format!("{field} is {away} away, and the bound is {within}")),
        (false, true) => Err(format!("{field} should differ: {}", case.defect.as_deref().unwrap_or_default())),
        _ => Ok(()),
    }
}

/// What a peer refuses, ours runs, with draws of its own.
fn refused(case: &Case, operator: &dyn AnyOperator, mut batch: Batch) -> Result<Verdict, String> {
    if case.defect.is_none() {
        return Err("it does not say why the peer refuses".to_owned());
    }
    let before = batch.images.clone();
    for epoch in 0..EPOCHS {
        apply_drawn(operator, epoch, &mut batch)?;
    }
    if batch.images == before { Err("nothing changed".to_owned()) } else { Ok(Verdict::Refused) }
}

fn apply_drawn(operator: &dyn AnyOperator, epoch: u32, batch: &mut Batch) -> Result<(), String> {
    operator.check(&batch.shape()).map_err(|issue| issue.message)?;
    let draws = operator.draw(&StepKey::new(3, operator.name()), epoch, batch);
    operator.apply(&draws, batch, &mut Scratch::default()).map_err(|issue| issue.message)
}
