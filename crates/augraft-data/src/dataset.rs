use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::annotations::{Annotation, AnnotationSource, Annotations, Sample};
use crate::classes::read_classes;
use crate::decode::{Image, Limits, decode};
use crate::entry::{Entry, Place, read_at};
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
    masks: Option<MaskFolder>,
    /// Shared by clones, which then count the clipped objects together.
    annotations: Option<Arc<Annotations>>,
    limits: Limits,
}

/// Where masks lie, and which class ids they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskFolder {
    /// The folder.
    pub folder: PathBuf,
    /// Number of classes; their ids are `0..classes`.
    pub classes: usize,
    /// The id of pixels of no class; none where every pixel has one.
    pub ignore: Option<u8>,
}

/// The id of pixels of no class, as masks are used.
const IGNORE: u8 = 255;

impl MaskFolder {
    /// A mask whose ids are those of classes, or [`IGNORE`]; else what is wrong with it.
    fn checked(&self, mut mask: Image) -> Result<Image, String> {
        let known = |id: u8| usize::from(id) < self.classes;
        let strange = mask.indexed_iter().find(|(_, id)| !known(**id) && Some(**id) != self.ignore);
        if let Some(((row, column, _), id)) = strange {
            let binary = self.classes == 2 && mask.iter().all(|id| matches!(id, 0 | 255));
            let advice = match (binary, *id) {
                (true, _) => "write 0 and 1 for two classes, or say that 255 is no class with `ignore: 255`",
                (false, IGNORE) => "say that it is no class with `ignore: 255`",
                (false, _) => "raise `classes`, or write ids from 0 on",
            };
            return Err(format!(
                "has the class id {id} in row {row}, column {column}, and there are {} classes; {advice}",
                self.classes
            ));
        }
        if let Some(ignore) = self.ignore.filter(|ignore| *ignore != IGNORE) {
            mask.mapv_inplace(|id| if id == ignore { IGNORE } else { id });
        }
        Ok(mask)
    }
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
        Ok(Dataset { classes, entries, shards, class_list, masks: None, annotations: None, limits: Limits::default() })
    }

    /// Returns the data set with other bounds on what an image's header may claim.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Dataset {
        Dataset { limits, ..self }
    }

    /// Returns the data set with masks of class ids: the one of the image `a/b.jpg` is `a/b.png` below `folder`.
    ///
    /// # Errors
    /// If there is no such folder, or the images are members of tar files.
    pub fn with_masks(self, masks: MaskFolder) -> Result<Dataset, Error> {
        let folder = &masks.folder;
        if !folder.is_dir() {
            return Err(Error::Missing { what: "folder of masks", path: folder.to_owned() });
        }
        if !self.shards.is_empty() {
            let problem = "lies in a folder, but the images are members of shards; unpack the shards".to_owned();
            return Err(Error::Mask { path: folder.to_owned(), problem });
        }
        Ok(Dataset { masks: Some(masks), ..self })
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
        if [height, width] != size {
            let [rows, columns] = size;
            let problem =
                format!("has {width} x {height} pixels, but its image {columns} x {rows}; make them one size");
            return Err(refused(problem));
        }
        match &self.masks {
            Some(masks) => masks.checked(mask).map_err(refused),
            None => Ok(mask),
        }
    }

    fn mask_path(&self, i: usize) -> Option<PathBuf> {
        Some(self.masks.as_ref()?.folder.join(Path::new(self.key(i)).with_extension("png")))
    }

    /// Returns the data set with the objects of its images.
    ///
    /// A COCO file is read here, once; the files of single images are read with their images. Images of a data set of
    /// shards are known by the names of their members.
    ///
    /// `classes` names a list of class names, one a line. Without one, the classes are the categories of a COCO file by
    /// their ids, the numbers from 0 to the largest class of the images in YOLO files, or the sorted names in all files
    /// of a VOC folder.
    ///
    /// # Errors
    /// If there is no such file or folder, it has nothing on any image of the data set, an image of a COCO file could be
    /// either of two, or the COCO file or the class list cannot be used.
    pub fn with_annotations(self, source: &AnnotationSource, classes: Option<&Path>) -> Result<Dataset, Error> {
        let samples: Vec<Sample<'_>> = self.entries.iter().map(sample).collect();
        let annotations = Annotations::open(source, classes, &samples)?;
        Ok(Dataset { annotations: Some(Arc::new(annotations)), ..self })
    }

    /// Says whether the images have annotated objects.
    pub fn has_annotations(&self) -> bool {
        self.annotations.is_some()
    }

    /// Returns the names of the objects' classes; the class of an [`Annotation`] is an index into them.
    pub fn object_classes(&self) -> &[String] {
        self.annotations.as_ref().map_or(&[], |annotations| annotations.classes())
    }

    /// Returns the names of the keypoints in their order; empty when the objects have none.
    pub fn keypoint_names(&self) -> &[String] {
        self.annotations.as_ref().map_or(&[], |annotations| annotations.keypoint_names())
    }

    /// Returns the objects of sample `i`, whose image has the size `[height, width]`, in the order of their file and with
    /// boxes clipped to the image.
    ///
    /// # Errors
    /// If there are no annotations, or those of this image are missing or cannot be used.
    pub fn annotations(&self, i: usize, size: [usize; 2]) -> Result<Vec<Annotation>, Error> {
        let missing = Error::Missing { what: "annotation file", path: PathBuf::new() };
        self.annotations.as_ref().ok_or(missing)?.of(i, sample(&self.entries[i]).name, size)
    }

    /// Returns how many boxes reached out of their images by more than rounding and were clipped.
    ///
    /// Those of a sample count once, when its annotations are first read.
    pub fn clipped_annotations(&self) -> usize {
        self.annotations.as_ref().map_or(0, |annotations| annotations.clipped())
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

    /// Returns every file that `samples`, their labels, masks and objects are read from, sorted and each once: all shards,
    /// whose members are listed when the set is opened, or the images, and the class lists where there are any.
    pub fn files(&self, samples: impl IntoIterator<Item = usize>) -> Vec<PathBuf> {
        let wanted: Vec<usize> = samples.into_iter().collect();
        let entries = wanted.iter().filter_map(|i| self.entries.get(*i));
        let masks = wanted.iter().filter_map(|i| self.mask_path(*i));
        let images = entries.filter(|e| matches!(e.place, Place::File)).map(|e| e.path.clone());
        let mut files: Vec<_> =
            images.chain(masks).chain(self.shards.iter().cloned()).chain(self.class_list.clone()).collect();
        if let Some(annotations) = &self.annotations {
            let names = wanted.iter().filter_map(|i| self.entries.get(*i)).map(|entry| sample(entry).name);
            files.extend(annotations.files(names));
        }
        files.sort();
        files.dedup();
        files
    }
}

/// Returns what a sample is called where annotations name it.
fn sample(entry: &Entry) -> Sample<'_> {
    match entry.place {
        Place::File => Sample { name: &entry.key, path: &entry.path },
        Place::Member { .. } => {
            let name = entry.key.split_once('/').map_or(&*entry.key, |(_, member)| member);
            Sample { name, path: Path::new(name) }
        }
    }
}
