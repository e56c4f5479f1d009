//! What a pipeline file may hold: the fields of its maps, and the JSON schema that is made of them.

use std::collections::BTreeMap;

use augraft_operator::{Entry, ObjectRules, Registry};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::combinators::{COMBINATORS, Combinator};
use crate::device::{Device, EngineKind};
use crate::flow::flow;
use crate::objects::AnnotationFields;
use crate::ports::{ImageLayout, OutputSpec};
use crate::step_fields::{RESERVED, at_schema, id_schema, layout_schema, step_names, tokens_schema};

/// Version of the format that this crate reads.
pub(crate) const VERSION: u64 = 1;

/// A pipeline of augraft: where images come from, the steps that change them, and a model with steps inside of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "augraft pipeline")]
#[serde(deny_unknown_fields)]
pub(crate) struct FileFields {
    /// Version of the format.
    #[schemars(extend("const" = VERSION))]
    #[expect(dead_code, reason = "checked by the schema")]
    pub augraft: u64,
    /// Seed of every draw.
    #[serde(default)]
    #[schemars(extend("minimum" = 0, "maximum" = i64::MAX))]
    pub seed: u64,
    /// Epoch: draws and order differ from epoch to epoch.
    #[serde(default)]
    #[schemars(extend("maximum" = u32::MAX))]
    pub epoch: u32,
    /// Where images come from and how they are batched.
    #[serde(default)]
    #[schemars(with = "DataFields")]
    pub data: Option<DataFields>,
    /// What becomes of annotated objects that the steps cut or shrink.
    #[serde(default)]
    pub objects: ObjectRules,
    /// Headers of operators that are ONNX files, relative to the pipeline file.
    #[serde(default)]
    #[expect(dead_code, reason = "read before the steps")]
    pub operators: Vec<String>,
    /// Steps on the images, in order; each is a map from the name of an operator to its configuration.
    #[expect(dead_code, reason = "read step by step")]
    pub steps: Vec<Value>,
    /// A model that runs on the images after the steps.
    #[serde(default)]
    #[schemars(with = "ModelFields")]
    pub model: Option<ModelFields>,
    /// What `augraft experiment` does with the model and measures.
    #[serde(default)]
    #[schemars(with = "Value")]
    #[expect(dead_code, reason = "read by the crate of experiments")]
    pub experiment: Option<Value>,
    /// Folder to write to, relative to the current folder; by default `out/` and the name of the file.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    pub out: Option<String>,
}

/// Where images come from and how they are batched: one of `folder`, `flat` and `shards`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["folder"] }, { "required": ["flat"] }, { "required": ["shards"] }]))]
pub(crate) struct DataFields {
    /// Folder with one sub-folder of images per class, relative to the pipeline file.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    pub folder: Option<String>,
    /// Folder of images without labels, relative to the pipeline file.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    pub flat: Option<String>,
    /// Tar files by a glob such as `train-*.tar`, relative to the pipeline file.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    pub shards: Option<String>,
    /// File with one class name per line, which fixes the number and order of classes.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1))]
    pub classes: Option<String>,
    /// Samples per batch.
    #[serde(default = "default_batch")]
    #[schemars(extend("minimum" = 1, "maximum" = u32::MAX))]
    pub batch: usize,
    /// Whether the order of the samples is a permutation keyed by seed and epoch.
    #[serde(default)]
    pub shuffle: bool,
    /// Whether a last batch that is not full is left out.
    #[serde(default)]
    pub drop_last: bool,
    /// Use only this many samples.
    #[serde(default)]
    #[schemars(with = "usize", extend("minimum" = 1))]
    pub limit: Option<usize>,
    /// What to do with an image that cannot be read.
    #[serde(default)]
    pub on_error: OnDataError,
    /// Semantic masks beside the images.
    #[serde(default)]
    #[schemars(with = "MaskFields")]
    pub masks: Option<MaskFields>,
    /// Objects in the images: a COCO file, or a map that names a file or a folder and its format.
    #[serde(default)]
    #[schemars(with = "AnnotationFields")]
    pub annotations: Option<AnnotationFields>,
}

/// Semantic masks: PNG files whose pixels are class ids, at the paths of the images below another folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskFields {
    /// Folder of the masks, relative to the pipeline file; the mask of `a/b.jpg` is `a/b.png` below it.
    #[schemars(length(min = 1))]
    pub folder: String,
    /// Number of classes, or their names in order.
    pub classes: MaskClasses,
    /// Class id of pixels that belong to no class, such as the borders in Pascal VOC.
    #[serde(default)]
    #[schemars(with = "u8")]
    pub ignore: Option<u8>,
}

/// The classes of masks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MaskClasses {
    /// How many.
    Count(#[schemars(range(min = 1, max = 255))] u32),
    /// Their names.
    Names(#[schemars(length(min = 1, max = 255))] Vec<String>),
}

impl MaskClasses {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            MaskClasses::Count(count) => *count as usize,
            MaskClasses::Names(names) => names.len(),
        }
    }
}

/// What to do with an image that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDataError {
    /// Stop.
    #[default]
    Fail,
    /// Leave it out of its batch and say so in the report.
    Skip,
}

