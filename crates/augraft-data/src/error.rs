use std::io;
use std::path::{Path, PathBuf};

use crate::decode::DecodeError;

/// Says in one sentence what is wrong with data, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that was named is not there.
    #[error("the {what} `{}` does not exist; check the path", path.display())]
    Missing {
        /// What was expected: `folder`, `class list`.
        what: &'static str,
        /// The path as given.
        path: PathBuf,
    },
    /// A file stands where a folder is needed.
    #[error("`{}` is a file, not a folder; name the folder that holds the images, or use `shards:` for tar files", path.display())]
    NotFolder {
        /// The path as given.
        path: PathBuf,
    },
    /// A `folder:` source has images outside of class folders.
    #[error(
        "`{}` holds the image `{example}` outside of any class folder; use `flat:` for images without labels, or move it into a class folder",
        path.display()
    )]
    LooseImages {
        /// The folder.
        path: PathBuf,
        /// The first such image.
        example: String,
    },
    /// A `flat:` source has only folders.
    #[error(
        "`{}` holds only folders, such as `{example}`, and no images; use `folder:` to read one class from each",
        path.display()
    )]
    OnlyFolders {
        /// The folder.
        path: PathBuf,
        /// The first folder in it.
        example: String,
    },
    /// No image was found.
    #[error("`{}` holds no images; add files that end in .jpg, .jpeg or .png", path.display())]
    NoImages {
        /// The folder or tar file.
        path: PathBuf,
    },
    /// A glob matches nothing or is malformed.
    #[error("no file matches the pattern `{pattern}`; {help}")]
    NoMatch {
        /// The pattern as given.
        pattern: String,
        /// What to do.
        help: String,
    },
    /// A label is missing, unreadable or out of range.
    #[error("`{entry}` {problem}")]
    Label {
        /// The image, label member or class folder.
        entry: String,
        /// What is wrong with its label and what to do.
        problem: String,
    },
    /// A list of class names cannot be used.
    #[error("line {line} of the class list `{}` {problem}; write one name a line, each once", path.display())]
    ClassList {
        /// The list.
        path: PathBuf,
        /// One-based line.
        line: usize,
        /// What is wrong with the line.
        problem: String,
    },
    /// A tar file is damaged.
    #[error("the shard `{}` is damaged: {reason}; copy or build it again", path.display())]
    Shard {
        /// The tar file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A sample could not be decoded.
    #[error("the image `{path}` cannot be decoded: {source}; repair or remove it, or set `on_error: skip`")]
    Decode {
        /// The sample's key.
        path: String,
        /// Why.
        source: DecodeError,
    },
    /// The mask of an image is missing or cannot be used.
    #[error("the mask `{}` {problem}", path.display())]
    Mask {
        /// The mask.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The annotations of images are missing or cannot be used.
    #[error("{place} `{}` {problem}", path.display())]
    Annotations {
        /// Where in the file: `the annotation file`, `line 3 of the annotation file`, `annotation 17 of the annotation file`.
        place: String,
        /// The file, or the folder of them.
        path: PathBuf,
        /// What is wrong there and what to do.
        problem: String,
    },
    /// The folder for the outputs holds something else.
    #[error("the output folder `{}` exists and is not the output of an earlier run (it has no {record}); choose another `out` or empty it", path.display())]
    OutputTaken {
        /// The folder.
        path: PathBuf,
        /// The file that an earlier run would have left.
        record: &'static str,
    },
    /// An array that is not an RGB image was to be written as one.
    #[error("cannot write `{}`: an array of shape {shape:?} is not an RGB image; pass one of [height, width, 3]", path.display())]
    NotRgb {
        /// The file that was to be written.
        path: PathBuf,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}; check the path, its permissions and the free space", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// Returns a closure for `map_err` that adds what was tried and on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}
