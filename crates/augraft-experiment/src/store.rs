//! Where a run that is not complete keeps its chunks.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::ExperimentError;
use crate::table::{Chunk, write_whole};

/// The folder beside the output that holds the chunks of a run until it is complete.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// Where the chunks of a run that is to become `out` lie: `out` with `.partial` behind its name.
    #[must_use]
    pub(crate) fn folder_of(out: &Path) -> PathBuf {
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        out.with_file_name(name)
    }

    /// Opens the folder of a run that is described by `plan`; with `resume`, chunks of the same run that are there are kept.
    ///
    /// # Errors
    /// When there is a run of another plan to resume, or the disk refuses.
    pub(crate) fn open(out: &Path, plan: &Value, resume: bool) -> Result<Self, ExperimentError> {
        let folder = Self::folder_of(out);
        let described = folder.join("plan.json");
        let text = serde_json::to_string_pretty(plan).unwrap_or_default();
        if resume && described.is_file() {
            let earlier = fs::read_to_string(&described)
                .map_err(|error| ExperimentError::file("cannot read", &described, error))?;
            if earlier != text {
                return Err(ExperimentError::Unfit(format!(
                    "`{}` holds a run of something else ({}); leave --resume out to begin anew, or name another --out",
                    folder.display(),
                    difference(&earlier, &text)
                )));
            }
            return Ok(Self { folder });
        }
        if folder.exists() {
            if !described.is_file() && fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
                return Err(ExperimentError::Unfit(format!(
                    "`{}` is in the way and holds no unfinished run; move it, or name another --out",
                    folder.display()
                )));
            }
            fs::remove_dir_all(&folder).map_err(|error| ExperimentError::file("cannot remove", &folder, error))?;
        }
        let chunks = folder.join("chunks");
        fs::create_dir_all(&chunks).map_err(|error| ExperimentError::file("cannot make", &chunks, error))?;
        write_whole(&described, text.as_bytes())?;
        Ok(Self { folder })
    }

    fn path(&self, set: usize, number: usize) -> PathBuf {
        self.folder.join("chunks").join(format!("{set:03}-{number:06}.npz"))
    }

    /// Whether a chunk is complete.
    #[must_use]
    pub(crate) fn has(&self, set: usize, number: usize) -> bool {
        self.path(set, number).is_file()
    }

    /// Keeps a chunk.
    ///
    /// # Errors
    /// When the disk refuses; what is there stays, and the run can be resumed.
    pub(crate) fn put(&self, set: usize, number: usize, chunk: &Chunk) -> Result<(), ExperimentError> {
        chunk.write(&self.path(set, number))
    }

    /// Reads a chunk back.
    ///
    /// # Errors
    /// When it is not there or broken.
    pub(crate) fn get(&self, set: usize, number: usize) -> Result<Chunk, ExperimentError> {
        Chunk::read(&self.path(set, number))
    }

    /// Removes the folder of a run that got nowhere.
    pub(crate) fn remove_if_empty(&self) {
        if fs::read_dir(self.folder.join("chunks")).is_ok_and(|mut entries| entries.next().is_none()) {
            // Nothing is lost when it stays.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// Removes the folder, when the output is complete.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn remove(self) -> Result<(), ExperimentError> {
        fs::remove_dir_all(&self.folder).map_err(|error| ExperimentError::file("cannot remove", &self.folder, error))
    }
}

/// The first line in which two descriptions differ.
fn difference(earlier: &str, now: &str) -> String {
    let lines = earlier.lines().zip(now.lines()).find(|(a, b)| a != b);
    lines.map_or_else(
        || "its description has another length".to_owned(),
        |(a, b)| format!("{} there, {} now", a.trim().trim_end_matches(','), b.trim().trim_end_matches(',')),
    )
}
