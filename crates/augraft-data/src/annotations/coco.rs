//! JSON files of COCO: the objects of all images in one file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::object::{At, Object, Sample, refused};
use crate::error::Error;

#[derive(Deserialize)]
#[serde(expecting = "an object with `images`, `annotations` and `categories`")]
struct CocoFile {
    images: Vec<ImageEntry>,
    annotations: Vec<ObjectEntry>,
    categories: Vec<CategoryEntry>,
}

#[derive(Deserialize)]
struct ImageEntry {
    id: u64,
    file_name: String,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct CategoryEntry {
    id: u64,
    name: String,
    #[serde(default)]
    keypoints: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ObjectEntry {
    id: u64,
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height.
    bbox: [f64; 4],
    iscrowd: Option<Flag>,
    #[serde(default)]
    keypoints: Vec<f64>,
}

/// COCO writes 0 or 1, and some tools `true` or `false`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(f64),
}

/// An opened file, with the objects of the samples of a data set.
#[derive(Debug)]
pub(super) struct Coco {
    file: PathBuf,
    categories: BTreeMap<u64, Category>,
    /// By sample; none for one that the file does not have.
    images: Vec<Option<Objects>>,
}

#[derive(Debug)]
struct Category {
    name: String,
    /// None when a list of classes leaves it out.
    class: Option<usize>,
    keypoints: usize,
}

#[derive(Debug)]
struct Objects {
    /// Width and height that the file gives.
    size: Option<[f64; 2]>,
    entries: Vec<ObjectEntry>,
}

impl Coco {
    /// Reads a file and finds the images of `samples` in it; returns the names of the classes and of the keypoints too.
    pub(super) fn open(
        file: &Path,
        listed: Option<&[String]>,
        samples: &[Sample<'_>],
    ) -> Result<(Coco, Vec<String>, Vec<String>), Error> {
        let CocoFile { images: entries, annotations, categories } = parse(file)?;
        let keypoint_names = keypoint_names(file, &categories)?;
        let (categories, classes) = classes(file, categories, listed)?;
        let names: Vec<String> = entries.iter().map(|image| clean(&image.file_name)).collect();
        let matches = matched(file, &entries, &names, samples)?;
        let mut images: Vec<Option<Objects>> = matches
            .iter()
            .map(|image| {
                let image = &entries[(*image)?];
                let size = image.width.zip(image.height).map(|(width, height)| [width, height]);
                Some(Objects { size, entries: Vec::new() })
            })
            .collect();
        let wanted = matches.iter().enumerate().filter_map(|(sample, image)| Some((entries[(*image)?].id, sample)));
        let wanted: BTreeMap<u64, usize> = wanted.collect();
        for entry in annotations {
            // Objects of images that are not in the data set are of no use here.
            if let Some(objects) = wanted.get(&entry.image_id).and_then(|sample| images[*sample].as_mut()) {
                objects.entries.push(entry);
            }
        }
        Ok((Coco { file: file.to_owned(), categories, images }, classes, keypoint_names))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The objects of sample `i`, whose image is of `[height, width]`.
    pub(super) fn objects(&self, i: usize, [height, width]: [usize; 2]) -> Result<Vec<Object>, Error> {
        let Some(objects) = self.images.get(i).and_then(Option::as_ref) else { return Ok(Vec::new()) };
        // Pixels of another size would put every box in a wrong place; a size of 0 says nothing.
        if let (Some([wide, high]), Some(first)) = (objects.size, objects.entries.first())
            && wide > 0.0
            && high > 0.0
            && [wide, high] != [width as f64, height as f64]
        {
            let problem = format!(
                "is of an image of {wide} x {high} pixels, but the image has {width} x {height}; make them one size"
            );
            return Err(refused(&self.file, At::Id(first.id), problem));
        }
        let read = |entry| self.object(entry).map_err(|problem| refused(&self.file, At::Id(entry.id), problem));
        objects.entries.iter().map(read).collect()
    }

    fn object(&self, entry: &ObjectEntry) -> Result<Object, String> {
        let id = entry.category_id;
        let category = self.categories.get(&id).ok_or_else(|| {
            format!("has the category {id}, which is not among the `categories` of the file; correct or add it")
        })?;
        let class = category.class.ok_or_else(|| {
            format!("has the category `{}`, which is no name in the class list; add it to the list", category.name)
        })?;
        let (numbers, wanted) = (entry.keypoints.len(), 3 * category.keypoints);
        if numbers != 0 && numbers != wanted {
            let named = format!("the category `{}` names {} keypoints", category.name, category.keypoints);
            return Err(format!("has {numbers} numbers in `keypoints`, but {named}; write x, y, visibility for each"));
        }
        let [left, top, wide, high] = entry.bbox;
        if wide < 0.0 || high < 0.0 {
            let problem = format!("has a `bbox` with a negative size, {wide} x {high} pixels");
            return Err(format!("{problem}; write [left, top, width, height], or set `on_error: skip`"));
        }
        Ok(Object {
            at: At::Id(entry.id),
            id: entry.id,
            class,
            bounds: [left, top, left + wide, top + high],
            crowd: match entry.iscrowd {
                None => false,
                Some(Flag::Bool(crowd)) => crowd,
                Some(Flag::Number(number)) => number != 0.0,
            },
            difficult: false,
            // COCO counts the middles of pixels from 0.
            keypoints: entry.keypoints.chunks_exact(3).map(|at| [at[0] + 0.5, at[1] + 0.5, at[2]]).collect(),
        })
    }
}

fn parse(file: &Path) -> Result<CocoFile, Error> {
    if !file.exists() {
        return Err(Error::Missing { what: "annotation file", path: file.to_owned() });
    }
    let bytes = fs::read(file).map_err(Error::io("read", file))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let said = error.to_string();
        let reason = said.rsplit_once(" at line ").map_or(&*said, |(reason, _)| reason);
        let problem = format!(
            "cannot be read as COCO JSON: {reason} at column {}; correct it, or name a file with `images`, `annotations` and `categories`",
            error.column()
        );
        refused(file, At::Line(error.line()), problem)
    })
}

/// The one list of keypoints of the categories that have any.
fn keypoint_names(file: &Path, categories: &[CategoryEntry]) -> Result<Vec<String>, Error> {
    let mut with = categories.iter().filter(|category| !category.keypoints.is_empty());
    let Some(first) = with.next() else { return Ok(Vec::new()) };
    match with.find(|category| category.keypoints != first.keypoints) {
        None => Ok(first.keypoints.clone()),
        Some(other) => {
            let problem = format!(
                "has other keypoints for the category `{}` than for `{}`; write the categories to files of their own",
                other.name, first.name
            );
            Err(refused(file, At::File, problem))
        }
    }
}

/// The categories with their classes, and the names of the classes: those of the list, or the categories by their ids.
fn classes(
    file: &Path,
    entries: Vec<CategoryEntry>,
    listed: Option<&[String]>,
) -> Result<(BTreeMap<u64, Category>, Vec<String>), Error> {
    let mut categories = BTreeMap::new();
    for CategoryEntry { id, name, keypoints } in entries {
        let category = Category { name, class: None, keypoints: keypoints.len() };
        if let Some(other) = categories.insert(id, category) {
            let name = &categories[&id].name;
            let problem = format!("has the category {id} twice, as `{}` and `{name}`; give one another id", other.name);
            return Err(refused(file, At::File, problem));
        }
    }
    for (position, category) in categories.values_mut().enumerate() {
        category.class = match listed {
            Some(names) => names.iter().position(|name| *name == category.name),
            None => Some(position),
        };
    }
    let names = match listed {
        Some(names) => names.to_vec(),
        None => categories.values().map(|category| category.name.clone()).collect(),
    };
    Ok((categories, names))
}

/// A name of a file with `/`, as samples have it.
fn clean(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches("./").to_owned()
}

/// The image of the file, by its position, that each sample is: first by the whole name, then by the longest end of the sample's path, then by the
/// name without folders. What one way finds is out of reach of the next.
fn matched(
    file: &Path,
    entries: &[ImageEntry],
    names: &[String],
    samples: &[Sample<'_>],
) -> Result<Vec<Option<usize>>, Error> {
    let mut by_path: BTreeMap<&str, usize> = BTreeMap::new();
    for (image, name) in names.iter().enumerate() {
        if let Some(other) = by_path.insert(name, image) {
            let ids = format!("{} and {}", entries[other].id, entries[image].id);
            return Err(refused(file, At::File, format!("has the image `{name}` twice, with the ids {ids}; keep one")));
        }
    }
    let mut found =
        Found { file, names, samples, of_sample: vec![None; samples.len()], of_image: vec![None; names.len()] };
    for (sample, called) in samples.iter().enumerate() {
        if let Some(image) = by_path.get(called.name) {
            found.join(sample, *image)?;
        }
    }
    found.pass(|sample, free| {
        let path = clean(&sample.path.to_string_lossy());
        let ends = path.match_indices('/').map(|(slash, _)| &path[slash + 1..]);
        let ends = std::iter::once(&*path).chain(ends).filter(|end| end.contains('/'));
        Ok(ends.filter_map(|end| by_path.get(end).copied()).find(|image| free[*image]))
    })?;
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (image, name) in names.iter().enumerate() {
        by_name.entry(last(name)).or_default().push(image);
    }
    found.pass(|sample, free| {
        let mut images = by_name.get(last(sample.name)).into_iter().flatten().copied().filter(|image| free[*image]);
        match (images.next(), images.next()) {
            (Some(one), Some(other)) => Err(refused(
                file,
                At::File,
                format!(
                    "has `{}` and `{}`, and the image `{}` could be either; write its path as `file_name`",
                    names[one], names[other], sample.name
                ),
            )),
            (image, _) => Ok(image),
        }
    })?;
    found.any()
}

/// What is found so far.
struct Found<'a> {
    file: &'a Path,
    names: &'a [String],
    samples: &'a [Sample<'a>],
    of_sample: Vec<Option<usize>>,
    of_image: Vec<Option<usize>>,
}

