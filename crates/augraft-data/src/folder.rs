use std::fs;
use std::path::{Path, PathBuf};

use crate::entry::{Entry, Place};
use crate::error::Error;

/// Says whether a name ends in .jpg, .jpeg or .png, in any case.
pub(crate) fn is_image(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "png"))
}

/// Lists the images of a folder of class folders, sorted by class index and then bytewise by path.
pub(crate) fn classes_and_images(root: &Path, listed: Option<Vec<String>>) -> Result<(Vec<Entry>, Vec<String>), Error> {
    let Listing { folders, images } = list(root)?;
    if let Some(example) = images.first() {
        return Err(Error::LooseImages { path: root.to_owned(), example: example.clone() });
    }
    let classes = listed.unwrap_or_else(|| folders.clone());
    let mut entries = Vec::new();
    for folder in &folders {
        let before = entries.len();
        collect(root, folder, &mut entries)?;
        if entries.len() == before {
            continue;
        }
        let Some(label) = classes.iter().position(|class| class == folder) else {
            return Err(Error::Label {
                entry: root.join(folder).display().to_string(),
                problem: "is not a name in the class list; rename the folder or add the name to the list".to_owned(),
            });
        };
        entries[before..].iter_mut().for_each(|entry| entry.labels = vec![label]);
    }
    if entries.is_empty() {
        return Err(Error::NoImages { path: root.to_owned() });
    }
    entries.sort_by(|a, b| (&a.labels, &a.key).cmp(&(&b.labels, &b.key)));
    Ok((entries, classes))
}

/// Lists the images directly in a folder, sorted bytewise.
pub(crate) fn images(root: &Path) -> Result<Vec<Entry>, Error> {
    let Listing { folders, images } = list(root)?;
    if let (None, Some(example)) = (images.first(), folders.first()) {
        return Err(Error::OnlyFolders { path: root.to_owned(), example: example.clone() });
    }
    if images.is_empty() {
        return Err(Error::NoImages { path: root.to_owned() });
    }
    Ok(images.into_iter().map(|name| file_entry(root, name)).collect())
}

struct Listing {
    folders: Vec<String>,
    images: Vec<String>,
}

fn list(path: &Path) -> Result<Listing, Error> {
    if !path.exists() {
        return Err(Error::Missing { what: "folder", path: path.to_owned() });
    }
    if !path.is_dir() {
        return Err(Error::NotFolder { path: path.to_owned() });
    }
    let (mut folders, mut images) = (Vec::new(), Vec::new());
    for name in names(path)? {
        if path.join(&name).is_dir() {
            folders.push(name);
        } else if is_image(&name) {
            images.push(name);
        }
    }
    Ok(Listing { folders, images })
}

/// Returns the names in a folder that are not hidden, sorted bytewise.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let name = entry.map_err(Error::io("list", path))?.file_name();
        let name = name.into_string().map_err(|name| Error::Label {
            entry: path.join(name).display().to_string(),
            problem: "has a name that is not UTF-8; rename it".to_owned(),
        })?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn collect(root: &Path, below: &str, entries: &mut Vec<Entry>) -> Result<(), Error> {
    let Listing { folders, images } = list(&root.join(below))?;
    entries.extend(images.into_iter().map(|name| file_entry(root, format!("{below}/{name}"))));
    folders.iter().try_for_each(|name| collect(root, &format!("{below}/{name}"), entries))
}

fn file_entry(root: &Path, key: String) -> Entry {
    let path: PathBuf = root.join(&key);
    Entry { key, path, labels: Vec::new(), place: Place::File }
}