/// A model that runs on the images after the steps, and the steps inside of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelFields {
    /// ONNX file, relative to the pipeline file.
    #[schemars(length(min = 1))]
    pub file: String,
    /// Who runs the model.
    #[serde(default)]
    pub engine: EngineKind,
    /// What it runs on: `cpu`, or `cuda:N` with onnxruntime.
    #[serde(default)]
    pub device: Device,
    /// Order of the axes of its images: `nchw` or `nhwc`; by default what the model shows.
    #[serde(default)]
    #[schemars(with = "ImageLayout")]
    pub layout: Option<ImageLayout>,
    /// Values of its inputs beside the images: a number, or nested lists.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Which output is its answer, and what that is.
    #[serde(default)]
    pub output: OutputSpec,
    /// Short names for tensors of the model.
    #[serde(default)]
    pub sites: BTreeMap<String, String>,
    /// Steps at tensors of the model, in the order of the model; each also has `at`.
    #[serde(default)]
    #[expect(dead_code, reason = "read step by step")]
    pub steps: Vec<Value>,
}

fn default_batch() -> usize {
    64
}

/// The JSON schema of pipeline files, with the operators of `registry`.
#[must_use]
pub fn pipeline_schema(registry: &Registry) -> Value {
    let mut schema = outer_schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["properties"]["steps"]["items"] = json!({ "$ref": "#/$defs/step" });
    schema["properties"]["model"]["properties"]["steps"]["items"] = json!({ "$ref": "#/$defs/model_step" });
    schema["$defs"] = json!({ "step": step_schema(registry, false), "model_step": step_schema(registry, true) });
    for entry in registry.iter() {
        schema["$defs"][operator_definition(entry.name)] = entry.schema().to_value();
    }
    // Without `operators`, every step has a name that is known here.
    let names: Vec<&str> = step_names(registry).into_iter().chain(RESERVED).collect();
    let known = json!({ "items": { "anyOf": [{ "type": "string" }, { "propertyNames": { "enum": names } }] } });
    schema["if"] = json!({ "not": { "required": ["operators"] } });
    schema["then"] = json!({ "properties": { "steps": known, "model": { "properties": { "steps": known } } } });
    schema
}

/// The schema of everything but the steps, which may be anything here.
pub(crate) fn outer_schema() -> Value {
    inlined_schema::<FileFields>()
}

/// The schema of a type, with the schemas of its parts inside.
#[must_use]
pub fn inlined_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    // An optional field is left out; `null` is no value of its type, so it is no default either.
    let settings = settings.with_transform(RecursiveTransform(|schema: &mut Schema| {
        if schema.get("default") == Some(&Value::Null) {
            schema.remove("default");
        }
    }));
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Where the schema of an operator's configuration stands, once for all places that a step can have.
fn operator_definition(name: &str) -> String {
    format!("operator_{name}")
}

fn step_schema(registry: &Registry, in_model: bool) -> Value {
    let step = |(name, entry): (&'static str, &'static Entry)| {
        let operator = json!({ "$ref": format!("#/$defs/{}", operator_definition(entry.name)) });
        let mut operator = json!({ "description": entry.summary(), "anyOf": [operator, { "type": "null" }] });
        if name != entry.name {
            operator["description"] = json!(former_name(name, entry));
            operator["deprecated"] = json!(true);
        }
        let mut properties =
            serde_json::Map::from_iter([(name.to_owned(), operator), ("id".to_owned(), id_schema().to_value())]);
        let required = vec![name];
        if in_model {
            properties.insert("at".to_owned(), at_schema().to_value());
            properties.insert("layout".to_owned(), layout_schema());
            properties.insert("tokens".to_owned(), tokens_schema());
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    };
    let combined = |known: &Combinator| {
        let mut held = (known.schema)();
        let inner = if in_model { "#/$defs/model_step" } else { "#/$defs/step" };
        held["properties"]["steps"]["items"] = json!({ "$ref": inner });
        let mut properties = json!({ known.name: held, "id": id_schema().to_value() });
        if in_model {
            properties["at"] = at_schema().to_value();
            properties["layout"] = layout_schema();
            properties["tokens"] = tokens_schema();
        }
        json!({ "type": "object", "properties": properties, "required": [known.name], "additionalProperties": false })
    };
    let operators = registry.iter().map(|entry| (entry.name, entry)).chain(registry.aliases());
    let mut steps: Vec<Value> = operators.map(step).chain(COMBINATORS.iter().map(combined)).collect();
    let linked: Vec<Value> = step_names(registry).into_iter().map(|name| json!({ "required": [name] })).collect();
    let other = json!({ "description": "An operator of `operators`.", "type": "object", "not": { "anyOf": linked } });
    steps.push(other);
    if !in_model {
        let names: Vec<&str> = registry.iter().map(|entry| entry.name).collect();
        steps.push(json!({ "description": "An operator with its defaults.", "enum": names }));
        steps.extend(registry.aliases().map(|(name, entry)| {
            let description = former_name(name, entry);
            json!({ "description": description, "const": name, "deprecated": true })
        }));
    }
    json!({ "anyOf": steps })
}

/// Says what an operator that was called `name` is called now.
fn former_name(name: &str, entry: &Entry) -> String {
    let options = entry.config_of(name, Value::Null);
    let options = if options == json!({}) { String::new() } else { format!(" with {}", flow(&options)) };
    format!("The former name of `{}`{options}.", entry.name)
}