impl Found<'_> {
    /// Looks for the samples without an image among the images that were free before.
    fn pass(&mut self, look: impl Fn(&Sample<'_>, &[bool]) -> Result<Option<usize>, Error>) -> Result<(), Error> {
        let free: Vec<bool> = self.of_image.iter().map(Option::is_none).collect();
        for sample in 0..self.samples.len() {
            if self.of_sample[sample].is_none()
                && let Some(image) = look(&self.samples[sample], &free)?
            {
                self.join(sample, image)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, sample: usize, image: usize) -> Result<(), Error> {
        if let Some(other) = self.of_image[image].replace(sample) {
            let (one, other) = (self.samples[other].name, self.samples[sample].name);
            let name = &self.names[image];
            let problem =
                format!("has `{name}`, which could be the image `{one}` or `{other}`; write its path as `file_name`");
            return Err(refused(self.file, At::File, problem));
        }
        self.of_sample[sample] = Some(image);
        Ok(())
    }

    /// The image of each sample, of which there is at least one.
    fn any(self) -> Result<Vec<Option<usize>>, Error> {
        if self.of_sample.iter().any(Option::is_some) {
            return Ok(self.of_sample);
        }
        let problem = match (self.names.first(), self.samples.first()) {
            (Some(name), Some(sample)) => format!(
                "has none of the images of the data: it has `{name}`, and the data `{}`; make `file_name` the path below the folder of images",
                sample.name
            ),
            _ => "has no images; name the file that lists those of the data".to_owned(),
        };
        Err(refused(self.file, At::File, problem))
    }
}

fn last(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}
