//! What an exported or grafted file says of itself in its metadata.

use augraft_onnx::Model;

use crate::emit::DrawSource;
use crate::error::EngineError;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Whether it is a model with steps inside, not the steps alone.
    pub grafted: bool,
    /// Where its draws come from.
    pub draws: DrawSource,
    /// Ids of the steps that come before it.
    pub before: Vec<String>,
    /// The samples whose draws are constant.
    pub baked: Vec<u64>,
}

impl FileFacts {
    /// Reads the metadata that `export` and `graft` write.
    ///
    /// # Errors
    /// When the file was written by something else.
    pub fn of(model: &Model) -> Result<Self, EngineError> {
        let entries = &model.proto().metadata_props;
        let find = |key: &str| entries.iter().find(|entry| entry.key() == key).map(|entry| entry.value().to_owned());
        let list = |text: String| text.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let foreign = || {
            EngineError::Unfit(
                "it was not written by `augraft export` or `augraft graft`, which say in the metadata what is inside"
                    .to_owned(),
            )
        };
        let draws = find("augraft_draws").and_then(|text| text.parse().ok()).ok_or_else(foreign)?;
        let before = list(find("augraft_steps_before").ok_or_else(foreign)?);
        let baked =
            list(find("augraft_index").unwrap_or_default()).iter().filter_map(|text| text.parse().ok()).collect();
        Ok(Self { grafted: find("augraft_kind").as_deref() == Some("graft"), draws, before, baked })
    }
}
