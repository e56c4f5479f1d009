use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::decode::{Image, Limits, decode};
use crate::error::Error;
use crate::mask::decode_mask;
use crate::{folder, shards};

/// Says where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// One sub-folder for each class, with images at any depth in it.
    Folder(PathBuf),
    /// A folder of images without labels; its sub-folders are not entered.
    Flat(PathBuf),
    /// Tar files in the `WebDataset` layout, by a glob: `data/train-*.tar`.
    Shards(String),
}

/// Where the bytes of a sample lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    File,
    Member { shard: usize, offset: u64, size: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    /// Classes; none without labels, several where each class is a question of its own.
    pub(crate) labels: Vec<usize>,
    pub(crate) place: Place,
}

/// Lists the samples of a source in a fixed order and loads any of them, from any thread.
///
/// Hidden files and folders (names that begin with a dot) are ignored. Images are known by their extension, .jpg, .jpeg
/// or .png in any case, and decoded by their content.
#[derive(Clone, Debug)]
pub struct Dataset {
    classes: Vec<String>,
    entries: Vec<Entry>,
    shards: Vec<PathBuf>,
    class_list: Option<PathBuf>,
    masks: Option<PathBuf>,
    limits: Limits,
}

impl Dataset {
    /// Opens a source with the class names that it brings itself.
    ///
    /// These are the lines of a `classes.txt` in the folder or beside the first shard, else the names of the class
    /// folders sorted bytewise, or for shards the numbers from 0 to the largest label.
    pub fn open(source: &Source) -> Result<Dataset, Error> {
        Dataset::open_with_classes(source, None)
    }

    /// Opens a source with the class names of a list: one a line, a label being the zero-based line.
    ///
    /// The list may name more classes than there are folders, so that labels fit a model with more classes.
    pub fn open_with_classes(source: &Source, classes: Option<&Path>) -> Result<Dataset, Error> {
        let (home, shards) = match source {
            Source::Folder(path) | Source::Flat(path) => (path.clone(), Vec::new()),
            Source::Shards(pattern) => {
                let shards = shards::matching(pattern)?;
                (shards.first().and_then(|s| s.parent()).unwrap_or(Path::new("")).to_owned(), shards)
            }
        };
        let class_list = match classes {
            Some(list) => Some(list.to_owned()),
            None => Some(home.join("classes.txt")).filter(|list| list.is_file()),
        };
        let listed = class_list.as_deref().map(read_classes).transpose()?;
        let (entries, classes) = match source {
            Source::Folder(path) => folder::classes_and_images(path, listed)?,
            Source::Flat(path) => (folder::images(path)?, listed.unwrap_or_default()),
            Source::Shards(_) => shards::index(&shards, listed)?,
        };
        Ok(Dataset { classes, entries, shards, class_list, masks: None, limits: Limits::default() })
    }

