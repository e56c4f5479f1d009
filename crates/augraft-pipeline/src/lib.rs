//! From a YAML file to a checked plan: places in the file, diagnostics, the JSON schema, `explain` and the operator pages.
//!
//! ```text
//! text --parse--> PipelineSpec (as written, with places) --plan--> Plan (resolved, checked)
//! ```
//! This is the only crate that knows YAML. Operators report paths, and the places are found here.

mod catalog;
mod combinators;
mod device;
mod diagnostic;
mod document;
mod explain;
mod flow;
mod header;
mod ids;
mod layout;
mod listing;
mod objects;
mod plan;
mod planning;
mod ports;
mod problems;
mod reading;
mod reference;
mod schema;
mod section;
mod site_map;
mod sites;
mod spec;
mod step;
mod step_fields;
mod step_run;
mod suggest;
mod table;
mod validate;
mod variables;
mod warnings;
mod words;

pub use augraft_operator::{ObjectRules, OnDrop};
pub use catalog::{page, unknown_operator};
pub use device::{Device, EngineKind};
pub use diagnostic::{Diagnostic, Report, Severity, Span};
pub use document::{Document, Key, Node, Value};
pub use header::{Distribution, HeaderRole, OperatorHeader, Parameter, read_macro};
pub use layout::{LayoutName, MapLayout, Tokens, WrittenLayout};
pub use listing::{Listing, listing, listings_table, operators_table};
pub use objects::{AnnotationFormat, AnnotationSpec};
pub use plan::{Facts, Inspect, ModelFacts, ModelPlan, ObjectPlan, Overrides, Plan, SiteFacts, SitePlan, Step};
pub use planning::plan;
pub use ports::{Answer, Gives, ImageLayout, ModelPorts, OutputName, OutputSpec};
pub use reference::operators_reference;
pub use schema::{inlined_schema, pipeline_schema};
pub use site_map::map_layout;
pub use spec::{DataSource, DataSpec, MaskClasses, MaskSpec, ModelSpec, OnDataError, PipelineSpec};
pub use step::{SiteStepSpec, StepSpec};
pub use suggest::meant;
pub use variables::substituted;
