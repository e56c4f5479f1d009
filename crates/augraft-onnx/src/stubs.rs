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
#[allow(missing_docs)]
pub fn raise_opset(model: &Model, _: i64) -> Result<Model, Error> {
    Ok(model.clone())
}