    /// Returns the data set with other bounds on what an image's header may claim.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Dataset {
        Dataset { limits, ..self }
    }

    /// Returns the data set with masks: the one of the image `a/b.jpg` is `a/b.png` below `folder`.
    ///
    /// # Errors
    /// If there is no such folder, or the images are members of tar files.
    pub fn with_masks(self, folder: &Path) -> Result<Dataset, Error> {
        if !folder.is_dir() {
            return Err(Error::Missing { what: "folder of masks", path: folder.to_owned() });
        }
        if !self.shards.is_empty() {
            let problem = "lies in a folder, but the images are members of shards; unpack the shards".to_owned();
            return Err(Error::Mask { path: folder.to_owned(), problem });
        }
        Ok(Dataset { masks: Some(folder.to_owned()), ..self })
    }

    /// Says whether the samples have masks.
    pub fn has_masks(&self) -> bool {
        self.masks.is_some()
    }

    /// Reads and decodes the mask of sample `i`, whose image has the size `[height, width]`: u8, axes H, W, 1.
    ///
    /// # Errors
    /// If there are no masks, or this one is missing, cannot be decoded or has another size.
    pub fn load_mask(&self, i: usize, size: [usize; 2]) -> Result<Image, Error> {
        let path = self.mask_path(i).ok_or(Error::Missing { what: "folder of masks", path: PathBuf::new() })?;
        let refused = |problem: String| Error::Mask { path: path.clone(), problem };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let problem = format!("of the image `{}` does not exist; add it, or set `on_error: skip`", self.key(i));
                return Err(refused(problem));
            }
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let mask = decode_mask(&bytes, self.limits).map_err(|error| {
            refused(format!("cannot be used: {error}; write class ids as a gray or palette PNG of 8 bits"))
        })?;
        let [height, width] = [mask.dim().0, mask.dim().1];
        if [height, width] == size {
            return Ok(mask);
        }
        let [rows, columns] = size;
        Err(refused(format!("has {width} x {height} pixels, but its image {columns} x {rows}; make them one size")))
    }

    fn mask_path(&self, i: usize) -> Option<PathBuf> {
        Some(self.masks.as_ref()?.join(Path::new(self.key(i)).with_extension("png")))
    }

    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether there are no samples; an open data set has at least one.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the class names; a label is an index into them. Empty when there are neither labels nor a list.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Says whether the samples have labels: all or none have.
    pub fn has_labels(&self) -> bool {
        self.entries.first().is_some_and(|e| !e.labels.is_empty())
    }

    /// Returns the name of sample `i`: the path below the folder with `/`, or `shard.tar/KEY.jpg`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Self::len), as do [`label`](Self::label) and [`load`](Self::load).
    pub fn key(&self, i: usize) -> &str {
        &self.entries[i].key
    }

    /// Returns the first class index of sample `i`.
    pub fn label(&self, i: usize) -> Option<usize> {
        self.entries[i].labels.first().copied()
    }

    /// Returns every class index of sample `i`, which is one but for data of several labels.
    pub fn labels(&self, i: usize) -> &[usize] {
        &self.entries[i].labels
    }

    /// Reads and decodes sample `i`.
    pub fn load(&self, i: usize) -> Result<Image, Error> {
        let bytes = self.read(i)?;
        decode(&bytes, self.limits).map_err(|source| Error::Decode { path: self.key(i).to_owned(), source })
    }

    /// Reads the encoded bytes of sample `i`.
    pub fn read(&self, i: usize) -> Result<Vec<u8>, Error> {
        let entry = &self.entries[i];
        match entry.place {
            Place::File => fs::read(&entry.path).map_err(Error::io("read", &entry.path)),
            Place::Member { shard, offset, size } => read_at(&self.shards[shard], offset, size),
        }
    }

    /// Returns every file that `samples` and their labels are read from, sorted: all shards, whose members are listed when
    /// the set is opened, or the images, and the class list where there is one.
    pub fn files(&self, samples: impl IntoIterator<Item = usize>) -> Vec<PathBuf> {
        let wanted: Vec<usize> = samples.into_iter().collect();
        let entries = wanted.iter().filter_map(|i| self.entries.get(*i));
        let masks = wanted.iter().filter_map(|i| self.mask_path(*i));
        let images = entries.filter(|e| matches!(e.place, Place::File)).map(|e| e.path.clone());
        let mut files: Vec<_> =
            images.chain(masks).chain(self.shards.iter().cloned()).chain(self.class_list.clone()).collect();
        files.sort();
        files
    }
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

fn read_classes(path: &Path) -> Result<Vec<String>, Error> {
    if !path.exists() {
        return Err(Error::Missing { what: "class list", path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut lines = BTreeMap::new();
    let mut classes = Vec::new();
    for (line, name) in text.trim_start_matches('\u{feff}').trim_end().lines().map(str::trim).enumerate() {
        let fail = |problem| Error::ClassList { path: path.to_owned(), line: line + 1, problem };
        if name.is_empty() {
            return Err(fail("is empty".to_owned()));
        }
        if let Some(first) = lines.insert(name, line + 1) {
            return Err(fail(format!("repeats `{name}` of line {first}")));
        }
        classes.push(name.to_owned());
    }
    if classes.is_empty() {
        return Err(Error::ClassList { path: path.to_owned(), line: 1, problem: "is empty".to_owned() });
    }
    Ok(classes)
}
