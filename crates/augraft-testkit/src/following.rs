//! Masks and objects in the ONNX form of an operator, against its native form on the same draws.

use augraft_engine::{Backend, EngineError, ObjectArrays, largest_difference, object_difference};
use augraft_onnx::Tensor;
use augraft_operator::{AnyOperator, Images, Masks, ObjectRules, Parity, Scratch, Shape, StepKey};

use crate::fixtures::batch;
use crate::followers::{Content, Followers, POINTS, SAMPLES, objects_of, planned};
use crate::lowering::{images_of, is_lowered, lowered_with};

/// Largest difference of the edges of boxes, relative to the longer side of the images: they are computed in f64 and rounded to f32.
const ROUNDING: f32 = 1e-5;

/// Runs masks of class ids, masks of shares, and objects natively and through the lowered form, and says how they differ.
#[must_use]
pub fn compare_followers(operator: &dyn AnyOperator, shape: &Shape, backend: &Backend) -> Vec<String> {
    if !is_lowered(operator, shape) {
        return Vec::new();
    }
    let effects = operator.effects(shape);
    let masks = |content| effects.masks.then_some(content);
    let both = Followers { masks: masks(Content::Ids), objects: effects.objects };
    let all = [both, Followers { masks: masks(Content::Shares), objects: false }];
    let some = all.into_iter().filter(|followers| followers.masks.is_some() || followers.objects);
    let problem = |text: String| format!("{} {} on {}: {text}", operator.config(), shape.describe(), backend.name);
    some.filter_map(|followers| compare(operator, shape, backend, followers).err().map(problem)).collect()
}

fn compare(operator: &dyn AnyOperator, shape: &Shape, backend: &Backend, followers: Followers) -> Result<(), String> {
    let mut batch = batch(shape, SAMPLES);
    batch.masks = followers.masks.map(|content| content.of(&batch));
    batch.objects = followers.objects.then(|| objects_of(&batch));
    let draws = operator.draw(&StepKey::new(9, "masks"), 1, &batch);
    let model = match lowered_with(operator, shape, 18, followers) {
        // An operator may need to know the size, but then it says so.
        Err(EngineError::Step { message, .. }) if shape.dense().is_err_and(|issue| issue.message == message) => {
            return Ok(());
        }
        model => model.map_err(|error| error.to_string())?,
    };
    let session = backend.runtime.session(&model, backend.purpose).map_err(|error| error.to_string())?;
    let mut inputs = vec![
        ("images".to_owned(), images_of(&batch)),
        ("labels".to_owned(), Tensor::F32(batch.labels.soft().into_dyn())),
    ];
    inputs.extend(batch.masks.iter().map(|masks| ("masks".to_owned(), mask_tensor(masks))));
    if let Some(objects) = &batch.objects {
        let arrays = ObjectArrays::of(&objects.seen(&ObjectRules::default()), POINTS).inputs();
        inputs.extend(arrays.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)));
    }
    inputs.extend(draws.columns.clone());
    let wanted: Vec<String> = model.inputs().into_iter().map(|port| port.name).collect();
    let given = inputs.iter().filter(|(name, _)| wanted.contains(name)).map(|(name, tensor)| (name.as_str(), tensor));
    let outputs = session.run(&given.collect::<Vec<_>>()).map_err(|error| format!("{followers:?}: {error}"))?;
    let names = model.outputs().into_iter().map(|port| port.name);
    let found: Vec<(String, Tensor)> = names.zip(outputs).collect();
    let named = |name: &str| found.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.clone());
    operator.apply(&draws, &mut batch, &mut Scratch::default()).map_err(|issue| issue.message)?;
    if followers.masks.is_some() {
        let native = mask_tensor(batch.masks.as_ref().ok_or("the masks are gone")?);
        let made = named("masks_out").ok_or("gives no masks")?;
        // Class ids are never between two; shares are sums of rounded weights.
        let allowed = match (&native, operator.parity()) {
            (Tensor::F32(_), Parity::Within(error)) => error.max(1e-6),
            (Tensor::F32(_), _) => 1e-6,
            _ => 0.0,
        };
        let largest = largest_difference(&native, &made);
        if largest > allowed || largest.is_nan() {
            return Err(format!("{followers:?}: masks differ by {largest:e}, allowed is {allowed:e}"));
        }
    }
    if let Some(objects) = &batch.objects {
        let planned = planned();
        let seen = objects.seen(&planned.rules);
        let largest = object_difference(&seen, &planned, named).ok_or("gives no objects")?;
        let side = (0..batch.len()).map(|row| batch.extent(row)[1].max(batch.extent(row)[2])).max().unwrap_or(1);
        let allowed = ROUNDING * side as f32;
        if largest > allowed {
            return Err(format!("objects differ by {largest:e}, allowed is {allowed:e}"));
        }
    }
    Ok(())
}

fn mask_tensor(masks: &Masks) -> Tensor {
    match &masks.images {
        Images::U8(ids) => Tensor::U8(ids.clone().into_dyn()),
        Images::F32(shares) => Tensor::F32(shares.clone().into_dyn()),
        Images::Ragged(_) => Tensor::vector(Vec::<u8>::new()),
    }
}

#[cfg(test)]
mod tests;
