//! Folders with one file of annotations for each image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::object::{At, Sample, refused};
use crate::error::Error;
use crate::folder::names;

/// A folder with a file for each image: at the image's path, or directly in the folder.
#[derive(Debug)]
pub(super) struct PerImage {
    folder: PathBuf,
    extension: &'static str,
    /// Stems that several images have, with two of them; a file directly in the folder would be of both.
    shared: BTreeMap<String, [String; 2]>,
}

impl PerImage {
    /// Opens a folder in which at least one of `samples` has its file.
    pub(super) fn open(folder: &Path, extension: &'static str, samples: &[Sample<'_>]) -> Result<PerImage, Error> {
        if !folder.is_dir() {
            return Err(Error::Missing { what: "folder of annotations", path: folder.to_owned() });
        }
        let mut first: BTreeMap<&str, &str> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        for sample in samples {
            match first.get(stem(sample.name)) {
                Some(other) => {
                    let pair = [(*other).to_owned(), sample.name.to_owned()];
                    shared.entry(stem(sample.name).to_owned()).or_insert(pair);
                }
                None => {
                    first.insert(stem(sample.name), sample.name);
                }
            }
        }
        let files = PerImage { folder: folder.to_owned(), extension, shared };
        if let Some(sample) = samples.first()
            && !samples.iter().any(|sample| files.candidates(sample.name).iter().any(|path| path.is_file()))
        {
            let example = files.relative(sample.name).display().to_string();
            let problem = format!(
                "of the image `{}` does not exist, nor that of any other image; name the folder that holds `{example}`",
                sample.name
            );
            return Err(refused(&files.expected(sample.name), At::File, problem));
        }
        Ok(files)
    }

    /// The file of the image `name`; none if there is no such file.
    pub(super) fn find(&self, name: &str) -> Result<Option<PathBuf>, Error> {
        let [beside, flat] = self.candidates(name);
        if beside.is_file() {
            return Ok(Some(beside));
        }
        if beside == flat || !flat.is_file() {
            return Ok(None);
        }
        match self.shared.get(stem(name)) {
            None => Ok(Some(flat)),
            Some([one, other]) => {
                let place = self.relative(name).display().to_string();
                let problem = format!(
                    "could belong to the image `{one}` or `{other}`; move it to the path of its image, such as `{place}`"
                );
                Err(refused(&flat, At::File, problem))
            }
        }
    }

    /// Where the file of the image `name` should be.
    pub(super) fn expected(&self, name: &str) -> PathBuf {
        self.folder.join(self.relative(name))
    }

    /// All files of the folder that have the extension, at any depth, sorted.
    pub(super) fn all(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for path in names(&folder)?.into_iter().map(|name| folder.join(name)) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == self.extension) {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    fn relative(&self, name: &str) -> PathBuf {
        Path::new(name).with_extension(self.extension)
    }

    fn candidates(&self, name: &str) -> [PathBuf; 2] {
        let relative = self.relative(name);
        let flat = relative.file_name().map(PathBuf::from).unwrap_or_default();
        [self.folder.join(relative), self.folder.join(flat)]
    }
}

fn stem(name: &str) -> &str {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name)
}
