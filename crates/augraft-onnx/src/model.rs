use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use prost::Message;

use crate::error::Error;
use crate::external::{self, MESSAGE_LIMIT, TOO_LARGE};
use crate::nodes::{bodies, initializer_names, is_standard};
use crate::proto::tensor_shape_proto::dimension;
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, type_proto};
use crate::tensor::Tensor;
use crate::validate::validate;

/// An ONNX model that has been checked once.
///
/// Its graph exists, every tensor has one producer, every name that is read is produced, the nodes are in topological
/// order, and the data of every tensor fill its shape.
#[derive(Clone, PartialEq)]
pub struct Model {
    proto: ModelProto,
}

/// A graph input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The tensor.
    pub name: String,
    /// The element type, a value of [`DataType`](crate::proto::tensor_proto::DataType); 0 when it is not declared.
    pub dtype: i32,
    /// The declared dimensions, or `None` when not even their number is declared.
    pub shape: Option<Vec<Dim>>,
}

/// One declared dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(u64),
    /// A named dimension, such as `batch`.
    Symbol(String),
    /// Nothing is declared.
    Unknown,
}

impl Model {
    /// Reads and checks a file, and the external data beside it.
    ///
    /// # Errors
    /// Files that are not ONNX, models that break a rule of the format, and external data outside the model's folder, or that of the file that a link leads to.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let mut proto = decode(Bytes::from(bytes)).map_err(|e| e.in_file(path))?;
        external::inline(&mut proto, path)?;
        Self::from_proto(proto).map_err(|e| e.in_file(path))
    }

    /// Decodes and checks the bytes of a file without external data.
    ///
    /// # Errors
    /// Bytes that are not ONNX and models that break a rule of the format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_proto(decode(Bytes::copy_from_slice(bytes))?)
    }

    /// Checks a model, and sorts its nodes when they are not in topological order.
    ///
    /// # Errors
    /// Models that break a rule of the format.
    pub fn from_proto(mut proto: ModelProto) -> Result<Self, Error> {
        validate(&mut proto)?;
        Ok(Self { proto })
    }

    /// Encodes the model; a decoded model whose nodes were in order, and none of whose dimensions is -1, gives the bytes that it came from.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// Returns the protobuf message.
    #[must_use]
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// Gives the protobuf message up for editing; [`Model::from_proto`] checks it again.
    #[must_use]
    pub fn into_proto(self) -> ModelProto {
        self.proto
    }

    /// Returns the version of the standard operators that the model is written for.
    #[must_use]
    pub fn opset(&self) -> i64 {
        let standard = self.proto.opset_import.iter().find(|opset| is_standard(opset.domain()));
        // Files older than IR 3 have no imports and mean version 1.
        standard.map_or(1, OperatorSetIdProto::version)
    }

    /// Returns the inputs that a caller must give, in order: those without an initializer.
    #[must_use]
    pub fn inputs(&self) -> Vec<Port> {
        let initializers = initializer_names(self.graph());
        self.graph().input.iter().filter(|input| !initializers.contains(input.name())).map(port).collect()
    }

    /// Returns the graph's outputs in order.
    #[must_use]
    pub fn outputs(&self) -> Vec<Port> {
        self.graph().output.iter().map(port).collect()
    }

    /// Returns every operator that the model uses, bodies and functions included, as domain and name, sorted.
    #[must_use]
    pub fn operators(&self) -> Vec<(String, String)> {
        let functions = self.proto.functions.iter().flat_map(|function| &function.node);
        let mut pending: Vec<&NodeProto> = self.graph().node.iter().chain(functions).collect();
        let mut found = BTreeSet::new();
        while let Some(node) = pending.pop() {
            found.insert((node.domain().to_owned(), node.op_type().to_owned()));
            pending.extend(bodies(node).flat_map(|body| &body.node));
        }
        found.into_iter().collect()
    }

    /// Says whether a node of the main graph makes a tensor.
    #[must_use]
    pub fn is_made(&self, name: &str) -> bool {
        self.graph().node.iter().any(|node| node.output.iter().any(|output| output == name))
    }

    /// Returns the initializer called `name`, where it has an element type that [`Tensor`] holds.
    #[must_use]
    pub fn initializer(&self, name: &str) -> Option<Tensor> {
        let tensor = self.graph().initializer.iter().find(|tensor| tensor.name() == name)?;
        Tensor::from_proto(tensor)
    }

    pub(crate) fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("validation refuses a model without a graph")
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let graph = self.graph();
        f.debug_struct("Model")
            .field("graph", &graph.name())
            .field("nodes", &graph.node.len())
            .field("initializers", &graph.initializer.len())
            .finish()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if metadata.len() > MESSAGE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds more than 2 GiB; {TOO_LARGE}")));
    }
    fs::read(path)
}

fn decode(bytes: Bytes) -> Result<ModelProto, Error> {
    if bytes.is_empty() {
        return Err(Error::not_onnx("it is empty"));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::not_onnx("it is a pointer of Git LFS, which `git lfs pull` replaces by the file"));
    }
    let start = bytes.trim_ascii_start();
    if [&b"<!doctype"[..], b"<html"]
        .iter()
        .any(|tag| start.len() >= tag.len() && start[..tag.len()].eq_ignore_ascii_case(tag))
    {
        return Err(Error::not_onnx("it is a page of HTML, such as a download that was refused"));
    }
    ModelProto::decode(bytes).map_err(|error| {
        let words = error.to_string();
        if words.contains("recursion limit") {
            // The words list every level.
            return Error::invalid("graphs nest too deep");
        }
        let detail = words.trim_start_matches("failed to decode Protobuf message: ");
        Error::not_onnx(format!("it is cut off, damaged or of another format ({detail})"))
    })
}

pub(crate) fn port(info: &ValueInfoProto) -> Port {
    let value = info.r#type.as_ref().and_then(|t| t.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = value else {
        return Port { name: info.name().to_owned(), dtype: 0, shape: None };
    };
    let shape = tensor.shape.as_ref().map(|shape| shape.dim.iter().map(|d| dim(d.value.as_ref())).collect());
    Port { name: info.name().to_owned(), dtype: tensor.elem_type(), shape }
}

fn dim(value: Option<&dimension::Value>) -> Dim {
    match value {
        Some(dimension::Value::DimValue(size)) => u64::try_from(*size).map_or(Dim::Unknown, Dim::Fixed),
        Some(dimension::Value::DimParam(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol.clone()),
        _ => Dim::Unknown,
    }
}
