use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobMatcher};
use tar::{Archive, EntryType};

use crate::entry::{Entry, Place, read_at};
use crate::error::Error;
use crate::folder;

/// Longest label file read, in bytes; a sample has no more classes than that.
const LABEL_BYTES: u64 = 4096;

/// Returns the files that match a glob, sorted; each part of the path may hold `*`, `?`, `[..]` and `{a,b}`.
pub(crate) fn matching(pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let no_match = |help: String| Error::NoMatch { pattern: pattern.to_owned(), help };
    let mut paths = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        let part = component.as_os_str().to_string_lossy();
        let is_glob = matches!(component, Component::Normal(_)) && part.contains(['*', '?', '[', '{']);
        if !is_glob {
            for path in &mut paths {
                path.push(component);
            }
            continue;
        }
        let glob = Glob::new(&part).map_err(|e| no_match(format!("the pattern is malformed ({})", e.kind())))?;
        paths = expand(&paths, &glob.compile_matcher())?;
    }
    paths.retain(|path| path.is_file());
    if paths.is_empty() {
        return Err(no_match("check the path and that the files end as the pattern does".to_owned()));
    }
    paths.sort();
    Ok(paths)
}

fn expand(folders: &[PathBuf], matcher: &GlobMatcher) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for folder in folders {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        if !listed.is_dir() {
            continue;
        }
        let names = folder::names(listed)?;
        found.extend(names.iter().filter(|name| matcher.is_match(name)).map(|name| folder.join(name)));
    }
    Ok(found)
}

/// Indexes the images and labels of all shards, in the order of the shards and then of the members.
///
/// Without a list of classes, their names are the numbers from 0 to the largest label.
pub(crate) fn index(shards: &[PathBuf], listed: Option<Vec<String>>) -> Result<(Vec<Entry>, Vec<String>), Error> {
    let mut entries = Vec::new();
    for (number, path) in shards.iter().enumerate() {
        entries.extend(index_shard(number, path)?);
    }
    let count = entries.iter().flat_map(|e| e.labels.iter().copied()).max().map_or(0, |label| label + 1);
    let classes = listed.unwrap_or_else(|| (0..count).map(|class| class.to_string()).collect());
    let beyond = |entry: &Entry| entry.labels.iter().copied().find(|label| *label >= classes.len());
    if let Some((entry, label)) = entries.iter().find_map(|entry| Some((entry, beyond(entry)?))) {
        let last = classes.len() - 1;
        let problem = format!("has class {label}, but the class list ends at {last}; correct the label or the list");
        return Err(Error::Label { entry: entry.key.clone(), problem });
    }
    Ok((entries, classes))
}

fn index_shard(number: usize, path: &Path) -> Result<Vec<Entry>, Error> {
    let shard = path.file_name().unwrap_or_default().to_string_lossy();
    let mut labels = BTreeMap::new();
    let mut images: Vec<(String, Entry)> = Vec::new();
    for Member { name, offset, size } in members(path)? {
        let Some((key, extension)) = split_key(&name) else { continue };
        let entry = format!("{shard}/{name}");
        if extension == "cls" {
            labels.insert(key.to_owned(), read_label(path, offset, size, &entry)?);
        } else if matches!(extension.as_str(), "jpg" | "jpeg" | "png") {
            let place = Place::Member { shard: number, offset, size };
            images.push((key.to_owned(), Entry { key: entry, path: PathBuf::new(), labels: Vec::new(), place }));
        }
    }
    if images.is_empty() {
        return Err(Error::NoImages { path: path.to_owned() });
    }
    let with_label = |(key, entry): (String, Entry)| {
        let label = labels.get(&key).cloned();
        let problem = || format!("has no label; add the member `{key}.cls` with its class index");
        let labels: Vec<usize> = label.ok_or_else(|| Error::Label { entry: entry.key.clone(), problem: problem() })?;
        Ok(Entry { labels, ..entry })
    };
    images.into_iter().map(with_label).collect()
}

struct Member {
    name: String,
    offset: u64,
    size: u64,
}

fn members(path: &Path) -> Result<Vec<Member>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let end = file.metadata().map_err(Error::io("read", path))?.len();
    let damaged = |reason: String| Error::Shard { path: path.to_owned(), reason };
    let mut archive = Archive::new(file);
    let mut members = Vec::new();
    for entry in archive.entries_with_seek().map_err(Error::io("read", path))? {
        let entry =
            entry.map_err(|_| damaged(format!("the header of member {} is not that of a tar file", members.len())))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|stop| stop > end) {
            return Err(damaged(format!("it ends within `{name}`")));
        }
        if matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            members.push(Member { name, offset, size });
        }
    }
    Ok(members)
}

/// Splits a member's name at the first dot of its last part, as `WebDataset` does; the extension is in lower case.
fn split_key(name: &str) -> Option<(&str, String)> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let (stem, extension) = name[start..].split_once('.')?;
    let is_hidden = stem.is_empty();
    (!is_hidden).then(|| (&name[..start + stem.len()], extension.to_ascii_lowercase()))
}

/// Reads the class index of a sample, or several, separated by spaces, commas or line ends.
fn read_label(path: &Path, offset: u64, size: u64, entry: &str) -> Result<Vec<usize>, Error> {
    let bytes = read_at(path, offset, size.min(LABEL_BYTES))?;
    let text = String::from_utf8_lossy(&bytes);
    let words = text.split([' ', ',', '\t', '\n', '\r']).filter(|word| !word.is_empty());
    let labels: Result<Vec<usize>, _> = words.map(str::parse).collect();
    labels.ok().filter(|labels| !labels.is_empty()).ok_or_else(|| {
        let problem = format!("holds {:?}, which is not a class index; write a number from 0", text.trim());
        Error::Label { entry: entry.to_owned(), problem }
    })
}
