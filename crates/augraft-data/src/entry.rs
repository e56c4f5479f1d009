use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where the bytes of a sample lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    File,
    Member { shard: usize, offset: u64, size: u64 },
}

/// One sample of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    /// Classes; none without labels, several where each class is a question of its own.
    pub(crate) labels: Vec<usize>,
    pub(crate) place: Place,
}

/// Reads a range of a file through a handle of its own.
///
/// Opening anew costs microseconds beside the decoding, needs no lock, and holds no descriptor for each of what may be
/// thousands of shards.
pub(crate) fn read_at(path: &Path, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
    let read = || {
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; size as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(Error::io("read", path))
}
