//! Reads tensor data that a model keeps in files beside it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;

use crate::error::{Error, answer};
use crate::payload::{element_count, is_external, raw_bytes};
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto};

/// The largest protobuf message that runtimes accept, and so the most that one model may hold.
pub(crate) const MESSAGE_LIMIT: u64 = i32::MAX as u64;

/// Why a model beyond the limit is of no use here, and what to do.
pub(crate) const TOO_LARGE: &str =
    "one protobuf message holds no more, and steps and cuts are written into one; use a smaller or quantized model";

/// Moves all external data of a freshly decoded model into the model.
///
/// The data must lie in the folder of `model` or below, wherever links lead; where `model` is a link, in the folder of the file that it leads to.
pub(crate) fn inline(proto: &mut ModelProto, model: &Path) -> Result<(), Error> {
    let mut files = Files { folders: folders_of(model), open: BTreeMap::new(), inlined: 0 };
    if let Some(graph) = &mut proto.graph {
        inline_graph(graph, &mut files)?;
    }
    for function in &mut proto.functions {
        inline_nodes(&mut function.node, &mut files)?;
        inline_attributes(&mut function.attribute_proto, &mut files)?;
    }
    Ok(())
}

struct Files {
    folders: Result<Vec<PathBuf>, String>,
    open: BTreeMap<PathBuf, Bytes>,
    inlined: u64,
}

/// The folders that the data of a model may lie in, free of links.
///
/// A cache of downloads holds links beside each other whose files lie beside each other elsewhere.
fn folders_of(model: &Path) -> Result<Vec<PathBuf>, String> {
    let named = model.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut folders = vec![named.canonicalize().map_err(|e| format!("{}: {e}", named.display()))?];
    if fs::symlink_metadata(model).is_ok_and(|of| of.is_symlink()) {
        let file = model.canonicalize().map_err(|e| format!("{}: {e}", model.display()))?;
        // All that there is lies below the root.
        folders.extend(file.parent().filter(|folder| folder.parent().is_some()).map(Path::to_owned));
    }
    Ok(folders)
}

fn inline_graph(graph: &mut GraphProto, files: &mut Files) -> Result<(), Error> {
    let sparse = graph.sparse_initializer.iter_mut().flat_map(|s| s.values.iter_mut().chain(&mut s.indices));
    for tensor in graph.initializer.iter_mut().chain(sparse) {
        inline_tensor(tensor, files)?;
    }
    inline_nodes(&mut graph.node, files)
}

fn inline_nodes(nodes: &mut [NodeProto], files: &mut Files) -> Result<(), Error> {
    nodes.iter_mut().try_for_each(|node| inline_attributes(&mut node.attribute, files))
}

fn inline_attributes(attributes: &mut [AttributeProto], files: &mut Files) -> Result<(), Error> {
    for attribute in attributes {
        let sparse = attribute.sparse_tensor.iter_mut().chain(&mut attribute.sparse_tensors);
        let sparse = sparse.flat_map(|s| s.values.iter_mut().chain(&mut s.indices));
        for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors).chain(sparse) {
            inline_tensor(tensor, files)?;
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            inline_graph(graph, files)?;
        }
    }
    Ok(())
}

fn inline_tensor(tensor: &mut TensorProto, files: &mut Files) -> Result<(), Error> {
    if !is_external(tensor) {
        return Ok(());
    }
    let location = entry(tensor, "location").unwrap_or_default().to_owned();
    let data = slice(tensor, &location, files).map_err(|problem| Error::ExternalData {
        tensor: tensor.name().to_owned(),
        location,
        problem,
    })?;
    tensor.raw_data = Some(data);
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Returns the part of the file that belongs to the tensor; an error says what is wrong and what to do.
fn slice(tensor: &TensorProto, location: &str, files: &mut Files) -> Result<Bytes, String> {
    let wanted = element_count(&tensor.dims)
        .and_then(|count| raw_bytes(tensor.data_type(), count))
        .ok_or_else(|| format!("shape {:?} of element type {} has no size", tensor.dims, tensor.data_type()))?;
    let offset = number(tensor, "offset")?.unwrap_or(0);
    let data = open(location, files)?;
    let held = data.len() as u64;
    let length = number(tensor, "length")?.unwrap_or_else(|| held.saturating_sub(offset));
    if length != wanted {
        return Err(format!("it gives {length} bytes where shape {:?} needs {wanted}", tensor.dims));
    }
    let end = offset.checked_add(length).filter(|&end| end <= held);
    let end =
        end.ok_or_else(|| format!("bytes {offset}+{length} lie beyond its end at {held}; the file is cut short"))?;
    files.inlined = files.inlined.saturating_add(length);
    if files.inlined > MESSAGE_LIMIT {
        return Err(format!("with it the model holds more than 2 GiB; {TOO_LARGE}"));
    }
    let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    let (start, end) = range.ok_or("the file is larger than the address space")?;
    Ok(data.slice(start..end))
}

/// Returns the content of a file in the model's folder; each file is read once, so claims cannot multiply it.
fn open(location: &str, files: &mut Files) -> Result<Bytes, String> {
    let relative = Path::new(location);
    let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !inside {
        return Err("only a file in the model's own folder is allowed; move it there and name it without '..'".into());
    }
    let folders = files.folders.as_ref().map_err(Clone::clone)?;
    let named = folders.iter().map(|folder| folder.join(relative).canonicalize());
    let found = named.reduce(|first, second| first.or_else(|error| second.map_err(|_| error)));
    let found = found.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
    let path = found.map_err(|e| format!("{}; put the file beside the model", answer(&e)))?;
    if !folders.iter().any(|folder| path.starts_with(folder)) {
        return Err("it is a link that leads out of the model's folder; copy the file there".into());
    }
    if let Some(data) = files.open.get(&path) {
        return Ok(data.clone());
    }
    let metadata = fs::metadata(&path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    if metadata.len() > MESSAGE_LIMIT {
        return Err(format!("it holds more than 2 GiB; {TOO_LARGE}"));
    }
    let data = Bytes::from(fs::read(&path).map_err(|e| e.to_string())?);
    files.open.insert(path, data.clone());
    Ok(data)
}

fn entry<'t>(tensor: &'t TensorProto, key: &str) -> Option<&'t str> {
    tensor.external_data.iter().find(|entry| entry.key() == key).map(StringStringEntryProto::value)
}

fn number(tensor: &TensorProto, key: &str) -> Result<Option<u64>, String> {
    let Some(text) = entry(tensor, key) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("its {key} '{text}' is not a number of bytes"))
}
