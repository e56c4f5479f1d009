//! JSON schemas of configurations.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::json;

/// The first paragraph of a schema's description.
pub(crate) fn summary_of(schema: &Schema) -> String {
    first_paragraph(schema.get("description").and_then(|text| text.as_str()).unwrap_or_default())
}

/// The lines before the first empty one, as one.
#[must_use]
pub fn first_paragraph(text: &str) -> String {
    text.lines().take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ")
}

/// The schema of a configuration, with the names of reference libraries whose options it may take.
pub(crate) fn schema_of<T: JsonSchema>(presets: &[(&str, &str)]) -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
    if let (false, Some(fields)) =
        (presets.is_empty(), schema.get_mut("properties").and_then(|fields| fields.as_object_mut()))
    {
        let names: Vec<&str> = presets.iter().map(|(name, _)| *name).collect();
        let text = "Options of another library; options that are given beside it win.";
        fields.insert("compat".to_owned(), json!({ "description": text, "enum": names }));
    }
    schema
}
