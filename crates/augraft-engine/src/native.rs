//! Steps on the host: draw, then apply in place.

use augraft_operator::{Batch, Draws, Images, Role, Rows, Scratch};
use augraft_pipeline::Step;
use ndarray::Array4;

use crate::error::EngineError;

/// What one step decided for a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDraws {
    /// Id of the step.
    pub step: String,
    /// Tensor of the model at which it acts; none at the input.
    pub site: Option<String>,
    /// Its draws.
    pub draws: Draws,
}

/// Runs steps over a batch in order; returns their draws.
///
/// With `clean`, also keeps the batch as it would be without the steps that mix or erase: geometry and color steps act on both alike.
///
/// # Errors
/// When a step refuses its draws.
pub fn run_steps(
    steps: &[Step],
    epoch: u32,
    batch: &mut Batch,
    mut clean: Option<&mut Option<Batch>>,
    scratch: &mut Scratch,
) -> Result<Vec<StepDraws>, EngineError> {
    let mut drawn: Vec<StepDraws> = Vec::with_capacity(steps.len());
    for step in steps {
        let before = batch.len();
        let draws = step.operator.draw(&step.key, epoch, batch);
        let grafts = matches!(step.operator.role(), Role::Mix | Role::Erase);
        if let Some(clean) = clean.as_deref_mut() {
            match clean {
                None if grafts => *clean = Some(copy(batch, scratch)),
                Some(clean) if !grafts => apply(step, &draws, clean, scratch)?,
                _ => {}
            }
        }
        apply(step, &draws, batch, scratch)?;
        if step.operator.rows() != Rows::Same {
            let rows = rows_after(step.operator.rows(), before);
            for earlier in &mut drawn {
                earlier.draws.select(&rows);
            }
            if let (Some(Some(clean)), true) = (clean.as_deref_mut(), grafts) {
                clean.select(&rows);
            }
        }
        drawn.push(StepDraws { step: step.id.clone(), site: None, draws });
    }
    if let Some(clean @ None) = clean {
        *clean = Some(copy(batch, scratch));
    }
    Ok(drawn)
}

/// Which sample each one is after a step that changes how many there are, of `n` before.
fn rows_after(rows: Rows, n: usize) -> Vec<usize> {
    match rows {
        Rows::Same => (0..n).collect(),
        Rows::Views(views) => (0..n * views).map(|row| row / views).collect(),
        Rows::Half | Rows::Donors => (0..n.div_ceil(2)).collect(),
    }
}

fn apply(step: &Step, draws: &Draws, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), EngineError> {
    step.operator.apply(draws, batch, scratch).map_err(|issue| EngineError::step(&step.id, issue))
}

/// A copy of a batch whose pixels lie in a pooled buffer.
fn copy(batch: &Batch, scratch: &mut Scratch) -> Batch {
    let images = match &batch.images {
        Images::Ragged(images) => Images::Ragged(images.clone()),
        Images::U8(images) => Images::U8(copied(images, scratch)),
        Images::F32(images) => Images::F32(copied(images, scratch)),
    };
    let (labels, index, transfer) = (batch.labels.clone(), batch.index.clone(), batch.transfer.clone());
    Batch { images, labels, masks: batch.masks.clone(), index, transfer, image_size: batch.image_size }
}

fn copied<T: augraft_operator::Pooled>(images: &Array4<T>, scratch: &mut Scratch) -> Array4<T> {
    let mut copy = scratch.take_dense(images.dim().into());
    copy.assign(images);
    copy
}
