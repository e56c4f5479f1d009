//! Data sets in and out: opening, decoding, order, batches, and outputs that are whole or absent.
//!
//! Nothing here knows of operators. What is read depends only on the files, and which sample comes when only on
//! `(seed, epoch, number of samples)`, so any worker can compute any batch and a run resumes from one integer.

mod annotations;
mod batches;
mod classes;
mod dataset;
mod decode;
mod entry;
mod error;
mod folder;
mod mask;
mod order;
mod shards;
mod write;

pub use annotations::{Annotation, AnnotationSource};
pub use batches::{BatchPlan, Loaded, OnError, Skipped, load_batch};
pub use dataset::{Dataset, MaskFolder, Source};
pub use decode::{DecodeError, Image, Limits, decode};
pub use error::Error;
pub use mask::decode_mask;
pub use order::Permutation;
pub use write::{
    JsonLines, NpzArray, OutputFolder, atomic_write, sha256_file, write_gray, write_json, write_npz, write_png,
};
