use crate::{Error, Model};
#[allow(missing_docs)]
pub struct FreedBatch {
    pub model: Model,
    pub changes: Vec<String>,
}
#[allow(missing_docs)]
pub fn free_batch(model: &Model) -> Result<FreedBatch, Error> {
    Ok(FreedBatch { model: model.clone(), changes: vec![] })
}
