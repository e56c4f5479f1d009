//! The files that a model is tried with: images, classes, and the YAML of a graft and of an experiment.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::pins::Input;
use super::sites::Site;
use super::subject::Subject;

/// How many images are used at most: every command is to be tried, nothing is to be measured.
const IMAGES: usize = 8;

/// A folder with a folder of images for every class.
pub(super) struct Data {
    folder: PathBuf,
    classes: Vec<String>,
}

impl Data {
    /// Reads the names of the classes.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut classes = Vec::new();
        for entry in listing {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                classes.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        classes.sort();
        ensure!(classes.len() > 1, "{} has no folders of classes", folder.display());
        Ok(Self { folder: folder.to_owned(), classes })
    }

    /// The section `data` of a file for a model with so many classes, and the files that it needs in `work`.
    fn section(&self, classes: Option<usize>, work: &Path) -> anyhow::Result<String> {
        let count = classes.unwrap_or(self.classes.len());
        let mut folder = self.folder.clone();
        if count < self.classes.len() {
            // A label needs a place among the answers, so the folders that are too many are left out.
            folder = work.join("images");
            for class in &self.classes[..count] {
                copy(&self.folder.join(class), &folder.join(class))?;
            }
        }
        let kept = self.classes.iter().take(count).cloned();
        let further = (self.classes.len()..count).map(|number| format!("class_{number}"));
        let names: Vec<String> = kept.chain(further).collect();
        let file = work.join("classes.txt");
        fs::write(&file, names.join("\n") + "\n")?;
        Ok(format!("data: {{ folder: {}, classes: {}, batch: 4, limit: {IMAGES} }}", quoted(&folder), quoted(&file)))
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let listing = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in listing.take(IMAGES) {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// A string of YAML.
fn quoted(text: impl AsRef<Path>) -> String {
    let text = text.as_ref().to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What makes a photo the input of the model.
fn steps(subject: &Subject) -> String {
    let (height, width) = subject.size();
    let format = match subject.input {
        Input::Gray(..) => "grayscale: { channels: 1 }\n  - normalize: half",
        Input::Color(..) | Input::ChannelsLast(..) | Input::Other => "normalize: imagenet",
    };
    format!("steps:\n  - resize: {{ size: [{height}, {width}] }}\n  - {format}\n")
}

/// Three of the clean sites, of the front, the middle and the back, where there is room for a box.
pub(super) fn chosen<'s>(sites: &'s [Site], subject: &Subject) -> Vec<&'s Site> {
    let fits = |site: &&Site| {
        site.is_clean && (site.is_map() || site.is_tokens() && (site.is_square() || subject.tokens.is_some()))
    };
    let clean: Vec<&Site> = sites.iter().filter(fits).collect();
    let mut places: Vec<usize> = (1..=3).map(|quarter| clean.len() * quarter / 4).collect();
    places.dedup();
    places.into_iter().filter_map(|place| clean.get(place).copied()).collect()
}

/// Writes the pipeline of a graft, with a box of a partner at every place.
pub(super) fn graft(
    subject: &Subject,
    model: &Path,
    places: &[&Site],
    data: &Data,
    classes: Option<usize>,
    work: &Path,
) -> anyhow::Result<PathBuf> {
    let mut yaml = format!("augraft: 1\nseed: 5\n{}\n{}", data.section(classes, work)?, steps(subject));
    let _ = writeln!(yaml, "model:\n  file: {}", quoted(model));
    if !places.is_empty() {
        yaml += "  steps:\n";
    }
    for place in places {
        let tokens = match subject.tokens.filter(|_| place.is_tokens()) {
            Some((grid, class)) => format!("      tokens: {{ grid: [{grid}, {grid}], class: {class} }}\n"),
            None if place.is_tokens() => "      layout: tokens\n".to_owned(),
            None => String::new(),
        };
        let _ =
            write!(yaml, "    - at: {}\n{tokens}      cutmix: {{ mode: elem, frame: project }}\n", quoted(&place.name));
    }
    write(work.join("graft.yaml"), &yaml)
}

/// Writes an experiment that erases squares at the center.
pub(super) fn occlusion(
    subject: &Subject,
    model: &Path,
    data: &Data,
    classes: usize,
    work: &Path,
) -> anyhow::Result<PathBuf> {
    let yaml = format!(
        "augraft: 1\n{}\n{}model: {{ file: {} }}\nexperiment:\n  interventions:\n    - name: center\n      sweep: {{ side: [0.25, 0.5, 0.75] }}\n      \
         apply: [{{ hole: {{ region: {{ side: $side }} }} }}]\n  metrics: [top1_error, confidence]\n",
        data.section(Some(classes), work)?,
        steps(subject),
        quoted(model),
    );
    write(work.join("occlusion.yaml"), &yaml)
}

fn write(path: PathBuf, text: &str) -> anyhow::Result<PathBuf> {
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wheels::Scratch;

    fn subject(tokens: Option<(u32, u32)>) -> Subject {
        Subject {
            name: "a".to_owned(),
            file: "a.onnx".into(),
            input: Input::Color(32, 48),
            tokens,
            origin: "timm".to_owned(),
        }
    }

    fn site(name: &str, dimensions: &[usize], is_clean: bool) -> Site {
        let layout = if dimensions.len() == 2 { "tokens" } else { "nchw" }.to_owned();
        Site { name: name.to_owned(), dimensions: dimensions.to_vec(), is_clean, layout }
    }

    #[test]
    fn sites_are_clean_and_have_room() {
        let mut sites: Vec<Site> = (0..8).map(|number| site(&format!("m{number}"), &[8, 4, 4], true)).collect();
        sites.extend([
            site("pooled", &[8, 1, 1], true),
            site("around", &[8, 4, 4], false),
            site("tokens", &[17, 8], true),
        ]);
        let names = |tokens| chosen(&sites, &subject(tokens)).iter().map(|site| site.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(None), ["m2", "m4", "m6"]);
        assert_eq!(chosen(&sites[8..], &subject(Some((4, 1)))).len(), 1);
        assert!(chosen(&sites[8..], &subject(None)).is_empty());
    }

    #[test]
    fn a_model_of_few_classes_gets_as_many_folders() {
        let scratch = Scratch::new(&std::env::temp_dir().join("augraft-xtask"), "pipeline").unwrap();
        for class in ["b", "a", "c"] {
            fs::create_dir_all(scratch.0.join("photos").join(class)).unwrap();
            fs::write(scratch.0.join("photos").join(class).join("1.jpg"), "").unwrap();
        }
        fs::write(scratch.0.join("photos/LICENSES.md"), "").unwrap();
        let data = Data::read(&scratch.0.join("photos")).unwrap();
        let classes = |count| {
            data.section(count, &scratch.0).unwrap();
            fs::read_to_string(scratch.0.join("classes.txt")).unwrap()
        };
        assert_eq!(classes(Some(5)), "a\nb\nc\nclass_3\nclass_4\n");
        assert!(!scratch.0.join("images").exists());
        assert_eq!(classes(Some(2)), "a\nb\n");
        assert!(scratch.0.join("images/b/1.jpg").is_file() && !scratch.0.join("images/c").exists());
        let places = [&site("a\"b", &[17, 8], true)];
        let file = graft(&subject(Some((4, 1))), Path::new("a.onnx"), &places, &data, None, &scratch.0).unwrap();
        let yaml = fs::read_to_string(file).unwrap();
        assert!(
            yaml.contains("    - at: \"a\\\"b\"\n      tokens: { grid: [4, 4], class: 1 }\n      cutmix:"),
            "{yaml}"
        );
        assert!(yaml.contains("resize: { size: [32, 48] }"), "{yaml}");
    }
}
