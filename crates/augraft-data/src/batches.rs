use rayon::prelude::*;

use crate::annotations::Annotation;
use crate::dataset::Dataset;
use crate::decode::Image;
use crate::error::Error;
use crate::order::Permutation;

/// Says which samples make which batch; a pure function of its fields and the number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// Samples in a batch, at least 1.
    pub batch: usize,
    /// `(seed, epoch)` of the order, or the order of the data set.
    pub shuffle: Option<(u64, u64)>,
    /// Leaves out a last batch that is not full.
    pub drop_last: bool,
    /// Uses only the first samples of the epoch's order.
    pub limit: Option<usize>,
}

impl BatchPlan {
    /// Returns the number of batches over a data set of `n` samples.
    pub fn len(&self, n: usize) -> usize {
        let (samples, batch) = (self.samples(n), self.batch.max(1));
        if self.drop_last { samples / batch } else { samples.div_ceil(batch) }
    }

    /// Says whether there is no batch at all.
    pub fn is_empty(&self, n: usize) -> bool {
        self.len(n) == 0
    }

    /// Returns the indices in the data set of the samples of batch `b`; none when there is no such batch.
    ///
    /// A sample that cannot be decoded keeps its place here, so skipping one moves no other to another batch.
    pub fn indices(&self, b: usize, n: usize) -> Vec<u64> {
        if b >= self.len(n) {
            return Vec::new();
        }
        let start = b * self.batch.max(1);
        let positions = start as u64..(start + self.batch.max(1)).min(self.samples(n)) as u64;
        match self.shuffle {
            Some((seed, epoch)) => {
                let order = Permutation::new(n as u64, seed, epoch);
                positions.map(|position| order.at(position)).collect()
            }
            None => positions.collect(),
        }
    }

    fn samples(&self, n: usize) -> usize {
        self.limit.map_or(n, |limit| limit.min(n))
    }
}

/// Says what happens when a sample cannot be read or decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Stops with the first such sample in the order of the batch.
    #[default]
    Fail,
    /// Leaves the sample out of its batch and lists it.
    Skip,
}

/// Holds the samples of a batch in the order of its indices.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Decoded pixels.
    pub images: Vec<Image>,
    /// Masks, one for each image, where the data set has them: u8, axes H, W, 1.
    pub masks: Option<Vec<Image>>,
    /// Objects of each image, where the data set has annotations.
    pub annotations: Option<Vec<Vec<Annotation>>>,
    /// Class indices of each image: none without labels, one, or several.
    pub labels: Vec<Vec<usize>>,
    /// Indices in the data set, one for each image.
    pub index: Vec<u64>,
    /// The samples that were left out.
    pub skipped: Vec<Skipped>,
}

/// Names a sample that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// Index in the data set.
    pub index: u64,
    /// The sample's key.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The pixels, mask and objects of one sample.
type Sample = (Image, Option<Image>, Option<Vec<Annotation>>);

/// Loads samples by their indices in the data set, decoding in parallel and keeping their order.
///
/// # Panics
/// If an index is not below the number of samples.
pub fn load_batch(dataset: &Dataset, indices: &[u64], on_error: OnError) -> Result<Loaded, Error> {
    let load = |&index: &u64| -> Result<Sample, Error> {
        let image = dataset.load(index as usize)?;
        let size = [image.dim().0, image.dim().1];
        let mask = dataset.has_masks().then(|| dataset.load_mask(index as usize, size)).transpose()?;
        let objects = dataset.has_annotations().then(|| dataset.annotations(index as usize, size)).transpose()?;
        Ok((image, mask, objects))
    };
    let results: Vec<_> = indices.par_iter().map(load).collect();
    let masks = dataset.has_masks().then(Vec::new);
    let annotations = dataset.has_annotations().then(Vec::new);
    let (images, labels, index, skipped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut loaded = Loaded { images, masks, annotations, labels, index, skipped };
    for (&index, result) in indices.iter().zip(results) {
        match result {
            Ok((image, mask, objects)) => {
                loaded.images.push(image);
                if let (Some(masks), Some(mask)) = (&mut loaded.masks, mask) {
                    masks.push(mask);
                }
                if let (Some(annotations), Some(objects)) = (&mut loaded.annotations, objects) {
                    annotations.push(objects);
                }
                loaded.labels.push(dataset.labels(index as usize).to_vec());
                loaded.index.push(index);
            }
            Err(error) if on_error == OnError::Fail => return Err(error),
            Err(error) => loaded.skipped.push(Skipped {
                index,
                path: dataset.key(index as usize).to_owned(),
                reason: match error {
                    Error::Decode { source, .. } => source.to_string(),
                    error => error.to_string(),
                },
            }),
        }
    }
    Ok(loaded)
}
