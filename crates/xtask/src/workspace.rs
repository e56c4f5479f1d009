//! The workspace as the commands see it.

use std::path::PathBuf;

use anyhow::Context;
use cargo_metadata::{MetadataCommand, Package};

/// Where the workspace and its build folder lie, and which crates it has.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo cannot read the workspace")?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
            packages: metadata.packages,
        })
    }
}
