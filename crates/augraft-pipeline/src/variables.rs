//! `$NAME` in place of a value: the parameters of macros and the variables of sweeps.

use serde_json::{Map, Value};

use crate::validate::escaped;

/// Replaces every text below `json` that is wholly `$NAME` by the value of that name.
///
/// The value may be of any type and is put in as it is, so that a `$` in it means nothing.
/// Names of fields, and texts that hold `$` further on, stay.
///
/// # Errors
/// The JSON pointer and the name of the first one that has no value.
pub fn substituted(json: &Value, values: &Map<String, Value>) -> Result<Value, (String, String)> {
    let mut replaced = json.clone();
    for (pointer, name) in references(json) {
        let Some(value) = values.get(&name) else { return Err((pointer, name)) };
        if let Some(place) = replaced.pointer_mut(&pointer) {
            *place = value.clone();
        }
    }
    Ok(replaced)
}

/// Every `$NAME` below `json`: its JSON pointer and its name.
pub(crate) fn references(json: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    find(json, String::new(), &mut found);
    found
}

fn find(json: &Value, pointer: String, found: &mut Vec<(String, String)>) {
    match json {
        Value::String(text) => found.extend(text.strip_prefix('$').map(|name| (pointer, name.to_owned()))),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| find(item, format!("{pointer}/{at}"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| find(item, format!("{pointer}/{}", escaped(name)), found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_whole_texts_are_replaced_and_a_name_without_value_is_found() {
        let values = Map::from_iter([("a".to_owned(), json!([1, "$b"]))]);
        let before = json!({ "x/y": ["$a", "cost $a"], "$a": 2 });
        assert_eq!(substituted(&before, &values), Ok(json!({ "x/y": [[1, "$b"], "cost $a"], "$a": 2 })));
        let unknown = json!({ "x/y": ["$a", "$b"] });
        assert_eq!(substituted(&unknown, &values), Err(("/x~1y/1".to_owned(), "b".to_owned())));
    }
}
