use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::Error;

/// Reads a list of class names, one a line; a class is the zero-based line.
pub(crate) fn read_classes(path: &Path) -> Result<Vec<String>, Error> {
    if !path.exists() {
        return Err(Error::Missing { what: "class list", path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let mut lines = BTreeMap::new();
    let mut classes = Vec::new();
    for (line, name) in text.trim_start_matches('\u{feff}').trim_end().lines().map(str::trim).enumerate() {
        let fail = |problem| Error::ClassList { path: path.to_owned(), line: line + 1, problem };
        if name.is_empty() {
            return Err(fail("is empty".to_owned()));
        }
        if let Some(first) = lines.insert(name, line + 1) {
            return Err(fail(format!("repeats `{name}` of line {first}")));
        }
        classes.push(name.to_owned());
    }
    if classes.is_empty() {
        return Err(Error::ClassList { path: path.to_owned(), line: 1, problem: "is empty".to_owned() });
    }
    Ok(classes)
}
