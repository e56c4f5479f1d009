//! Objects of images: where they are written, and those of one image with their boxes inside of it.

mod coco;
mod object;
mod per_image;
mod voc;
mod yolo;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::classes::read_classes;
use crate::error::Error;
use coco::Coco;
use object::{At, refused};
use per_image::PerImage;

pub use object::Annotation;
pub(crate) use object::Sample;

/// Says where the objects of images are written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnnotationSource {
    /// A JSON file as of COCO, for all images.
    Coco(PathBuf),
    /// A folder with a .txt file for each image that has objects, as of YOLO.
    Yolo {
        /// The folder; the file of the image `a/b.jpg` is `a/b.txt` below it, or `b.txt`.
        folder: PathBuf,
        /// Number of keypoints of each object; 0 for boxes and polygons.
        keypoints: usize,
    },
    /// A folder with an .xml file for each image, as of Pascal VOC, found like those of YOLO.
    Voc(PathBuf),
}

/// The opened annotations of a data set.
#[derive(Debug)]
pub(crate) struct Annotations {
    files: Files,
    classes: Vec<String>,
    class_list: Option<PathBuf>,
    keypoint_names: Vec<String>,
    /// Whether the clipped boxes of a sample are in `clipped`, so that another epoch does not count them again.
    counted: Vec<AtomicBool>,
    clipped: AtomicUsize,
}

#[derive(Debug)]
enum Files {
    Coco(Coco),
    Yolo(PerImage, usize),
    Voc(PerImage),
}

impl Annotations {
    /// Opens the annotations of `samples`.
    pub(crate) fn open(
        source: &AnnotationSource,
        classes: Option<&Path>,
        samples: &[Sample<'_>],
    ) -> Result<Annotations, Error> {
        let listed = classes.map(read_classes).transpose()?;
        let mut keypoint_names = Vec::new();
        let (files, classes_found) = match source {
            AnnotationSource::Coco(file) => {
                let (coco, classes, names) = Coco::open(file, listed.as_deref(), samples)?;
                keypoint_names = names;
                (Files::Coco(coco), classes)
            }
            AnnotationSource::Yolo { folder, keypoints } => {
                keypoint_names = (0..*keypoints).map(|keypoint| keypoint.to_string()).collect();
                let files = PerImage::open(folder, "txt", samples)?;
                let classes = listed.map_or_else(|| numbered(&files, samples), Ok)?;
                (Files::Yolo(files, *keypoints), classes)
            }
            AnnotationSource::Voc(folder) => {
                let files = PerImage::open(folder, "xml", samples)?;
                let classes = listed.map_or_else(|| named(&files), Ok)?;
                (Files::Voc(files), classes)
            }
        };
        Ok(Annotations {
            files,
            classes: classes_found,
            class_list: classes.map(Path::to_owned),
            keypoint_names,
            counted: samples.iter().map(|_| AtomicBool::new(false)).collect(),
            clipped: AtomicUsize::new(0),
        })
    }

    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }

    pub(crate) fn keypoint_names(&self) -> &[String] {
        &self.keypoint_names
    }

    pub(crate) fn clipped(&self) -> usize {
        self.clipped.load(Ordering::Relaxed)
    }

    /// The objects of sample `i`, which is called `name`, clipped to the `size` of its image: height, width.
    pub(crate) fn of(&self, i: usize, name: &str, size: [usize; 2]) -> Result<Vec<Annotation>, Error> {
        let (path, objects) = match &self.files {
            Files::Coco(coco) => (coco.file().to_owned(), coco.objects(i, size)?),
            Files::Yolo(files, keypoints) => {
                let Some(path) = files.find(name)? else { return Ok(Vec::new()) };
                let objects = yolo::read(&path, &read_text(&path)?, *keypoints, self.classes.len(), size)?;
                (path, objects)
            }
            Files::Voc(files) => {
                let Some(path) = files.find(name)? else {
                    let problem = format!("of the image `{name}` does not exist; add it, or set `on_error: skip`");
                    return Err(refused(&files.expected(name), At::File, problem));
                };
                let objects = voc::read(&path, &read_text(&path)?, &self.classes, size)?;
                (path, objects)
            }
        };
        let mut annotations = Vec::with_capacity(objects.len());
        let mut clipped = 0;
        for object in objects {
            let at = object.at;
            let (annotation, cut) = object.within(size).map_err(|problem| refused(&path, at, problem))?;
            clipped += usize::from(cut);
            annotations.push(annotation);
        }
        if clipped > 0 && !self.counted[i].swap(true, Ordering::Relaxed) {
            self.clipped.fetch_add(clipped, Ordering::Relaxed);
        }
        Ok(annotations)
    }

    /// Every file that the objects of the samples called `names` are read from.
    pub(crate) fn files<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<PathBuf> {
        let files = match &self.files {
            Files::Coco(coco) => vec![coco.file().to_owned()],
            // One that cannot be told is reported when it is read.
            Files::Yolo(files, _) | Files::Voc(files) => {
                names.filter_map(|name| files.find(name).ok().flatten()).collect()
            }
        };
        files.into_iter().chain(self.class_list.clone()).collect()
    }
}

/// The numbers from 0 to the largest class in the files of `samples`.
///
/// Lines that cannot be read are left for the reading of their image, which `on_error` then decides on.
fn numbered(files: &PerImage, samples: &[Sample<'_>]) -> Result<Vec<String>, Error> {
    let largest = |sample: &Sample<'_>| -> Result<Option<usize>, Error> {
        let Some(path) = files.find(sample.name).ok().flatten() else { return Ok(None) };
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        Ok(yolo::largest_class(&String::from_utf8_lossy(&bytes)))
    };
    let largest = samples.par_iter().map(largest).collect::<Result<Vec<_>, Error>>()?;
    let count = largest.into_iter().flatten().max().map_or(0, |class| class + 1);
    Ok((0..count).map(|class| class.to_string()).collect())
}

/// The names of the objects in all files of the folder, sorted, so that they are one for each part of a data set.
fn named(files: &PerImage) -> Result<Vec<String>, Error> {
    let names = |path: &PathBuf| -> Result<Vec<String>, Error> {
        let bytes = fs::read(path).map_err(Error::io("read", path))?;
        Ok(voc::names(&String::from_utf8_lossy(&bytes)))
    };
    let names = files.all()?.par_iter().map(names).collect::<Result<Vec<_>, Error>>()?;
    let mut names = names.concat();
    names.sort();
    names.dedup();
    Ok(names)
}

fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| refused(path, At::File, "is not UTF-8 text; save it as UTF-8".to_owned()))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
