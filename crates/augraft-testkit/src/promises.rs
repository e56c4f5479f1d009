//! What every operator promises natively.

use augraft_operator::{
    AnyOperator, Batch, Draws, IGNORE, Images, Layout, Masks, Object, ObjectRules, Objects, Rows, Scratch, Shape,
    StepKey,
};
use ndarray::s;

use crate::fixtures::batch;
use crate::stated::check_statements;

/// Checks the promises that need no runtime, and returns the broken ones.
#[must_use]
pub fn check_promises(operator: &dyn AnyOperator, shape: &Shape) -> Vec<String> {
    let mut broken = Vec::new();
    if operator.columns().iter().any(|column| column.name == "out") {
        broken.push("a drawn value is called `out`, which is the name of what a step leaves in a file".to_owned());
    }
    let key = StepKey::new(5, "promise");
    for n in [0, 1, 2, 7] {
        let before = batch(shape, n);
        let run = || -> Result<(), String> {
            let draws = operator.draw(&key, 2, &before);
            if draws != operator.draw(&key, 2, &before) {
                return Err("the same key gives two different draws".to_owned());
            }
            if n == 7
                && is_random(operator, &before)
                && (3..2000).all(|epoch| operator.draw(&key, epoch, &before) == draws)
            {
                return Err("every epoch gives the same draws".to_owned());
            }
            let after = applied(operator, &draws, &before)?;
            let predicted = operator.check(shape).map_err(|issue| issue.message)?;
            if n > 0 && predicted.layout != Layout::Open && after.shape() != predicted {
                return Err(format!("check predicts {}, but it is {}", predicted.describe(), after.shape().describe()));
            }
            let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
            if single.install(|| applied(operator, &draws, &before))? != after {
                return Err("one thread gives other pixels than many".to_owned());
            }
            check_masks(operator, &before, &draws)?;
            check_statements(operator, &before, &draws)?;
            let all = after.labels.sources();
            for (row, weights) in after.labels.soft().outer_iter().enumerate() {
                let sources: f32 = all[row].iter().map(|(_, weight)| weight).sum();
                // Smoothed labels of several questions do not sum to 1.
                let smoothed = operator.config()["multi_label"] == true;
                if ((weights.sum() - 1.0).abs() > 1e-5 && !smoothed) || (sources - 1.0).abs() > 1e-5 {
                    return Err(format!("the label of sample {row} weighs {}, its sources {sources}", weights.sum()));
                }
            }
            Ok(())
        };
        broken.extend(run().err().map(|problem| format!("{}, batch of {n}: {problem}", shape.describe())));
    }
    broken
}

/// Side of what is left of an image, in pixels, from which on it shows a class.
const SHOWN: f32 = 4.0;

/// Checks that masks keep the size of their images and one channel or one for each class, and show known classes wherever a sample is shown.
fn check_masks(operator: &dyn AnyOperator, before: &Batch, draws: &Draws) -> Result<(), String> {
    const CLASSES: usize = 4;
    let mut batch = before.clone();
    let ids = match &before.images {
        Images::Ragged(images) => Images::Ragged(
            images.iter().map(|image| image.slice(s![.., .., ..1]).mapv(|value| value % CLASSES as u8)).collect(),
        ),
        Images::U8(images) => Images::U8(images.slice(s![.., ..1, .., ..]).mapv(|value| value % CLASSES as u8)),
        Images::F32(images) => Images::U8(images.slice(s![.., ..1, .., ..]).mapv(|value| u8::from(value > 0.0))),
    };
    batch.masks = Some(Masks { images: ids, classes: CLASSES });
    // An object as large as its image says what is left of the image.
    let whole = |row: usize| {
        let [_, height, width] = before.extent(row);
        vec![Object::new(0, (before.index[row], 0), [0.0, 0.0, width as f64, height as f64], [height, width])]
    };
    batch.objects = Some(Objects { samples: (0..before.len()).map(whole).collect(), flip_pairs: Vec::new() });
    operator.apply(draws, &mut batch, &mut Scratch::default()).map_err(|issue| issue.message)?;
    let masks = batch.masks.as_ref().ok_or("the masks are gone")?;
    let sized = (0..batch.len()).all(|row| {
        let [_, height, width] = batch.extent(row);
        let mask = match &masks.images {
            Images::Ragged(masks) => [masks[row].dim().2, masks[row].dim().0, masks[row].dim().1],
            Images::U8(masks) => [masks.dim().1, masks.dim().2, masks.dim().3],
            Images::F32(masks) => [masks.dim().1 + 1 - CLASSES, masks.dim().2, masks.dim().3],
        };
        mask == [1, height, width]
    });
    if !sized {
        return Err("its masks have another size than its images, or other channels".to_owned());
    }
    let known = match &masks.images {
        Images::U8(ids) => ids.iter().all(|id| usize::from(*id) < CLASSES || *id == IGNORE),
        _ => true,
    };
    if !known {
        return Err("its masks have class ids that no mask had".to_owned());
    }
    let opaque = operator.effects(&before.shape()).opaque;
    let objects = batch.objects.as_ref().ok_or("the objects are gone")?;
    for row in (0..batch.len()).filter(|_| !opaque) {
        let large = |[left, top, right, bottom]: [f32; 4]| (right - left).min(bottom - top) >= SHOWN;
        let shown = objects.seen_of(row, &ObjectRules::default()).iter().any(|object| large(object.bounds));
        let classified = match &masks.images {
            Images::Ragged(masks) => masks[row].iter().any(|id| *id != IGNORE),
            Images::U8(masks) => masks.slice(s![row, .., .., ..]).iter().any(|id| *id != IGNORE),
            Images::F32(masks) => masks.slice(s![row, .., .., ..]).iter().any(|share| *share > 0.0),
        };
        if shown && !classified {
            return Err(format!("the mask of sample {row} shows no class, though the sample is shown"));
        }
    }
    Ok(())
}

/// Checks that `p: 0` changes neither pixels nor labels, for an operator that has a `p`.
#[must_use]
pub fn check_identity(operator: &dyn AnyOperator, shape: &Shape) -> Option<String> {
    let mut config = operator.config();
    *config.get_mut("p")? = 0.into();
    let never = match operator.with_config(config) {
        Ok(never) => never,
        Err(error) => return Some(format!("{}: p 0 is refused: {error}", shape.describe())),
    };
    // What is refused is no step.
    never.check(shape).ok()?;
    let before = batch(shape, 4);
    let draws = never.draw(&StepKey::new(5, "identity"), 2, &before);
    match applied(&*never, &draws, &before) {
        // A step that changes the number of samples does so whether it acts or not.
        Ok(after) if same(&after, &before) || operator.rows() != Rows::Same => None,
        Ok(_) => Some(format!("{}: p 0 is not the identity", shape.describe())),
        Err(problem) => Some(problem),
    }
}

/// Whether two batches show and weigh the same.
fn same(a: &Batch, b: &Batch) -> bool {
    a.images == b.images && a.labels == b.labels
}

fn applied(operator: &dyn AnyOperator, draws: &Draws, before: &Batch) -> Result<Batch, String> {
    let mut after = before.clone();
    operator.apply(draws, &mut after, &mut Scratch::default()).map_err(|issue| issue.message)?;
    Ok(after)
}

/// Whether the draws of some of many steps differ.
fn is_random(operator: &dyn AnyOperator, batch: &Batch) -> bool {
    let draw = |step: u64| operator.draw(&StepKey::new(step, "some step"), 2, batch);
    (1..40).any(|step| draw(step) != draw(0))
}
