//! Parts of a pipeline file that other crates define: read at their places, with problems at theirs.

use std::sync::Arc;

use augraft_operator::{AnyOperator, Registry, Shape};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::diagnostic::Report;
use crate::plan::{ModelFacts, SiteFacts, Step};
use crate::problems::Problems;
use crate::reading::{configure, operator_help, read_steps};
use crate::schema::{DataFields, inlined_schema};
use crate::sites::{matching, unknown_site};
use crate::spec::{DataSpec, PipelineSpec, data_spec, named, step_spec};
use crate::step_run::StepRun;
use crate::validate::check;

impl PipelineSpec {
    /// The value at `pointer`, such as `/experiment`, as JSON; none where the file has nothing there.
    #[must_use]
    pub fn json_at(&self, pointer: &str) -> Option<Json> {
        self.document.node(pointer).map(crate::document::Node::to_json)
    }

    /// Reads the part of the file at `pointer` as a `T`; messages call it `name`. None where the file has nothing there.
    ///
    /// # Errors
    /// All that does not fit the schema of `T`, each at its place.
    pub fn section<T: DeserializeOwned + JsonSchema>(&self, pointer: &str, name: &str) -> Result<Option<T>, Report> {
        let Some(json) = self.json_at(pointer) else { return Ok(None) };
        self.value_at(pointer, name, json).map(Some)
    }

    /// Reads `json`, which came from `pointer`, as a `T`; messages call it `name`.
    ///
    /// # Errors
    /// All that does not fit the schema of `T`, each at its place.
    pub fn value_at<T: DeserializeOwned + JsonSchema>(
        &self,
        pointer: &str,
        name: &str,
        json: Json,
    ) -> Result<T, Report> {
        let mut problems = Problems::new(&self.document);
        problems.extend(pointer, check(&inlined_schema::<T>(), &json, name));
        if problems.has_errors() {
            return Err(Report::from(problems));
        }
        serde_json::from_value(json).map_err(|error| {
            problems.error(pointer, "wrong-value", format!("{name}: {error}"), None);
            Report::from(problems)
        })
    }

    /// Reads the data source at `pointer`.
    ///
    /// # Errors
    /// All problems of its fields.
    pub fn data_at(&self, pointer: &str) -> Result<Option<DataSpec>, Report> {
        let fields: Option<DataFields> = self.section(pointer, "`data`")?;
        let mut problems = Problems::new(&self.document);
        let data = fields.and_then(|fields| data_spec(fields, &self.folder, pointer, &mut problems));
        problems.finish().map(|_| data)
    }

    /// Reads and checks the list of steps at `pointer` on images of `shape`; none where the file has no list there.
    ///
    /// # Errors
    /// All problems of the steps.
    pub fn steps_at(
        &self,
        registry: &Registry,
        pointer: &str,
        (seed, epoch): (u64, u32),
        shape: Shape,
    ) -> Result<Option<Vec<Step>>, Report> {
        if self.document.node(pointer).is_none() {
            return Ok(None);
        }
        let mut problems = Problems::new(&self.document);
        let mut written = Vec::new();
        read_steps(registry, pointer, false, &mut written, &mut problems);
        let ids = named(&written, &mut problems);
        if problems.has_errors() {
            return Err(Report::from(problems));
        }
        let specs = written.iter().zip(&ids).filter_map(|(step, id)| step_spec(step, id, &ids));
        let mut run = StepRun::new(seed, epoch, shape);
        let steps = specs.filter_map(|spec| run.check(&spec, spec.id.clone(), &mut problems)).collect();
        problems.finish().map(|_| Some(steps))
    }

    /// The operator `name` with the configuration `config`, which was written at `pointer`.
    ///
    /// # Errors
    /// When there is no such operator, or its configuration has problems.
    pub fn operator_at(
        &self,
        registry: &Registry,
        pointer: &str,
        name: &str,
        config: &Json,
    ) -> Result<Arc<dyn AnyOperator>, Report> {
        let mut problems = Problems::new(&self.document);
        let Some(entry) = registry.get(name) else {
            let help = Some(operator_help(registry, name));
            problems.key_error(pointer, "unknown-operator", format!("there is no operator `{name}`"), help);
            return Err(Report::from(problems));
        };
        let config = entry.config_of(name, config.clone());
        configure(entry, pointer, &config, &mut problems).ok_or_else(|| Report::from(problems))
    }

    /// The tensors that `at`, which was written at `pointer`, stands for: an alias, a name or a pattern.
    ///
    /// # Errors
    /// When the model has no such tensor.
    pub fn sites_at(&self, pointer: &str, at: &str, facts: &ModelFacts) -> Result<Vec<SiteFacts>, Report> {
        let mut problems = Problems::new(&self.document);
        let Some(model) = &self.model else {
            problems.error(pointer, "unknown-site", "the file has no model", Some("add `model: { file: ... }`".into()));
            return Err(Report::from(problems));
        };
        let wanted = model.sites.get(at).map_or(at, String::as_str);
        let found: Vec<SiteFacts> =
            matching(wanted, &facts.sites).into_iter().map(|position| facts.sites[position].clone()).collect();
        if found.is_empty() {
            let aliases: Vec<&str> = model.sites.keys().map(String::as_str).collect();
            unknown_site(pointer, wanted, &aliases, model, facts, &mut problems);
            return Err(Report::from(problems));
        }
        Ok(found)
    }

    /// What the model of the file calls `tensor` for short, else the tensor itself.
    #[must_use]
    pub fn alias_of(&self, tensor: &str) -> String {
        let aliases = self.model.iter().flat_map(|model| &model.sites);
        let alias = aliases.into_iter().find(|(_, name)| *name == tensor).map(|(alias, _)| alias.clone());
        alias.unwrap_or_else(|| tensor.to_owned())
    }
}
