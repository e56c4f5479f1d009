//! What an operator states of itself, against what it does natively: the targets follow the statements, not the pixels.

use std::collections::BTreeSet;

use augraft_operator::{AnyOperator, Batch, Draws, Images, Object, ObjectRules, Objects, Rows, Scratch, Values};

/// Checks that values that are said to be kept are kept, and that what is said to be erased is what changes.
pub(crate) fn check_statements(operator: &dyn AnyOperator, before: &Batch, draws: &Draws) -> Result<(), String> {
    let effects = operator.effects(&before.shape());
    if effects.values == Values::Kept && operator.touches(draws, before) {
        // `change` is not even called there, so that the step would do nothing.
        return Err("it states `Values::Kept` and has code that changes values".to_owned());
    }
    let erases = effects.values == Values::Erased && effects.objects && !effects.moves && !effects.mixes;
    if erases && operator.rows() == Rows::Same { check_erased(operator, before, draws) } else { Ok(()) }
}

/// Bytes and floats of images whose every change shows.
const PLAIN: (u8, f32) = (201, 0.371);

/// Checks that an object of one pixel is gone where a pixel has changed, and only there.
fn check_erased(operator: &dyn AnyOperator, before: &Batch, draws: &Draws) -> Result<(), String> {
    let mut batch = before.clone();
    match &mut batch.images {
        Images::Ragged(images) => images.iter_mut().for_each(|image| image.fill(PLAIN.0)),
        Images::U8(images) => images.fill(PLAIN.0),
        Images::F32(images) => images.fill(PLAIN.1),
    }
    let pixels = |row: usize| -> Vec<Object> {
        let [_, height, width] = before.extent(row);
        let pixel = |place: usize| {
            let [top, left] = [(place / width) as f64, (place % width) as f64];
            let bounds = [left, top, left + 1.0, top + 1.0];
            Object::new(0, (before.index[row], place as u64), bounds, [height, width])
        };
        (0..height * width).map(pixel).collect()
    };
    batch.objects = Some(Objects { samples: (0..batch.len()).map(pixels).collect(), flip_pairs: Vec::new() });
    operator.apply(draws, &mut batch, &mut Scratch::default()).map_err(|issue| issue.message)?;
    let objects = batch.objects.as_ref().ok_or("the objects are gone")?;
    for row in 0..batch.len() {
        let [channels, height, width] = batch.extent(row);
        let left: BTreeSet<u64> =
            objects.seen_of(row, &ObjectRules::default()).iter().map(|object| object.origin.1).collect();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let changed = (0..channels).any(|channel| match &batch.images {
                Images::Ragged(images) => images[row][[y, x, channel]] != PLAIN.0,
                Images::U8(images) => images[[row, channel, y, x]] != PLAIN.0,
                Images::F32(images) => images[[row, channel, y, x]] != PLAIN.1,
            });
            let erased = !left.contains(&((y * width + x) as u64));
            if changed != erased {
                let what = if erased { "states that it erases" } else { "does not state that it erases" };
                return Err(format!("it {what} row {y}, column {x} of sample {row}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
