//! Steps on the host: draw, then apply in place.

use augraft_onnx::Tensor;
use augraft_operator::{Batch, Column, Draws, Images, Meaning, Rows, Scratch};
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
    /// What its columns mean.
    pub columns: &'static [Column],
    /// Its draws.
    pub draws: Draws,
}

impl StepDraws {
    /// The first column that means this.
    #[must_use]
    pub fn meaning(&self, meaning: Meaning) -> Option<&Tensor> {
        let column = self.columns.iter().find(|column| column.meaning == meaning)?;
        self.draws.column(column.name)
    }
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
        let grafts = step.effects.grafts();
        if let Some(clean) = clean.as_deref_mut() {
            match clean {
                None if grafts => *clean = Some(copy(batch, scratch)),
                Some(clean) if !grafts => apply(step, &draws, clean, scratch)?,
                _ => {}
            }
        }
        apply(step, &draws, batch, scratch)?;
        if step.operator.rows() != Rows::Same {
            let rows = step.operator.rows().of(before);
            for earlier in &mut drawn {
                earlier.draws.select(&rows);
            }
            if let (Some(Some(clean)), true) = (clean.as_deref_mut(), grafts) {
                clean.select(&rows);
            }
        }
        drawn.push(StepDraws { step: step.id.clone(), site: None, columns: step.operator.columns(), draws });
    }
    if let Some(clean @ None) = clean {
        *clean = Some(copy(batch, scratch));
    }
    Ok(drawn)
}

fn apply(step: &Step, draws: &Draws, batch: &mut Batch, scratch: &mut Scratch) -> Result<(), EngineError> {
    // As in a file: what never acts leaves masks of class ids as they are.
    if step.idle {
        return Ok(());
    }
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
    Batch {
        images,
        labels,
        masks: batch.masks.clone(),
        objects: batch.objects.clone(),
        index,
        transfer,
        image_size: batch.image_size,
    }
}

fn copied<T: augraft_operator::Pooled>(images: &Array4<T>, scratch: &mut Scratch) -> Array4<T> {
    let mut copy = scratch.take_dense(images.dim().into());
    copy.assign(images);
    copy
}
